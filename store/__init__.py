"""THE ONLY POSTGRESQL: SQL by noun, migrations, the pool, the feed of committed batches."""
