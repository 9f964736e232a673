"""All running jobs on one virtual clock, sharing the nodes' NICs. Deterministic; it knows no real time."""

from dataclasses import dataclass
from math import inf

from virtsim.virt_handler.transfer.events import begun, due, happened
from virtsim.virt_handler.transfer.job import Job, Terms, at_rate, on_terms, settled
from virtsim.virt_handler.transfer.shares import Flow, fair_shares


@dataclass(frozen=True, slots=True)
class Route:
    """Where a job's bytes come from and go to."""

    source: str
    target: str


class Network:
    """Jobs by name. All times are virtual seconds; while there are jobs an earlier one counts as the latest."""

    def __init__(self, link_speed: float) -> None:
        self._link_speed = link_speed
        self._links: dict[str, float] = {}
        self._jobs: dict[str, Job] = {}
        self._routes: dict[str, Route] = {}
        self._due: dict[str, float] = {}
        self._now = -inf

    def __contains__(self, name: str) -> bool:
        return name in self._jobs

    def begin(self, name: str, terms: Terms, route: Route, at: float) -> set[str]:
        """Starts a job. As all the verbs that take a moment, answers which jobs changed mode or ended until then."""
        changed = self.advance(at)
        self._now = max(self._now, at) if self._jobs else at
        self._routes[name] = route
        self._put(name, begun(terms, self._now))
        self._share()
        return changed

    def renew(self, name: str, terms: Terms, at: float) -> set[str]:
        """Gives a job that is known other terms, if they are others."""
        changed = self.advance(at)
        job = self._jobs[name]
        if job.terms != terms and not job.over:
            self._put(name, on_terms(job, terms, self._now))
            self._share()
        return changed

    def forget(self, name: str, at: float) -> set[str]:
        """Takes a job out, over or not; what it had of the network goes to the others."""
        changed = self.advance(at)
        if self._jobs.pop(name, None) is not None:
            del self._routes[name], self._due[name]
            self._share()
        return changed

    def set_link(self, node: str, speed: float | None, at: float) -> set[str]:
        """Changes a node's NIC (bytes/s in each direction): 0 while it is cut off, None for the usual speed."""
        changed = self.advance(at)
        if self._links.get(node) != speed:
            self._links.pop(node, None)
            if speed is not None:
                self._links[node] = speed
            self._share()
        return changed

    def advance(self, at: float) -> set[str]:
        """Lets everything happen that is due until then."""
        changed: set[str] = set()
        while (first := self._first()) is not None and self._due[first] <= at:
            before, after = self._jobs[first], happened(self._jobs[first])
            self._put(first, after)
            self._now = max(self._now, after.at)
            if (before.mode, before.over) != (after.mode, after.over):
                changed.add(first)
            if after.over:
                self._share()
        if self._jobs:
            self._now = max(self._now, at)
        return changed

    def due(self) -> float:
        """When the next event happens; infinite if nothing is going on."""
        first = self._first()
        return inf if first is None else self._due[first]

    def job(self, name: str) -> Job | None:
        """The job as it is now, or None if it is not known."""
        job = self._jobs.get(name)
        return None if job is None else settled(job, self._now)

    def capacity(self, node: str) -> float:
        return self._links.get(node, self._link_speed)

    def _first(self) -> str | None:
        return min(self._due, key=self._due.__getitem__, default=None)

    def _put(self, name: str, job: Job) -> None:
        self._jobs[name], self._due[name] = job, due(job)

    def _share(self) -> None:
        """Everybody's rate anew: after a start, an end, or a change of a link."""
        going = {name: job for name, job in self._jobs.items() if not job.over}
        flows = {name: self._flow(name, job.terms) for name, job in going.items() if job.terms.seconds is None}
        rates = fair_shares(flows, self.capacity)
        for name, job in going.items():
            rate = rates[name] if name in rates else self._imposed(name, job.terms)
            if rate != job.rate:
                self._put(name, at_rate(job, rate, self._now))

    def _flow(self, name: str, terms: Terms) -> Flow:
        route = self._routes[name]
        return Flow(route.source, route.target, terms.limit)

    def _imposed(self, name: str, terms: Terms) -> float:
        """A job whose duration is imposed does not count on the NICs, but stands still without them."""
        route = self._routes[name]
        if self.capacity(route.source) == 0 or self.capacity(route.target) == 0:
            return 0.0
        return terms.size / terms.seconds if terms.seconds else inf
