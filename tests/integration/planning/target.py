"""The pod KubeVirt would create for a migration, made from the running launcher pod as KubeVirt makes it.

kubevirt pkg/virt-controller/services/template.go (RenderLaunchManifest, RenderMigrationManifest) and
nodeselectorrenderer.go. Written once more, and not with the planner's own code, which is what is being tested.
"""

import copy

from tests.integration.planning.fleets.draft import CREATED_BY, HOSTNAME, VM, Object

PROBE = "oracle.example.com/probe"
"""On all pods that only ask."""
_MIGRATION_MODEL = "cpu-model-migration.node.kubevirt.io/"
_HOST_MODEL = "host-model-cpu.node.kubevirt.io/"
_VENDOR = "cpu-vendor.node.kubevirt.io/"
_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"


def target_pod(vm: VM, source: Object, name: str) -> Object:
    """The target pod of a migration from the node `source`, not pinned to any node."""
    pod = copy.deepcopy(vm.launcher)
    pod.pop("status", None)
    pod["metadata"] = {**pod["metadata"], "name": name}
    pod["metadata"]["labels"] |= {PROBE: "true", "kubevirt.io/migrationJobUID": f"{name}-uid"}
    spec = pod["spec"]
    del spec["nodeName"]
    _add_cpu(vm, spec["nodeSelector"], source["metadata"]["labels"])
    _keep_off_itself(spec, vm.vmi["metadata"]["uid"])
    return pod


def pinned(pod: Object, node: str, name: str) -> Object:
    """The same pod under another name and for one node only: what `addedNodeSelector` of a migration does."""
    selector = {**pod["spec"]["nodeSelector"], HOSTNAME: node}
    return {"metadata": {**pod["metadata"], "name": name}, "spec": {**pod["spec"], "nodeSelector": selector}}


def _add_cpu(vm: VM, selector: dict[str, str], labels: dict[str, str]) -> None:
    """A host-model guest keeps its first node's model, every guest the CPU vendor of its source."""
    if vm.vmi["spec"]["domain"]["cpu"]["model"] == "host-model":
        models = [key.removeprefix(_HOST_MODEL) for key in labels if key.startswith(_HOST_MODEL)]
        selector |= {_MIGRATION_MODEL + model: "true" for model in models}
    if not any(key.startswith(_VENDOR) for key in selector):
        selector |= {key: "true" for key in labels if key.startswith(_VENDOR)}


def _keep_off_itself(spec: Object, uid: str) -> None:
    own = {"labelSelector": {"matchLabels": {CREATED_BY: uid}}, "topologyKey": HOSTNAME}
    anti = spec.setdefault("affinity", {}).setdefault("podAntiAffinity", {})
    anti[_REQUIRED] = [*anti.get(_REQUIRED, []), own]
