"""Nodes that are kept Ready, and pods that run and end on them."""
