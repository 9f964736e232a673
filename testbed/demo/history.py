"""Every state that every migration was ever in: from the API server's audit log, or from a watch."""

import json
from collections.abc import Iterable
from dataclasses import dataclass

from demo.facts import FINAL, Object

_MIGRATIONS = "virtualmachineinstancemigrations"
_WRITES = frozenset({"create", "update", "patch", "delete"})
_HOSTNAME = "kubernetes.io/hostname"


@dataclass(frozen=True, slots=True)
class Sighting:
    """A VirtualMachineInstanceMigration as one write left it.

    `version` is its resourceVersion, a revision of the whole store: sightings sorted by it are in the order in which
    they became true. `gone`: this write was its end.
    """

    version: int
    migration: str
    vm: str
    target: str
    phase: str
    gone: bool = False

    @property
    def live(self) -> bool:
        """Whether it holds a slot."""
        return not self.gone and self.phase not in FINAL


def sighting(vmim: Object, gone: bool = False) -> Sighting:
    """An object as a watch or an answer delivers it. Without its finalizer a deleted one is gone."""
    metadata, spec, status = vmim["metadata"], vmim["spec"], vmim.get("status") or {}
    state = status.get("migrationState") or {}
    ended = "deletionTimestamp" in metadata and not metadata.get("finalizers")
    return Sighting(
        version=int(metadata["resourceVersion"]),
        migration=f"{metadata['namespace']}/{metadata['name']}",
        vm=f"{metadata['namespace']}/{spec['vmiName']}",
        target=state.get("targetNode") or (spec.get("addedNodeSelector") or {}).get(_HOSTNAME, ""),
        phase=status.get("phase", ""),
        gone=gone or ended,
    )


def from_audit(lines: Iterable[str]) -> list[Sighting]:
    """The successful writes to migrations in an audit log (a JSON object a line), in the order of the store."""
    found: dict[str, Sighting] = {}
    result: list[Sighting] = []
    for line in lines:
        event = json.loads(line)
        if _is_write(event):
            seen = _audited(event, found)
            if seen is not None:
                found[seen.migration] = seen
                result.append(seen)
    return in_order(result)


def in_order(sightings: Iterable[Sighting]) -> list[Sighting]:
    """As they became true."""
    return sorted(sightings, key=lambda each: each.version)


def _is_write(event: Object) -> bool:
    about = event.get("objectRef") or {}
    code = (event.get("responseStatus") or {}).get("code", 0)
    return (
        about.get("resource") == _MIGRATIONS
        and event["verb"] in _WRITES
        and event["stage"] == "ResponseComplete"
        and 200 <= code < 300
        and "dryRun=" not in event.get("requestURI", "")
    )


def _audited(event: Object, found: dict[str, Sighting]) -> Sighting | None:
    answer, about = event.get("responseObject") or {}, event["objectRef"]
    if answer.get("kind") == "VirtualMachineInstanceMigration":
        return sighting(answer)
    last = found.get(f"{about.get('namespace')}/{about.get('name')}")
    # A delete that had no finalizer to wait for is answered with a Status, which has no revision: it comes after the
    # last write that the log has of the object.
    if event["verb"] != "delete" or last is None:
        return None
    return Sighting(last.version, last.migration, last.vm, last.target, last.phase, gone=True)
