"""In whatever order versions, deletions and lists come: of every object the highest resourceVersion wins."""

from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from drover.facts.node import Node
from drover.watching.resources import NODES
from drover.watching.store import Store
from tests.examples import examples
from tests.unit.watching.objects import a_node

NOW = datetime(2026, 1, 1, tzinfo=UTC)
NAMES = "abcd"
names = st.sampled_from(NAMES)
numbers = st.integers(min_value=1, max_value=30)


def facts(version: int) -> dict[str, str]:
    """What differs between versions: three of them say the same."""
    return {"x": str(version // 3)}


def node(name: str, version: int) -> Node:
    return a_node(name, version, labels=facts(version))


class HighestVersionWins(RuleBasedStateMachine):
    """The model: of each name the highest version heard of, and whether the object was there at that version."""

    @initialize()
    def begin(self) -> None:
        self.store = Store(clock=lambda: NOW)
        self.model: dict[str, tuple[int, bool]] = dict.fromkeys(NAMES, (-1, False))
        self.listed = -1

    def present(self) -> dict[str, int]:
        return {name: version for name, (version, there) in self.model.items() if there}

    def hear(self, name: str, version: int, there: bool) -> None:
        known, was_there = self.model[name]
        if version > known or (version == known and was_there):
            # What a list did not show as of its version cannot have been written before that.
            self.model[name] = (version if there else max(version, self.listed), there)

    def check_wake(self, before: dict[str, int], said: bool, anyway: bool = False) -> None:
        after = self.present()
        same = before.keys() == after.keys() and all(facts(before[name]) == facts(after[name]) for name in after)
        assert said is (anyway or not same)
        assert self.store.changed.is_set() is said
        self.store.changed.clear()

    @rule(name=names, version=numbers)
    def put(self, name: str, version: int) -> None:
        before = self.present()
        said = self.store.put(NODES, node(name, version))
        self.hear(name, version, there=True)
        self.check_wake(before, said)

    @rule(name=names, version=numbers)
    def remove(self, name: str, version: int) -> None:
        before = self.present()
        said = self.store.remove(NODES, node(name, version))
        self.hear(name, version, there=False)
        self.check_wake(before, said)

    @rule(version=numbers, ages=st.dictionaries(names, st.integers(min_value=0, max_value=10)))
    def replace(self, version: int, ages: dict[str, int]) -> None:
        items = {name: max(1, version - age) for name, age in ages.items()}
        before, first, restored = self.present(), self.listed < 0, version < self.listed
        said = self.store.replace(NODES, [node(*item) for item in items.items()], str(version))
        if restored:
            self.model = dict.fromkeys(NAMES, (-1, False))
        for name, item in items.items():
            self.hear(name, item, there=True)
        for name in NAMES:
            known, _ = self.model[name]
            if name not in items and known <= version:
                self.model[name] = (version, False)
            elif not self.model[name][1]:
                self.model[name] = (max(known, version), False)
        self.listed = version
        self.check_wake(before, said, anyway=first or restored)

    @invariant()
    def the_store_is_the_model(self) -> None:
        known = {
            name: int(node.metadata.resource_version) for (_, name), node in self.store.snapshot(NOW).nodes.items()
        }
        assert known == self.present()


HighestVersionWins.TestCase.settings = settings(max_examples=examples(60), stateful_step_count=25)
TestHighestVersionWins = HighestVersionWins.TestCase


Event = tuple[str, int, bool]


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[Event], list[Event]]:
    """What happened to some objects, one version after the other, and the same shuffled and with repetitions."""
    history: list[Event] = []
    alive: set[str] = set()
    for version, name in enumerate(draw(st.lists(names, max_size=20)), start=1):
        there = name not in alive or draw(st.booleans())
        (alive.add if there else alive.discard)(name)
        history.append((name, version, there))
    told = draw(st.permutations(history + (draw(st.lists(st.sampled_from(history), max_size=5)) if history else [])))
    return history, told


@given(histories())
def test_the_order_in_which_it_is_told_does_not_matter(history_and_told: tuple[list[Event], list[Event]]) -> None:
    history, told = history_and_told
    store = Store(clock=lambda: NOW)
    for name, version, there in told:
        (store.put if there else store.remove)(NODES, node(name, version))
    last = {name: (version, there) for name, version, there in history}
    want = {name: str(version) for name, (version, there) in last.items() if there}
    assert {name: n.metadata.resource_version for (_, name), n in store.snapshot(NOW).nodes.items()} == want
