"""Fleets for which a complete plan is known to exist, and how the planner does on them."""
