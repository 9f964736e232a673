"""Root or not: a VM becomes what the cluster wants before it gets a target pod (migration.go, setupVMIRuntimeUser).

Pure. The cluster wants non-root unless the feature gate Root is on.
"""

from typing import Any

from virtsim.objects import keys
from virtsim.objects.pods import NONROOT_USER, annotations_of
from virtsim.objects.resources import Object

ROOT_USER = 0


def operations(vmi: Object, *, root: bool) -> list[dict[str, Any]]:
    """The JSON patch of the VMI, often none."""
    user = ROOT_USER if root else NONROOT_USER
    wanted: list[dict[str, Any]] = []
    if (vmi.get("status") or {}).get("runtimeUser", ROOT_USER) != user:
        wanted.append({"op": "replace", "path": "/status/runtimeUser", "value": user})
    marked = keys.NONROOT in annotations_of(vmi)
    path = f"/metadata/annotations/{keys.NONROOT.replace('/', '~1')}"
    if root and marked:
        wanted.append({"op": "remove", "path": path})
    elif not root and "annotations" not in vmi["metadata"]:
        wanted.append({"op": "add", "path": "/metadata/annotations", "value": {keys.NONROOT: "true"}})
    elif not root and not marked:
        wanted.append({"op": "add", "path": path, "value": "true"})
    return wanted
