"""Which ports of its nodes are taken (kube-scheduler plugins/nodeports, framework HostPortInfo)."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from drover.facts.pod import HostPort
from drover.planning.site.topology import Mask

ANY = "0.0.0.0"


@dataclass(slots=True)
class HostPorts:
    """By node position, as placement proceeds. Launcher pods take none as a rule: nothing is counted until one asks."""

    nodes: int
    count: Callable[[], Mapping[int, frozenset[HostPort]]]
    _known: Mapping[int, frozenset[HostPort]] | None = None
    _added: dict[int, list[HostPort]] = field(default_factory=dict)

    def copy(self) -> "HostPorts":
        """The same, to go on independently."""
        return HostPorts(self.nodes, self.count, self._known, {node: list(more) for node, more in self._added.items()})

    def allowed(self, ports: tuple[HostPort, ...]) -> Mask:
        """bool[nodes]: where all of the ports are free."""
        result = np.ones(self.nodes, dtype=np.bool_)
        for node in range(self.nodes) if ports else ():
            result[node] = self.refuses(ports, node) is None
        return result

    def refuses(self, ports: tuple[HostPort, ...], node: int) -> str | None:
        """Why not, in words that follow "the node"."""
        taken = self._taken(node) if ports else ()
        clash = next((port for port in ports if _clashes(port, taken)), None)
        return f"has the host port {clash[2]}/{clash[1]} taken" if clash is not None else None

    def move(self, ports: tuple[HostPort, ...], target: int) -> None:
        """From now on the target has these ports taken too."""
        if ports:
            self._added.setdefault(target, []).extend(ports)

    def stay(self, ports: tuple[HostPort, ...], target: int) -> None:
        """Take such a move back."""
        for port in ports:
            self._added[target].remove(port)

    def _taken(self, node: int) -> Iterable[HostPort]:
        if self._known is None:
            self._known = self.count()
        return (*self._known.get(node, ()), *self._added.get(node, ()))


def _clashes(port: HostPort, taken: Iterable[HostPort]) -> bool:
    ip, protocol, number = port
    return any(
        (protocol, number) == (theirs, taken_number) and (ip == address or ANY in (ip, address))
        for address, theirs, taken_number in taken
    )
