"""The only writers: Action -> Outcome."""
