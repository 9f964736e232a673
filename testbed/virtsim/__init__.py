"""A simulated KubeVirt for any real API server: virt-controller, virt-handler, virt-api's webhooks and kubelets."""
