"""What a fleet provably has no room for, and whether it keeps a reserve."""
