"""Utility volumes, put on and taken off a VMI by an annotation: its spec is closed to users. Pure."""

from virtsim.objects import keys
from virtsim.objects.pods import annotations_of
from virtsim.objects.resources import Object


def with_utility_volume(vmi: Object) -> Object:
    """The VMI with the one utility volume that its annotation names; with none where that is empty."""
    name = annotations_of(vmi).get(keys.UTILITY_VOLUME)
    if name is None:
        return vmi
    wanted = [{"name": name, "claimName": name}] if name else []
    if (vmi["spec"].get("utilityVolumes") or []) == wanted:
        return vmi
    rest = {key: value for key, value in vmi["spec"].items() if key != "utilityVolumes"}
    return {**vmi, "spec": {**rest, **({"utilityVolumes": wanted} if wanted else {})}}
