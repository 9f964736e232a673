"""What starts, waits, ends and is reported now: Snapshot, Proposal, now -> Decision. Pure: no clock, no I/O."""
