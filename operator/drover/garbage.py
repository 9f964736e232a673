"""How garbage is collected: seldom, and never among what was listed."""

import gc


def collect_seldom() -> None:
    """What decoding makes is freed by reference counts."""
    gc.set_threshold(100_000, 50, 100)


def keep_what_is_there() -> None:
    """From now on nothing that is there is looked at: else every collection walks through all of a large cluster, and
    most come in the middle of a proposal, which allocates a lot."""
    gc.collect()
    gc.freeze()
