"""How long a live migration takes, what it sends, how long the guest stands still: quantiles, or that it is unknown."""
