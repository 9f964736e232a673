"""The API server's objects as facts: client, informers, Store."""
