"""The demo: a fleet, a maintenance, a live view of it and a check of how it ended."""
