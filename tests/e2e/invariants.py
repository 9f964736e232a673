"""What holds in every scene, whatever it is about: the rules that never bend, asked of each moment of a recording."""

from collections import Counter
from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import Any

from tests.e2e.audit import Audit
from tests.e2e.installing import USER
from tests.e2e.recorder import PLANS, Recorder, State
from virtsim.objects import keys, quantity
from virtsim.objects.migrations import is_final, vmi_key
from virtsim.objects.pods import is_terminal, labels_of
from virtsim.objects.resources import KUBEVIRTS, NODES, PODS, VMIMS, VMIS, Object

PLAN_UID = "drover.dev/plan-uid"
PER_TARGET = 2
COUNTED = ("cpu", "memory")
CREATED = 201
FORBIDDEN = 403


def broken_by_starts(recorder: Recorder) -> Iterator[str]:
    """What was wrong at the moment one of our migrations was created."""
    seen: set[str] = set()
    for change, state in recorder.replay():
        uid = change.object["metadata"]["uid"]
        if change.resource is VMIMS and uid not in seen and not change.gone:
            seen.add(uid)
            if PLAN_UID in labels_of(change.object):
                name = change.object["metadata"]["name"]
                yield from (f"{name}: {what}" for what in _wrong(change.object, state))


def _wrong(vmim: Object, state: State) -> Iterator[str]:
    flying = [each for each in state[VMIMS].values() if not is_final(each)]
    if any(vmi_key(each) == vmi_key(vmim) for each in flying):
        yield "another migration of the VM is in flight"
    target = _target(vmim)
    if not target:
        yield "it is not pinned to a target"
        return
    yield from _over_limits([*flying, vmim], vmim, state)
    yield from _unfit(target, state)
    yield from (f"{target} is overfilled: {what}" for what in overfilled(target, [*flying, vmim], state))


def _over_limits(flying: list[Object], vmim: Object, state: State) -> Iterator[str]:
    counts = {
        "total": len(flying),
        "perSource": Counter(_source(each, state) for each in flying)[_source(vmim, state)],
        "perTarget": Counter(_target(each) for each in flying)[_target(vmim)],
    }
    for name, limit in _limits(vmim, state).items():
        if counts[name] > limit:
            yield f"{name}: {counts[name]} are in flight and {limit} may be"


def _limits(vmim: Object, state: State) -> dict[str, int]:
    (kubevirt,) = state[KUBEVIRTS].values()
    theirs = kubevirt["spec"].get("configuration", {}).get("migrations", {})
    uid = labels_of(vmim)[PLAN_UID]
    plan = next((each for each in state[PLANS].values() if each["metadata"]["uid"] == uid), {})
    ours = plan.get("spec", {}).get("limits", {})
    total, per_source = (
        theirs.get("parallelMigrationsPerCluster", 5),
        theirs.get("parallelOutboundMigrationsPerNode", 2),
    )
    return {
        "total": min(total, ours.get("total", total)),
        "perSource": min(per_source, ours.get("perSource", per_source)),
        "perTarget": ours.get("perTarget", PER_TARGET),
    }


def _source(vmim: Object, state: State) -> str:
    vmi = state[VMIS].get(vmi_key(vmim), {})
    source: str = vmi.get("status", {}).get("nodeName", "")
    return source


def _target(vmim: Object) -> str:
    target: str = vmim["spec"].get("addedNodeSelector", {}).get(keys.HOSTNAME, "")
    return target


def _unfit(target: str, state: State) -> Iterator[str]:
    node = state[NODES].get(("", target))
    if node is None:
        yield f"{target} does not exist"
    elif node["spec"].get("unschedulable"):
        yield f"{target} is cordoned"
    elif labels_of(node).get(keys.SCHEDULABLE) != "true":
        yield f"{target} is not for KubeVirt"


def overfilled(node: str, flying: Iterable[Object], state: State) -> list[str]:
    """Which resources the pods on a node, and those of migrations on their way to it, ask more of than it has."""
    pods = [each for each in state[PODS].values() if not is_terminal(each)]
    here = [_requests(each) for each in pods if each["spec"].get("nodeName") == node]
    bound = {labels_of(each).get(keys.MIGRATION_JOB_UID) for each in pods if each["spec"].get("nodeName")}
    inbound = [each for each in flying if _target(each) == node and each["metadata"]["uid"] not in bound]
    coming = [_requests(pod) for each in inbound for pod in _source_pods(each, pods, state)]
    has = state[NODES][("", node)].get("status", {}).get("allocatable")
    if has is None:
        return []
    asked = {name: sum((each[name] for each in [*here, *coming]), Fraction()) for name in COUNTED}
    return [f"{float(asked[n])} of {has[n]} {n}" for n in COUNTED if asked[n] > quantity.parse(has[n])]


def _source_pods(vmim: Object, pods: Iterable[Object], state: State) -> list[Object]:
    vmi = state[VMIS].get(vmi_key(vmim))
    if vmi is None:
        return []
    uid, node = vmi["metadata"]["uid"], vmi["status"].get("nodeName")
    return [p for p in pods if labels_of(p).get(keys.CREATED_BY) == uid and p["spec"].get("nodeName") == node][:1]


def _requests(pod: Object) -> dict[str, Fraction]:
    asked: list[dict[str, Any]] = [each.get("resources", {}).get("requests", {}) for each in pod["spec"]["containers"]]
    return {name: sum((quantity.parse(each.get(name, 0)) for each in asked), Fraction()) for name in COUNTED}


def touched_by_kopf(recorder: Recorder) -> Iterator[str]:
    """Objects that ever carried something of kopf's: it watches, and writes nothing."""
    for change in recorder.changes():
        metadata = change.object["metadata"]
        ours = [*metadata.get("annotations", {}), *metadata.get("labels", {}), *metadata.get("finalizers", [])]
        if any("kopf" in each for each in ours) or "kopf" in change.object.get("status", {}):
            yield f"{change.resource.plural}/{metadata['name']}: {ours}"


def refused(audit: Audit) -> Iterator[str]:
    """What our account may not do and tried, and migrations that KubeVirt refused to take."""
    for request in audit.requests(USER):
        if request.code == FORBIDDEN and request.verb in ("get", "list", "watch", "patch", "create", "delete"):
            yield f"{request.verb} {request.resource} {request.namespace}/{request.name}: {request.answer}"
        elif request.resource == VMIMS.plural and request.verb == "create" and request.code != CREATED:
            yield f"create {request.resource} {request.namespace}/{request.name}: {request.code} {request.answer}"


def complained(log: Iterable[dict[str, Any]]) -> Iterator[str]:
    """Errors and tracebacks in the operator's log."""
    for entry in log:
        if entry["level"] not in ("debug", "info", "warning"):
            yield f"{entry['level']}: {entry['message']}\n{entry.get('exception', '')}"
