"""Which VMs move where and why not: Snapshot -> Proposal. Pure: no clock, no I/O."""
