"""What KubeVirt's objects are called and how they are read: keys, quantities, predicates."""
