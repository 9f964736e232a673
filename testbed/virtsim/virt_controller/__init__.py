"""What KubeVirt's virt-controller does: launcher pods, the life of a VMI and of a migration."""
