"""What a VM asks of a node: of its labels, its room, its volumes and its neighbours."""
