"""The cluster to simulate, from a small YAML: nodes, virtual machines, KubeVirt's configuration."""
