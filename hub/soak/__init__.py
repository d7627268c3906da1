"""`hearthbeat soak`: a hub under load while things break, and the ledger's verdict on it."""
