"""What the end-to-end tests say of the chart's ClusterRole at their end."""

import pytest

from tests.e2e.permissions import Permission, Seen, judge

GET: Permission = ("get", "nodes", "")
PATCH: Permission = ("patch", "nodes", "")
LIST: Permission = ("list", "migrationplans", "drover.dev")


def seen(granted: set[Permission], used: set[Permission], forbidden: set[Permission] | None = None) -> Seen:
    return Seen(frozenset(granted), frozenset(used), frozenset(forbidden or ()))


@pytest.mark.parametrize(
    ("what", "wrong"),
    [
        pytest.param(seen({GET, LIST}, {GET, LIST}), [], id="as granted"),
        pytest.param(
            seen({GET, PATCH}, {GET}),
            ["is in the chart's ClusterRole, and nothing used it: patch nodes"],
            id="too much granted",
        ),
        pytest.param(
            seen({GET}, {GET, LIST}),
            ["was used and is not in the chart's ClusterRole: list migrationplans.drover.dev"],
            id="granted by another role",
        ),
        pytest.param(seen({GET}, {GET}, {PATCH}), ["was forbidden: patch nodes"], id="too little granted"),
    ],
)
def test_of_a_whole_run(what: Seen, wrong: list[str]) -> None:
    assert judge(what, "")[0] == wrong


def test_a_part_of_a_run_cannot_say_that_a_grant_is_not_used() -> None:
    wrong, remark = judge(seen({GET, PATCH}, {GET}), "test_plan.py did not run")
    assert wrong == []
    assert "test_plan.py did not run" in remark
    assert "patch nodes" in remark


def test_what_several_processes_saw_is_one() -> None:
    first, second = seen({GET, PATCH}, {GET}), seen({GET, PATCH}, {PATCH}, {LIST})
    assert first | Seen.unpacked(second.packed()) == seen({GET, PATCH}, {GET, PATCH}, {LIST})
