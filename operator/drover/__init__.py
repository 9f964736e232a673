"""Drover: a Kubernetes operator that plans and runs live migrations of KubeVirt virtual machines."""
