"""A recorded scenario as a table: what a test does, and what is then written, told and answered.

tables/<scenario>.yaml says it; shared.yaml holds the pieces that several of them use. In both, `<role>` stands for what
an object is called in this run (see roles.py), and `$vm`, `$m`, `$from`, `$to` for the names of one migration: the VM,
the VMIM, and the roles of the pods that it moves between.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any

import yaml

HERE = Path(__file__).parent
SHARED: dict[str, Any] = yaml.safe_load((HERE / "shared.yaml").read_text())
SECTIONS = frozenset(
    {"vms", "alone", "needs", "limits", "steps", "migrations", "writes", "created", "events", "final", "known"}
)


@dataclass(frozen=True)
class Known:
    """A difference that stays: where, what was recorded, what the simulator does, and why."""

    at: str
    recorded: Any
    here: Any
    because: str


@dataclass(frozen=True)
class Table:
    """One scenario, with the shared pieces put in.

    writes: by object, one entry a write, `set`, `unset`, `gone`. created: by target pod, what it is created as.
    events: by object, [type, reason, message] of virt-controller. final: by object, the facts that are compared at the
    end. needs: an APIService, without which it is not played. limits: the parallel limits of KubeVirt, for a scenario
    that is played alone.
    """

    name: str
    vms: dict[str, dict[str, Any]]
    alone: bool
    needs: str
    limits: dict[str, int]
    steps: list[dict[str, Any]]
    migrations: dict[str, dict[str, Any]]
    writes: dict[str, list[dict[str, Any]]]
    created: dict[str, dict[str, Any]]
    events: dict[str, list[list[str]]]
    final: dict[str, dict[str, Any]]
    known: list[Known]

    @property
    def namespace(self) -> str:
        return f"conformance-{self.name}"


def tables() -> list[Table]:
    """All scenarios, by name."""
    return [read(path) for path in sorted((HERE / "tables").glob("*.yaml"))]


def read(path: Path) -> Table:
    """One scenario. Raises KeyError for a piece that is not shared, ValueError for a section that means nothing."""
    document = yaml.safe_load(path.read_text())
    if unknown := set(document) - SECTIONS:
        raise ValueError(f"{path.name}: {', '.join(sorted(unknown))}")
    migrations = {name: _names(name, given or {}) for name, given in (document.get("migrations") or {}).items()}
    expand = _Expand(migrations)
    return Table(
        name=path.stem,
        vms={name: vm or {} for name, vm in (document.get("vms") or {"vm": None}).items()},
        alone=document.get("alone", False),
        needs=document.get("needs", ""),
        limits=document.get("limits", {}),
        steps=document["steps"],
        migrations=migrations,
        writes={name: list(expand.entries(name, lines)) for name, lines in document["writes"].items()},
        created={
            names["to"]: expand.pod(names, (document.get("created") or {}).get(names["to"], {}))
            for names in migrations.values()
            if names["to"] != "none"
        },
        events={name: list(expand.entries(name, lines)) for name, lines in (document.get("events") or {}).items()},
        final={name: expand.final(name, facts) for name, facts in (document.get("final") or {}).items()},
        known=[Known(**entry) for entry in document.get("known") or ()],
    )


def _names(name: str, given: dict[str, Any]) -> dict[str, Any]:
    vm = given.get("vm", "vm")
    return {"m": name, "vm": vm, "from": f"source-pod-{vm}", "to": f"target-pod-{vm}", "limit": 50, **given}


class _Expand:
    """Puts shared pieces in the place of `use`, for the migration that `of` names, or else for the one that the object
    is of: the VMIM itself, the first that moves into the pod, the first of the VM.
    """

    def __init__(self, migrations: dict[str, dict[str, Any]]) -> None:
        self._migrations = migrations

    def entries(self, role: str, lines: list[Any], of: str = "") -> Iterator[Any]:
        for line in lines:
            if isinstance(line, dict) and "use" in line:
                of_line = line.get("of", of)
                yield from self.entries(
                    role, _filled(SHARED["pieces"][line["use"]], self._names(role, of_line)), of_line
                )
            else:
                yield _in_full(line)

    def pod(self, names: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
        created: dict[str, Any] = _filled(SHARED["target-pod"], names)
        return _overlaid(created, more)

    def final(self, role: str, facts: dict[str, Any]) -> dict[str, Any]:
        if "use" not in facts:
            return facts
        piece: dict[str, Any] = _filled(SHARED["final"][facts["use"]], self._names(role, facts.get("of", "")))
        return {**piece, **{key: value for key, value in facts.items() if key not in ("use", "of")}}

    def _names(self, role: str, of: str) -> dict[str, Any]:
        if of:
            return self._migrations[of]
        mine = (
            names
            for names in self._migrations.values()
            if role in (f"vmim-{names['m']}", names["to"], f"vmi-{names['vm']}")
        )
        return next(mine, None) or _names("", {})


def _in_full(line: Any) -> Any:
    """`phase: X` is short for a phase with its timestamp."""
    if not isinstance(line, dict) or "phase" not in line:
        return line
    phase = line["phase"]
    rest = {key: value for key, value in line.items() if key not in ("phase", "set")}
    return {"set": {"phase": phase, f"stamps[{phase}]": "<time>", **line.get("set", {})}, **rest}


def _filled(piece: Any, names: dict[str, Any]) -> Any:
    if isinstance(piece, dict):
        return {_filled(key, names): _filled(value, names) for key, value in piece.items()}
    if isinstance(piece, list):
        return [_filled(entry, names) for entry in piece]
    if not isinstance(piece, str):
        return piece
    return names[piece[1:]] if piece.startswith("$") and piece[1:] in names else Template(piece).substitute(names)


def _overlaid(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        known = merged.get(key)
        merged[key] = _overlaid(known, value) if isinstance(known, dict) and isinstance(value, dict) else value
    return merged
