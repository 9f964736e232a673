"""The SELinux level of a target pod, which shares volumes with its source (migration.go). Pure."""

from typing import Any

from virtsim.objects.resources import Object

ABSENT = "none"
"""The context of a node without SELinux."""


class NoSelinuxContextError(Exception):
    """virt-handler has not reported the VM's context: no target pod can be rendered."""


def with_source_level(pod: Object, vmi: Object, configuration: dict[str, Any]) -> Object:
    """The pod with the level of the VM's context, unless the cluster does not want it. Raises NoSelinuxContextError."""
    context: str = (vmi.get("status") or {}).get("selinuxContext", "")
    if configuration.get("matchSELinuxLevelOnMigration") is False or context == ABSENT:
        return pod
    if not context:
        raise NoSelinuxContextError("SELinux context not set on VMI status")
    level = ":".join(context.split(":")[3:])
    if not level:
        return pod
    security = {**pod["spec"].get("securityContext", {}), "seLinuxOptions": {"level": level}}
    return {**pod, "spec": {**pod["spec"], "securityContext": security}}
