"""Why a VM has no target, in words, and what would help. VMs that ask the same are told the same."""

from collections import Counter
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field

import numpy as np

from drover.planning import reasons
from drover.planning.checks import chain
from drover.planning.checks.room import REQUESTS, shortages
from drover.planning.demand.guest import Guest
from drover.planning.explain import Reason, summarize
from drover.planning.site.fleet import Fleet
from drover.planning.site.topology import Mask


@dataclass(frozen=True, slots=True)
class Unplaced:
    """No target: `eligible` says whether any node would do but for its room."""

    eligible: bool
    message: str
    suggestion: str


@dataclass(slots=True)
class Refusals:
    """The answers so far for one fleet as it is when all that can be placed are. `barred` are the goal's nodes that
    nobody may go to, with the reason in words."""

    fleet: Fleet
    barred: Mapping[str, str]
    _known: dict[Hashable, Unplaced] = field(default_factory=dict)
    _words: dict[object, list[str | None]] = field(default_factory=dict)

    def of(self, guest: Guest, barred: Mapping[str, str], allowed: Mask) -> Unplaced:
        """Why this VM has none. `allowed` is bool[nodes], where it may go as far as goal and node checks say; `barred`
        are nodes that are out of the question for it alone."""
        key = self._alike(guest, barred)
        if key not in self._known:
            may = allowed & chain.moving(guest, self.fleet)
            eligible = bool(may.any())
            suggestion = REQUESTS.suggestion if eligible else self._suggestion(guest, allowed)
            self._known[key] = Unplaced(eligible, self._message(guest, barred), suggestion)
        return self._known[key]

    def _alike(self, guest: Guest, barred: Mapping[str, str]) -> Hashable:
        own = guest.uid if self.fleet.neighbours.keys(guest.occupant) else ""
        counted = self.fleet.spreading.counted_on(guest.occupant)
        drivers = Counter(driver for driver, _ in guest.handles) if self.fleet.attaching.limited(guest.handles) else {}
        return guest.vm_class, frozenset(barred.items()), counted, own, frozenset(drivers.items())

    def _message(self, guest: Guest, barred: Mapping[str, str]) -> str:
        """The reasons counted, in the scheduler's manner."""
        others = [reason for reason in self._why_not(guest, barred) if reason != reasons.IS_SOURCE]
        if not others:
            return "no other node exists"
        return f"none of {len(others)} other nodes fits: {summarize(others)}"

    def _why_not(self, guest: Guest, barred: Mapping[str, str]) -> list[Reason]:
        """The reason of each node: the first there is."""
        fleet = self.fleet
        said = self._static(guest).copy()
        for name, reason in barred.items():
            if name in fleet.position:
                said[fleet.position[name]] = reason
        others, short = chain.in_the_way(guest, fleet), shortages(fleet.demand(guest.vm_class), fleet)
        told = (one or two or three for one, two, three in zip(said, others, short, strict=True))
        return [each or chain.verdict(guest, fleet, n).words or reasons.TAKEN_UP for n, each in enumerate(told)]

    def _static(self, guest: Guest) -> list[str | None]:
        """Why not, as far as the goal and the node checks go: the goal has the first word."""
        key, fleet = chain.asked(guest.vm_class), self.fleet
        if key not in self._words:
            said = zip(fleet.nodes, chain.words(guest.vm_class, fleet.classes), strict=True)
            self._words[key] = [self.barred.get(node.name) or words for node, words in said]
        return self._words[key]

    def _suggestion(self, guest: Guest, allowed: Mask) -> str:
        """Of the check that refuses most nodes."""
        codes = chain.static(guest.vm_class, self.fleet.classes)
        if allowed.any():
            codes = chain.column(guest, self.fleet)[allowed]
        refusing = codes[codes > chain.FITS]
        most = int(np.bincount(refusing).argmax()) if refusing.size else chain.FITS
        return chain.CHECKS[most - 1].suggestion if most else "allow further target nodes"
