"""How migrations move guests over the network: an event-driven fluid model on a virtual clock. Knows no real time."""
