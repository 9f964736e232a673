"""Who is where: every VM once and every other pod, found by labels without looking at each of them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from drover.facts.selector import Requirement
from drover.planning.demand.terms import ALONE, Bonds, Labels


class Occupant(msgspec.Struct, frozen=True):
    """A VM by the pod its guest runs in, or another pod. Nodes are positions in the fleet.

    `pods` is the node with the pod. `home` is where it will be in the end, for a VM that moves another one, which may
    have no pod of it yet; None if it is about to end.
    """

    uid: str
    namespace: str
    labels: Labels
    home: int | None
    pods: tuple[int, ...]
    bonds: Bonds = ALONE

    @property
    def places(self) -> tuple[int, ...]:
        """Where it is or is about to be: both hosts hold a VM that moves."""
        return self.pods if self.home is None or self.home in self.pods else (*self.pods, self.home)

    @property
    def in_flight(self) -> bool:
        return bool(self.pods) and self.home is not None and self.home not in self.pods


@dataclass(slots=True)
class Population:
    """All occupants. An index by the values of a label is made when a selector first asks for the label."""

    occupants: Sequence[Occupant]
    number: Mapping[str, int] = field(init=False)
    """Position in `occupants` by UID."""
    _indexes: dict[str, dict[str, dict[str, list[int]]]] = field(default_factory=dict)
    """Label key -> value -> namespace -> occupants."""
    _residents: dict[str, list[int]] | None = None

    def __post_init__(self) -> None:
        self.number = {occupant.uid: n for n, occupant in enumerate(self.occupants)}

    def matching(self, namespaces: frozenset[str] | None, selector: Sequence[Requirement]) -> list[int]:
        """The occupants of these namespaces (None: of all) that satisfy every requirement, in ascending order."""
        exact = next((each for each in selector if each.operator == "In"), None)
        found = self._inhabitants(namespaces) if exact is None else self._labelled(exact, namespaces)
        rest = [each for each in selector if each is not exact]
        if not rest:
            return found
        return [n for n in found if all(each.matches(self.occupants[n].labels) for each in rest)]

    def _labelled(self, exact: Requirement, namespaces: frozenset[str] | None) -> list[int]:
        by_value = self._by(exact.key)
        groups = [by_value[value] for value in dict.fromkeys(exact.values) if value in by_value]
        return sorted(n for group in groups for n in _within(group, namespaces))

    def _inhabitants(self, namespaces: frozenset[str] | None) -> list[int]:
        if self._residents is None:
            self._residents = {}
            for n, occupant in enumerate(self.occupants):
                self._residents.setdefault(occupant.namespace, []).append(n)
        return sorted(_within(self._residents, namespaces))

    def _by(self, key: str) -> dict[str, dict[str, list[int]]]:
        if key not in self._indexes:
            index: dict[str, dict[str, list[int]]] = {}
            for n, occupant in enumerate(self.occupants):
                value = occupant.labels.get(key)
                if value is not None:
                    index.setdefault(value, {}).setdefault(occupant.namespace, []).append(n)
            self._indexes[key] = index
        return self._indexes[key]


def _within(groups: Mapping[str, list[int]], namespaces: frozenset[str] | None) -> Iterable[int]:
    names = groups if namespaces is None else namespaces
    return (n for name in names for n in groups.get(name, ()))
