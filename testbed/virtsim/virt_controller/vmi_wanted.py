"""What a VMI should be, by its pods: labels and status, which virt-controller writes in one request
(watch/vmi/vmi.go, updateStatus). Pure.
"""

from typing import Any

from virtsim.objects import keys
from virtsim.objects.conditions import with_condition
from virtsim.objects.pods import labels_of
from virtsim.objects.resources import Object
from virtsim.versions import Feature, Version
from virtsim.virt_controller.backups import with_backup
from virtsim.virt_controller.hotplug import with_hotplugs
from virtsim.virt_controller.older import conditions_as_of
from virtsim.virt_controller.utility_volumes import with_utility_volume
from virtsim.virt_controller.vmi_status import in_its_phase, interfaces, ready, requested, with_scheduled


def wanted_vmi(
    vmi: Object, pods: list[Object], current: Object | None, image: str, version: Version, *, heard_of: bool = True
) -> Object:
    """The VMI as it should be, at most one phase further; an equal one if nothing is to be written.

    `current` is the pod that the VM is in, `image` what launchers of this KubeVirt run. The phase stays if nobody on
    its node is `heard_of`.
    """
    vmi = with_utility_volume(with_backup(vmi)) if version.has(Feature.UTILITY_VOLUMES) else vmi
    reached = in_its_phase(vmi, pods, current) if heard_of else vmi
    wanted: dict[str, Any] = dict(reached.get("status") or {})
    wanted["activePods"] = {pod["metadata"]["uid"]: pod["spec"].get("nodeName", "") for pod in pods}
    if not wanted["activePods"] and "activePods" not in (vmi.get("status") or {}):
        del wanted["activePods"]
    conditions = with_condition(with_scheduled(vmi, current), ready(vmi, current))
    if wanted["phase"] == "Running":
        conditions = with_hotplugs(vmi, conditions)
    wanted["conditions"] = conditions_as_of(version, requested(vmi, conditions))
    labels = labels_of(vmi)
    if current is not None:
        launcher = current["spec"]["containers"][0]["image"]
        wanted["launcherContainerImageVersion"] = launcher
        labels = _with_age(labels, outdated=launcher != image)
    if wanted["phase"] == "Running" and current is not None:
        wanted["interfaces"] = interfaces(wanted, current)
    if wanted["phase"] == "Scheduled" and wanted.get("nodeName"):
        labels = {**labels, keys.NODE_NAME: wanted["nodeName"]}
    metadata = vmi["metadata"] if labels == labels_of(vmi) else {**vmi["metadata"], "labels": labels}
    return {**vmi, "metadata": metadata, "status": wanted}


def _with_age(labels: dict[str, str], *, outdated: bool) -> dict[str, str]:
    """The labels, with the one that says that the launcher is of an older KubeVirt."""
    kept = {key: value for key, value in labels.items() if key != keys.OUTDATED_LAUNCHER}
    return {**kept, keys.OUTDATED_LAUNCHER: ""} if outdated else kept
