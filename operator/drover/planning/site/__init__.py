"""The nodes and who is on them, as they fill: what is free, near, spread, attached."""
