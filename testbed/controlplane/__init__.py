"""Genuine Kubernetes control planes on loopback, without containers, for tests, demo and benchmarks."""
