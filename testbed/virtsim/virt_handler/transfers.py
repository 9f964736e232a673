"""The running migration jobs in real time: the network model's clock, and the timer that wakes whoever it concerns."""

import asyncio
from collections.abc import Callable, Iterable
from math import inf

from virtsim.objects.resources import Key, Object, key_of
from virtsim.objects.times import seconds_since
from virtsim.options import Options
from virtsim.virt_handler.older import terms_as_of
from virtsim.virt_handler.terms import terms_of
from virtsim.virt_handler.transfer.job import Job, Terms
from virtsim.virt_handler.transfer.network import Network, Route


class Transfers:
    """Jobs by migrationUid. A virtual second passes `speed_up` times in each real one; they count from the start of the
    process and are negative for what began before. `wake` is called with the VMI's key when its job changed.
    """

    def __init__(self, options: Options, wake: Callable[[Key], None]) -> None:
        self._speed_up = options.speed_up
        self._version = options.version
        self._wake = wake
        self._network = Network(options.link_speed)
        self._keys: dict[str, Key] = {}
        self._uids: dict[Key, str] = {}
        self._origin = asyncio.get_running_loop().time()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def now(self) -> float:
        return (asyncio.get_running_loop().time() - self._origin) * self._speed_up

    def real(self, seconds: float) -> float:
        """How long virtual seconds take."""
        return seconds / self._speed_up

    def resume(self, vmis: Iterable[Object]) -> None:
        """Takes up what was running before this process, in the order of its beginning."""
        running = [(self._began(vmi), vmi) for vmi in vmis if is_running(vmi)]
        for began, vmi in sorted(running, key=lambda pair: pair[0]):
            self._begin(vmi, began)

    def begin(self, vmi: Object) -> None:
        """Its job starts now, if it has one that is not known yet."""
        if is_running(vmi) and uid_of(vmi) not in self._network:
            self._begin(vmi, self.now)

    def job(self, vmi: Object) -> Job | None:
        """The job as it is now; None unless it has started and its end is not written yet."""
        if not is_running(vmi):
            return None
        if uid_of(vmi) not in self._network:
            self._begin(vmi, self._began(vmi))
        self._changed(self._network.advance(self.now))
        return self._network.job(uid_of(vmi))

    def observe(self, key: Key, vmi: Object | None) -> None:
        """Forgets a job whose end is written, or whose VM is gone; what it had of the network goes to the others.

        One that goes on does so by what the VMI says now.
        """
        uid = self._uids.get(key)
        if uid is None:
            return
        if vmi is not None and is_running(vmi) and uid_of(vmi) == uid:
            self._changed(self._network.renew(uid, self._terms(vmi), self.now))
            return
        del self._keys[uid], self._uids[key]
        self._changed(self._network.forget(uid, self.now))

    def set_link(self, node: str, speed: float | None) -> None:
        """A node's NIC (bytes/s): 0 while it is cut off, None for the usual speed."""
        self._changed(self._network.set_link(node, speed, self.now))

    def running(self) -> Iterable[tuple[Key, Job]]:
        """All jobs that are not over, as they are now."""
        self._changed(self._network.advance(self.now))
        jobs = [(key, self._network.job(uid)) for uid, key in self._keys.items()]
        return [(key, job) for key, job in jobs if job is not None and not job.over]

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _begin(self, vmi: Object, at: float) -> None:
        state = vmi["status"]["migrationState"]
        self._keys[uid_of(vmi)], self._uids[key_of(vmi)] = key_of(vmi), uid_of(vmi)
        route = Route(state["sourceNode"], state["targetNode"])
        self._changed(self._network.begin(uid_of(vmi), self._terms(vmi), route, at))

    def _terms(self, vmi: Object) -> Terms:
        return terms_as_of(self._version, terms_of(vmi))

    def _began(self, vmi: Object) -> float:
        """By the timestamp, which is cut to the second."""
        age = seconds_since(vmi["status"]["migrationState"]["startTimestamp"]) - 1.0
        return self.now - max(0.0, age) * self._speed_up

    def _changed(self, uids: set[str]) -> None:
        for uid in uids:
            if uid in self._keys:
                self._wake(self._keys[uid])
        self.close()
        due = self._network.due()
        if due < inf:
            self._timer = asyncio.get_running_loop().call_later(max(0.0, self.real(due - self.now)), self._tick)

    def _tick(self) -> None:
        self._changed(self._network.advance(self.now))


def is_running(vmi: Object) -> bool:
    """Whether the migration in the VMI's state has started and its end is not written yet."""
    status = vmi.get("status") or {}
    state = status.get("migrationState") or {}
    alive = status.get("phase") == "Running" and "deletionTimestamp" not in vmi["metadata"]
    return alive and bool(state.get("startTimestamp")) and not state.get("endTimestamp")


def uid_of(vmi: Object) -> str:
    """The migration in the VMI's state; empty if there is none."""
    uid: str = ((vmi.get("status") or {}).get("migrationState") or {}).get("migrationUid", "")
    return uid
