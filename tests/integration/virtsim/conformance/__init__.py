"""Scenarios as the real virt-controller and virt-api 1.9 were recorded to go through them, and the simulator beside."""
