"""What the cluster and KubeVirt say, as immutable values. Pure: no clock, no I/O."""
