"""Equal parts of cached objects are one part, and nothing else changes."""

import copy
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from virtsim.cluster import sharing
from virtsim.cluster.sharing import Sharing
from virtsim.cluster.store import Store
from virtsim.objects.resources import Object

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=4)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
)
OBJECTS = st.dictionaries(st.sampled_from(["metadata", "spec", "status"]), VALUES)


def _a_pod(name: str, version: int = 1) -> Object:
    return {
        "metadata": {"name": name, "uid": name, "resourceVersion": str(version), "labels": {"app": "web"}},
        "spec": {"hostname": name, "volumes": [{"name": "private", "emptyDir": {}}], "securityContext": {"user": 1070}},
        "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
    }


def _typed(value: Any) -> Any:
    """With types, because True == 1 == 1.0."""
    if isinstance(value, dict):
        return [(key, _typed(entry)) for key, entry in value.items()]
    return [_typed(entry) for entry in value] if isinstance(value, list) else (type(value), value)


@settings(deadline=None)
@given(st.lists(OBJECTS, max_size=6))
def test_nothing_is_changed(objects: list[Object]) -> None:
    given_before = copy.deepcopy(objects)
    shared = Sharing()
    assert [_typed(shared.renewed(obj, None)) for obj in objects] == [_typed(obj) for obj in given_before]
    assert objects == given_before


@settings(deadline=None)
@given(OBJECTS, OBJECTS)
def test_a_new_version_is_equal_to_what_came(before: Object, after: Object) -> None:
    shared = Sharing()
    assert shared.renewed(after, shared.renewed(before, None)) == after


def test_objects_of_one_fleet_share_what_they_have_in_common() -> None:
    store = Store()
    for name in ("a", "b"):
        store.observe(_a_pod(name))
    first, second = store
    for part in (("metadata", "labels"), ("spec", "volumes"), ("spec", "securityContext")):
        assert first[part[0]][part[1]] is second[part[0]][part[1]]
    assert first["status"] is second["status"]
    assert first["spec"] is not second["spec"]


def test_a_new_version_keeps_the_parts_that_did_not_change() -> None:
    store = Store()
    store.observe(_a_pod("a"))
    before = store.get("", "a")
    store.observe(_a_pod("a", version=2))
    after = store.get("", "a")
    assert before is not None
    assert after is not None
    assert after["metadata"]["resourceVersion"] == "2"
    assert after["spec"] is before["spec"]


def test_what_was_seen_is_forgotten_in_time() -> None:
    shared = Sharing()
    for number in range(sharing.REMEMBERED_PARTS):
        shared.renewed(_a_pod(f"pod-{number}"), None)
        assert len(shared._parts) + len(shared._scalars) < 1.01 * sharing.REMEMBERED_PARTS
