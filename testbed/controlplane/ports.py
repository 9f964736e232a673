"""Free TCP ports on loopback."""

import os
import socket
from collections.abc import Collection

from controlplane.errors import ControlPlaneError

RANGE = range(20000, 30000)
"""Below the ports that Linux gives to outgoing connections (32768 and up): none of those can take one of ours between
our look and the server's start."""


def free(count: int, taken: Collection[int], first: int | None = None) -> tuple[int, ...]:
    """That many ports on which a server could listen, without the taken ones, tried from `first` on.

    Raises ControlPlaneError if there are not so many.
    """
    # Users do not see each other's reservations; different places to begin keep them apart.
    start = (os.getpid() * 7 if first is None else first - RANGE.start) % len(RANGE)
    found: list[int] = []
    for port in (*RANGE[start:], *RANGE[:start]):
        if port not in taken and is_free(port):
            found.append(port)
        if len(found) == count:
            return tuple(found)
    raise ControlPlaneError(f"fewer than {count} free ports on 127.0.0.1 between {RANGE.start} and {RANGE.stop - 1}")


def is_free(port: int) -> bool:
    """Whether a server could listen there now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers do it: connections of an earlier server that are still in TIME_WAIT do no harm.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
