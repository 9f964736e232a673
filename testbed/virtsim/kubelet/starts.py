"""How long a pod takes to start and to get ready, and what is seen of it meanwhile. Pure."""

import hashlib
from dataclasses import dataclass
from math import inf

from virtsim.objects import keys
from virtsim.objects.pods import labels_of
from virtsim.objects.resources import Object
from virtsim.objects.switches import is_on, seconds

FASTEST_SECONDS = 0.01
SLOWEST_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Start:
    """Seconds from binding until the containers run (infinite for never); the reason and message that are shown while
    they wait, empty for a start that is too quick to be seen; the warnings that are told.
    """

    seconds: float
    reason: str = ""
    message: str = ""
    warnings: tuple[str, ...] = ()


def start_of(pod: Object, vmi: Object | None) -> Start:
    """By the annotations of the VMI for a migration's target, else a moment."""
    if not _is_target(pod):
        return Start(start_seconds(pod["metadata"]["uid"]))
    if is_on(vmi, keys.IMAGE_PULL_ERROR):
        image = pod["spec"]["containers"][0]["image"]
        pulling = f'Failed to pull image "{image}": rpc error: code = NotFound desc = manifest unknown'
        warnings = (pulling, "Error: ErrImagePull", "Error: ImagePullBackOff")
        return Start(inf, "ImagePullBackOff", f'Back-off pulling image "{image}"', warnings)
    wanted = seconds(vmi, keys.TARGET_POD_SECONDS)
    if wanted is None:
        return Start(start_seconds(pod["metadata"]["uid"]))
    return Start(wanted, "ContainerCreating")


def unready_seconds(pod: Object, vmi: Object | None) -> float:
    """For how long after its start a container of a migration's target stays unready; 0 as a rule."""
    return (seconds(vmi, keys.TARGET_POD_UNREADY) or 0.0) if _is_target(pod) else 0.0


def start_seconds(uid: str) -> float:
    """Between 10 and 100 ms after binding, by the pod's uid."""
    share = hashlib.sha256(uid.encode()).digest()[0] / 255
    return FASTEST_SECONDS + share * (SLOWEST_SECONDS - FASTEST_SECONDS)


def _is_target(pod: Object) -> bool:
    return keys.MIGRATION_JOB_UID in labels_of(pod)
