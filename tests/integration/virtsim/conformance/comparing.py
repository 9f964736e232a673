"""Where a run is not what its table says: object by object, never by the time that things take."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.integration.virtsim.conformance.order import out_of_order
from tests.integration.virtsim.conformance.roles import Names, matches
from tests.integration.virtsim.conformance.table import SHARED, Known, Table
from tests.integration.virtsim.recording import Facts, Recording, Write, facts_of
from virtsim.objects.resources import VMIMS, VMIS, Object

NOTHING = "(nothing)"
Line = dict[str, Any]

BY_FINAL_VALUE = {plural: re.compile("|".join(paths)) for plural, paths in SHARED["by-final-value"].items()}
"""What follows from virt-handler, kubelet and scheduler: stand-ins in the recordings, so only its end is compared."""
TARGET_LABEL = "labels.kubevirt.io/migrationTargetNodeName"
"""virt-controller's to set, virt-handler's to take away."""


@dataclass(frozen=True)
class Difference:
    """Where, what was recorded, and what the simulator did."""

    at: str
    recorded: Any
    here: Any

    def __str__(self) -> str:
        recorded, here = _apart(self.recorded, self.here)
        return f"{self.at}\n    recorded {recorded}\n    here     {here}"


def _apart(recorded: Any, here: Any) -> tuple[Any, Any]:
    """Both without what is the same in them."""
    if not isinstance(recorded, dict) or not isinstance(here, dict):
        return recorded, here
    keys = [
        key
        for key in recorded.keys() | here.keys()
        if key not in recorded or key not in here or not matches(recorded[key], here[key])
    ]
    pairs = {key: _apart(recorded.get(key, NOTHING), here.get(key, NOTHING)) for key in sorted(keys)}
    return {key: pair[0] for key, pair in pairs.items()}, {key: pair[1] for key, pair in pairs.items()}


@dataclass(frozen=True)
class Run:
    """What a scenario came to: what was recorded of its objects, told by virt-controller, and answered to its steps."""

    taken: Recording
    events: dict[str, list[list[str]]]
    answers: list[tuple[str, Any, Any]]


def differences(table: Table, run: Run) -> list[Difference]:
    """All of them, without those that the table knows of; a known one that is not met is a difference too."""
    found = [*_differences(table, run)]
    for known in table.known:
        met = [each for each in found if _is(known, each)]
        found = [each for each in found if each not in met]
        if not met:
            found.append(Difference(f"known: {known.at}", known.here, "no longer so"))
    return found


def _is(known: Known, found: Difference) -> bool:
    return known.at == found.at and matches(known.here, found.here)


def _differences(table: Table, run: Run) -> Iterator[Difference]:
    names = Names(run.taken, table.namespace)
    for step, expected, answer in run.answers:
        expected = names.filled(expected)
        if not matches(expected, answer):
            yield Difference(f"answer to {step}", expected, answer)
    yield from _who(table, names)
    for role, lines in table.writes.items():
        yield from _written(role, names.filled(lines), run.taken, names)
    for role, created in table.created.items():
        yield from _created(role, names.filled(created), run.taken, names)
    for role in {*names.of(VMIMS.plural), *names.of(VMIS.plural), *table.events}:
        yield from _told(role, names.filled(table.events.get(role, [])), run, names)
    for role, facts in table.final.items():
        yield from _finally(role, names.filled(facts), names.last(role))
    yield from _orders(table, run.taken, names)


def _who(table: Table, names: Names) -> Iterator[Difference]:
    """Every VMIM and every pod is in the table, and nothing else."""
    expected = {*table.writes, *table.final}
    for role in sorted(expected - names.roles.keys()):
        yield Difference(role, "seen", NOTHING)
    for role in sorted(names.roles.keys() - expected):
        yield Difference(role, NOTHING, "seen")


def _written(role: str, lines: list[Line], taken: Recording, names: Names) -> Iterator[Difference]:
    if role not in names.roles:
        return
    here = _lines(names.roles[role], taken)
    here, lines = _without_free(here, lines)
    number = 0
    for line in lines:
        entry = here[number] if number < len(here) else NOTHING
        if matches(_plain(line), entry):
            number += 1
        elif line.get("may") != "be absent":
            yield Difference(f"{role} write {number + 1}", line, entry)
            return
    if number < len(here):
        yield Difference(f"{role} write {number + 1}", NOTHING, here[number])


def _without_free(here: list[Line], lines: list[Line]) -> tuple[list[Line], list[Line]]:
    """Both without the writes that may come elsewhere, where they came."""
    here, rest = list(here), []
    for line in lines:
        found = next((entry for entry in here if matches(_plain(line), entry)), None)
        if line.get("may") == "come elsewhere" and found is not None:
            here.remove(found)
        else:
            rest.append(line)
    return here, rest


def _plain(line: Line) -> Line:
    plain = {key: value for key, value in line.items() if key != "may"}
    return plain | {"unset": sorted(plain["unset"])} if "unset" in plain else plain


def _lines(key: tuple[str, str], taken: Recording) -> list[Line]:
    """The writes of an object in a table's words."""
    plural, _ = key
    first = taken.writes[key][0]
    is_new = plural == VMIMS.plural and first.created
    lines = [{"created": first.set}] if is_new else []
    for write in taken.writes[key][1:]:
        line = _line(plural, write)
        if line:
            lines.append(line)
    return lines + ([{"gone": True}] if key in taken.gone else [])


def _line(plural: str, write: Write) -> Line:
    pattern = BY_FINAL_VALUE.get(plural)
    handed_over = plural == VMIS.plural and "migrationState.migrationUid" in write.set

    def counts(path: str) -> bool:
        whole = handed_over and path.startswith("migrationState.")
        return pattern is None or whole or pattern.fullmatch(path) is None

    changed = {path: value for path, value in write.set.items() if counts(path)}
    freed = ("migrationState.",) if handed_over else ()
    gone = sorted(path for path in write.unset if counts(path) and not path.startswith((TARGET_LABEL, *freed)))
    return ({"set": changed} if changed else {}) | ({"unset": gone} if gone else {})


def _created(role: str, expected: dict[str, Any], taken: Recording, names: Names) -> Iterator[Difference]:
    if role not in names.roles:
        return
    pod = taken.writes[names.roles[role]][0].obj
    here = {
        **{f"labels {key}": value for key, value in pod["metadata"]["labels"].items()},
        **{f"annotations {key}": value for key, value in pod["metadata"]["annotations"].items()},
        **{f"spec {key}": value for key, value in pod["spec"].items()},
    }
    wanted = {f"{part} {key}": value for part, values in expected.items() for key, value in values.items()}
    for path in sorted(here.keys() | wanted.keys()):
        if not matches(wanted.get(path, NOTHING), here.get(path, NOTHING)):
            yield Difference(f"{role} created, {path}", wanted.get(path, NOTHING), here.get(path, NOTHING))


def _told(role: str, lines: list[list[str]], run: Run, names: Names) -> Iterator[Difference]:
    """Each event once, in order of its first time: how often depends on who was faster."""
    obj = names.last(role)
    here = run.events.get(obj["metadata"]["uid"], []) if obj else []
    for number, line in enumerate(lines):
        entry = here[number] if number < len(here) else NOTHING
        if not matches(line, entry):
            yield Difference(f"{role} event {number + 1}", line, entry)
            return
    if len(here) > len(lines):
        yield Difference(f"{role} event {len(lines) + 1}", NOTHING, here[len(lines)])


def _finally(role: str, expected: Facts, obj: Object | None) -> Iterator[Difference]:
    if obj is None:
        return
    facts = facts_of(obj)
    labels = {path.removeprefix("labels."): value for path, value in facts.items() if path.startswith("labels.")}
    here = {**facts, "labels": labels}
    for path, value in expected.items():
        if not matches(value, here.get(path)):
            yield Difference(f"{role} finally, {path}", value, here.get(path))


def _orders(table: Table, taken: Recording, names: Names) -> Iterator[Difference]:
    for name, migration in table.migrations.items():
        vmim, target = names.roles.get(f"vmim-{name}"), names.roles.get(migration["to"])
        if vmim is not None:
            for pair in out_of_order(taken, migration["vm"], vmim[1], target[1] if target else None):
                yield Difference(f"vmim-{name} order", "the other way round", pair)
