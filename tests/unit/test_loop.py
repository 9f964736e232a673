"""One round of the loop: when it decides, and when it waits for the first lists."""

import json
from datetime import UTC, datetime

import pytest

from drover import loop as loops
from drover.api.plan import MigrationPlan
from drover.facts.snapshot import Snapshot
from drover.loop import Loop
from drover.metrics import Metrics
from drover.planning.proposal import Proposals
from drover.running.actions import Decision
from drover.watching.client import Client
from drover.watching.resources import ALL, MAINTENANCES, PLANS, REPORTS
from drover.watching.store import Store

pytestmark = pytest.mark.anyio

NOW = datetime(2026, 1, 1, tzinfo=UTC)
OURS = (PLANS, MAINTENANCES, REPORTS)


@pytest.fixture
def decided(monkeypatch: pytest.MonkeyPatch) -> list[Snapshot]:
    """What was decided on."""
    seen: list[Snapshot] = []

    def decide(snapshot: Snapshot, proposals: Proposals, now: datetime) -> Decision:
        seen.append(snapshot)
        return Decision()

    monkeypatch.setattr(loops, "decide", decide)
    return seen


def a_loop(store: Store) -> Loop:
    return Loop(Client(), store, Metrics(), clock=lambda: NOW)


def a_plan(name: str) -> MigrationPlan:
    metadata = {"name": name, "namespace": "vms", "uid": name, "resourceVersion": "2"}
    body = {"metadata": metadata, "spec": {"evacuate": {"nodes": {"names": ["n"]}}}}
    return PLANS.decode(json.dumps(body).encode())


def list_all(store: Store, resources: tuple[object, ...]) -> None:
    for resource in ALL:
        if resource in resources:
            store.replace(resource, [], "1")
            store.heard(resource, NOW)


@pytest.mark.parametrize(
    ("listed", "patience", "decides"),
    [
        ((), 0.0, False),
        (OURS, 15.0, False),
        (OURS, 0.0, True),
        (ALL, 15.0, True),
    ],
    ids=["nothing is listed", "only ours, a moment after the start", "only ours, for long", "everything is listed"],
)
async def test_it_decides_when_it_knows_enough(
    monkeypatch: pytest.MonkeyPatch,
    decided: list[Snapshot],
    listed: tuple[object, ...],
    patience: float,
    decides: bool,
) -> None:
    monkeypatch.setattr(loops, "LISTING_SECONDS", patience)
    store = Store(clock=lambda: NOW)
    loop = a_loop(store)
    list_all(store, listed)
    again = await loop._round()
    assert bool(decided) is decides
    assert loop.ready is bool(listed)
    if listed and not decides:
        assert again is not None
        assert (again - NOW).total_seconds() <= patience


@pytest.mark.parametrize("fails", [False, True])
async def test_what_changes_meanwhile_is_planned_for_after_a_rest(
    monkeypatch: pytest.MonkeyPatch, decided: list[Snapshot], fails: bool
) -> None:
    store = Store(clock=lambda: NOW)
    list_all(store, ALL)
    store.put(PLANS, a_plan("one"))
    planned: list[int] = []
    rested: list[float] = []

    def propose(*_: object) -> Proposals:
        planned.append(store.revision)
        if len(planned) == 1:
            store.put(PLANS, a_plan("another"))
        if fails:
            raise RuntimeError("a defect")
        return {}

    async def rest(seconds: float) -> None:
        store.changed.clear()  # as the round does that comes meanwhile
        rested.append(seconds)

    monkeypatch.setattr(loops, "propose", propose)
    loop = a_loop(store)
    monkeypatch.setattr(loop, "_rest", rest)
    await loop._round()
    assert decided
    assert loop._proposing is not None
    await loop._proposing
    assert len(rested) == 1
    assert 0 <= rested[0] <= loops.REST_SECONDS
    assert store.changed.is_set(), "nobody would plan for the other before something else changes"
    await loop._round()
    await loop._proposing
    assert planned == [planned[0], planned[0] + 1]
