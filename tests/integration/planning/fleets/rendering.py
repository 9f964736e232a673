"""VMs whose launcher pod is as KubeVirt renders it from the VMI: what the user asked for stands in both.

kubevirt pkg/virt-controller/services/template.go (RenderLaunchManifest) and affinity.go
(modifyNodeAffintyToRejectLabel).
"""

import copy

from tests.integration.planning.fleets.draft import VM, Draft

OBSOLETE = "node-labeller.kubevirt.io/obsolete-host-model"
_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"


def render(draft: Draft) -> None:
    """Of some VMs; of the others the VMI says nothing, and all of it came from admission plugins."""
    for vm in draft.vms:
        if draft.rng.random() < 0.5:
            _mirror(vm)
        if draft.rng.random() < 0.5:
            _reject(vm)


def _mirror(vm: VM) -> None:
    spec = vm.launcher["spec"]
    asked = {key: spec[key] for key in ("affinity", "tolerations", "topologySpreadConstraints") if key in spec}
    vm.vmi["spec"] |= copy.deepcopy(asked)


def _reject(vm: VM) -> None:
    """Nodes that were given another host model since: a requirement more in each term, or a term of its own."""
    rejecting = {"key": OBSOLETE, "operator": "DoesNotExist"}
    node_affinity = vm.launcher["spec"].setdefault("affinity", {}).setdefault("nodeAffinity", {})
    terms = node_affinity.setdefault(_REQUIRED, {"nodeSelectorTerms": [{}]})["nodeSelectorTerms"]
    for term in terms:
        term.setdefault("matchExpressions", []).append(dict(rejecting))
