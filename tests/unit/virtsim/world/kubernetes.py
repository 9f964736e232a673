"""The parts of Kubernetes that virtsim leaves to Kubernetes: scheduling, garbage collection, virt-api's admission."""

from tests.unit.virtsim.world.server import Server, launchers_of
from virtsim.cluster.client import ApiError
from virtsim.objects import keys
from virtsim.objects.conditions import is_false
from virtsim.objects.migrations import is_final
from virtsim.objects.pods import labels_of
from virtsim.objects.resources import NODES, PODS, VMIMS, VMIS, Object, Resource, key_of

SCHEDULER = "kube-scheduler"


def waiting_pods(server: Server) -> list[Object]:
    """The pods that have no node yet, and are not said to fit none."""
    return [pod for pod in server.all(PODS) if not pod["spec"].get("nodeName")]


def schedule(server: Server, pod: Object, choice: int) -> None:
    """Binds a pod to one of the nodes that take it, or says that none does."""
    nodes = [node for node in server.all(NODES) if _takes(server, node, pod)]
    if not nodes:
        said = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}
        server.change(
            SCHEDULER,
            PODS,
            key_of(pod),
            lambda obj: {**obj, "status": {**obj["status"], "conditions": [said]}},
            "status",
        )
        return
    name = nodes[choice % len(nodes)]["metadata"]["name"]
    server.change(SCHEDULER, PODS, key_of(pod), lambda obj: {**obj, "spec": {**obj["spec"], "nodeName": name}})


def _takes(server: Server, node: Object, pod: Object) -> bool:
    """Whether the node's labels and taints let the pod in, and no other launcher of its VM is there."""
    selector = pod["spec"].get("nodeSelector") or {}
    if not selector.items() <= labels_of(node).items() or node["spec"].get("taints"):
        return False
    vm = labels_of(pod).get(keys.CREATED_BY)
    here = [other for other in server.all(PODS) if other["spec"].get("nodeName") == node["metadata"]["name"]]
    alive = [other for other in here if other["status"]["phase"] in ("Pending", "Running")]
    return all(labels_of(other).get(keys.CREATED_BY) != vm for other in alive)


def collect_garbage(server: Server) -> None:
    """Deletes the pods whose VMI is gone."""
    uids = {vmi["metadata"]["uid"] for vmi in server.all(VMIS)}
    for pod in server.all(PODS):
        if all(owner["uid"] not in uids for owner in pod["metadata"]["ownerReferences"]):
            server.delete("garbage-collector", PODS, key_of(pod))


def admit(server: Server, resource: Resource, obj: Object, *, atomic: bool) -> Object:
    """virt-api's label and finalizer for a new VMIM, and its refusals. Raises ApiError 400.

    The check for another one in flight is a list followed by a creation: unless `atomic`, two may both pass.
    """
    if resource is not VMIMS:
        return obj
    namespace, name = obj["metadata"]["namespace"], obj["spec"]["vmiName"]
    vmi = server.find(VMIS, namespace, name)
    if vmi is None or vmi["status"]["phase"] in ("Succeeded", "Failed") or is_false(vmi, "LiveMigratable"):
        raise ApiError(400, "", f'the VMI "{namespace}/{name}" does not exist or cannot migrate')
    if atomic and any(not is_final(other) and other["spec"]["vmiName"] == name for other in server.all(VMIMS)):
        raise ApiError(400, "", "in-flight migration detected.")
    metadata = {
        **obj["metadata"],
        "labels": {**labels_of(obj), keys.VMI_NAME: name},
        "finalizers": [keys.MIGRATION_FINALIZER],
    }
    return {**obj, "metadata": metadata}


def mark(server: Server, vm: Object) -> None:
    """The eviction of a VM's launcher pod, as virt-api answers it: the VMI is marked unless it is already."""
    node = vm["status"].get("nodeName")
    evictable = vm["status"]["phase"] == "Running" and node and not vm["status"].get("evacuationNodeName")
    if evictable and any(pod["spec"].get("nodeName") == node for pod in launchers_of(server, vm)):
        server.change(
            "virt-api", VMIS, key_of(vm), lambda obj: {**obj, "status": {**obj["status"], "evacuationNodeName": node}}
        )
