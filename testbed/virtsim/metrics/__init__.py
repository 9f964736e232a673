"""KubeVirt's Prometheus metrics about migrations, of virt-controller and of all virt-handlers, on one endpoint."""
