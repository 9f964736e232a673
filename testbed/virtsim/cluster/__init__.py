"""How the simulator talks to the API server: client, caches, work queues, events."""
