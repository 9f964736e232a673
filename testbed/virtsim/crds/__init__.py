"""The simulator's own definitions of KubeVirt's kinds, and the refusal to touch anybody else's."""
