"""Where each VM goes: a portfolio of greedy placements, repaired, in arrays; and in which order that is legal."""
