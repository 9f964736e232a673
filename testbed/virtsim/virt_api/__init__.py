"""What KubeVirt's virt-api answers: the admission webhooks."""
