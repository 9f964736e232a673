"""What KubeVirt's virt-handler and virt-launcher do on both ends of a migration."""
