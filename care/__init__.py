"""WHERE PEOPLE WORK: the REST API, the console, people and their sign-in."""
