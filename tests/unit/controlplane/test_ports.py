"""Ports: free, not promised to anybody, found wherever the search begins."""

import socket

import pytest

from controlplane import ports
from controlplane.errors import ControlPlaneError

FIRST, LAST = ports.RANGE.start, ports.RANGE.stop - 1


@pytest.fixture
def all_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "is_free", lambda port: True)


@pytest.mark.usefixtures("all_free")
@pytest.mark.parametrize(
    ("first", "taken", "expected"),
    [
        (FIRST, [], (FIRST, FIRST + 1, FIRST + 2)),
        (FIRST, [FIRST, FIRST + 2], (FIRST + 1, FIRST + 3, FIRST + 4)),
        (LAST, [], (LAST, FIRST, FIRST + 1)),
        (LAST, [LAST, FIRST], (FIRST + 1, FIRST + 2, FIRST + 3)),
    ],
)
def test_ports_are_not_taken_ones_and_the_range_is_a_ring(
    first: int, taken: list[int], expected: tuple[int, ...]
) -> None:
    assert ports.free(3, taken, first) == expected


@pytest.mark.usefixtures("all_free")
def test_an_exhausted_range_is_an_error_that_names_it() -> None:
    with pytest.raises(ControlPlaneError, match=f"{FIRST} and {LAST}"):
        ports.free(1, ports.RANGE)


def test_a_port_with_a_server_on_it_is_passed_over() -> None:
    (port,) = ports.free(1, [])
    with socket.create_server(("127.0.0.1", port)):
        assert not ports.is_free(port)
        assert ports.free(1, [], first=port) != (port,)
