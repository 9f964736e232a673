"""The last words: what was checked and how it came out, who stayed and why, what to try next."""

import shlex
from collections.abc import Iterator, Sequence

import yaml

from controlplane.cluster import Cluster
from demo import fleet
from demo.check import Check, Evidence

_NEXT = "worker-03"
"""The node of the maintenance that is proposed."""


def report(evidence: Evidence, checks: Sequence[Check], audited: bool) -> list[str]:
    """Each check with what contradicts it, then the VMs that stayed."""
    by = "the API server's audit log" if audited else "a watch"
    lines = ["", f"What was checked (migrations: {len(evidence.sightings)} writes, by {by}):"]
    for check in checks:
        lines.append(f"  {'FAILED' if check.violations else 'ok    '}  {check.claim}")
        lines += [f"          {violation}" for violation in check.violations]
    return [*lines, *_stayed(evidence)]


def _stayed(evidence: Evidence) -> Iterator[str]:
    for move in evidence.moves:
        if move.vm in evidence.immovable and move.waiting is not None:
            yield f"{move.vm} stays: {move.waiting.reason}: {move.waiting.message}"
            yield f"  -> {move.waiting.suggestion}"


def advice(cluster: Cluster) -> list[str]:
    """Shell commands, of which the first ones make all others speak to this cluster."""
    manifest = cluster.directory / f"{_NEXT}.yaml"
    manifest.write_text(yaml.safe_dump(fleet.maintenance(_NEXT), sort_keys=False))
    programs = cluster.tools["kubectl"].parent
    return [
        "Everything stays up. In another terminal:",
        *(f"  export {name}={shlex.quote(value)}" for name, value in cluster.environment().items()),
        f"  export PATH={shlex.quote(str(programs))}:$PATH",
        "  kubectl get nodemaintenances,migrationplans,migrationreports",
        f"  kubectl apply -f {manifest}",
        f"  kubectl get migrationplan {_NEXT}-maintenance --watch",
        f"  kubectl describe nodemaintenance {_NEXT}",
        f"  kubectl get virtualmachineinstances -n {fleet.NAMESPACE} -o wide",
        f"  kubectl delete nodemaintenance {_NEXT}",
    ]
