"""The console: one file per page, on the same functions as the API."""
