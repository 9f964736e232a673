"""What the scheduler reserves for a pod (kubernetes component-helpers resource/helpers.go, PodRequests)."""

from collections.abc import Callable, Mapping
from functools import lru_cache

from drover.facts.podspec import Container, PodSpec, ResourceRequirements
from drover.facts.quantity import Resources, largest, millis, total
from drover.facts.wire import Wire

POD_LEVEL = ("cpu", "memory")
"""What the pod's own requests can say for all its containers, with huge pages (KEP-2837)."""


class ContainerStatus(Wire, frozen=True, kw_only=True):
    """What the kubelet has given a container, while an in-place resize has not caught up with it (KEP-1287)."""

    name: str = ""
    allocated_resources: dict[str, str] = {}
    resources: ResourceRequirements | None = None


class Given(Wire, frozen=True, kw_only=True):
    """What the kubelet has given a pod."""

    containers: tuple[ContainerStatus, ...] = ()
    pod: ResourceRequirements | None = None
    allocated: dict[str, str] = {}
    infeasible: bool = False
    """The resize that the spec asks for can never be on its node: it is not counted."""


def asked(spec: PodSpec) -> Resources:
    """What a new pod of this spec would be given, in the units of `facts.quantity`.

    Containers and restartable init containers together, or the largest moment of the init phase; the pod's own requests
    instead, where it has any; plus overhead, and the pod itself. Not to be changed: pods that ask the same share it.
    """
    if spec.init_containers or spec.overhead or spec.resources is not None:
        return _whole(spec, _sum(spec, _requests, _requests, _exactly(_own(spec))))
    return _plain(tuple([tuple(container.resources.requests.items()) for container in spec.containers]))


@lru_cache(maxsize=4096)
def _plain(containers: tuple[tuple[tuple[str, str], ...], ...]) -> Resources:
    """Of containers alone, by their requests: most pods of a fleet are alike."""
    return _whole(PodSpec(), total(_exactly(dict(requests)) for requests in containers))


def limited(spec: PodSpec) -> Resources:
    """The limits of a new pod of this spec, of the resources for which containers have any (PodLimits)."""
    own = spec.resources.limits if spec.resources is not None else {}
    level = {name: text for name, text in own.items() if _is_pod_level(name)}
    limits = _sum(spec, _limits, _limits, _exactly(level))
    overhead = _exactly(spec.overhead)
    return _rounded({name: amount + overhead.get(name, 0) if amount else 0 for name, amount in limits.items()})


def reserved(spec: PodSpec, given: Given) -> Resources:
    """What a pod that runs holds: the most of what it asks for and what it was given."""
    known = {status.name: status for status in given.containers if status.resources is not None}

    def of(container: Container) -> Resources:
        wanted, status = _requests(container), known.get(container.name)
        if status is None or status.resources is None:
            return wanted
        return _held(wanted, status.resources.requests, status.allocated_resources, given.infeasible)

    own = _exactly(_own(spec))
    if own and given.pod is not None:
        held = _held(own, given.pod.requests, given.allocated, given.infeasible)
        own = {name: held.get(name, 0) for name in own}
    return _whole(spec, _sum(spec, of, _requests, own))


def _held(wanted: Resources, has: Mapping[str, str], granted: Mapping[str, str], infeasible: bool) -> Resources:
    """KubeVirt's containers are not resized; other people's are."""
    known = largest(_exactly(has), _exactly(granted))
    return known if infeasible else largest(wanted, known)


def _own(spec: PodSpec) -> dict[str, str]:
    if spec.resources is None:
        return {}
    requests = spec.resources.requests
    return {name: text for name, text in requests.items() if _is_pod_level(name)}


def _is_pod_level(name: str) -> bool:
    return name in POD_LEVEL or name.startswith("hugepages-")


def _sum(
    spec: PodSpec,
    of: Callable[[Container], Resources],
    once: Callable[[Container], Resources],
    own: Resources,
) -> Resources:
    """Over containers and sidecars by `of`, over init containers that end by `once`; without overhead."""
    if not spec.init_containers:
        return {**total(of(container) for container in spec.containers), **own}
    sidecars: Resources = {}
    peak: Resources = {}
    for container in spec.init_containers:
        mine: Resources = {}
        if container.restart_policy == "Always":
            sidecars = total([sidecars, of(container)])
        else:
            mine = once(container)
        peak = largest(peak, total([sidecars, mine]))
    running = total([sidecars, *(of(container) for container in spec.containers)])
    return {**largest(running, peak), **own}


def _requests(container: Container) -> Resources:
    return _exactly(container.resources.requests)


def _limits(container: Container) -> Resources:
    return _exactly(container.resources.limits)


def _whole(spec: PodSpec, sum_of: Resources) -> Resources:
    exact = total([sum_of, _exactly(spec.overhead)]) if spec.overhead else sum_of
    return total([_rounded(exact), {"pods": 1}])


def _exactly(quantities: Mapping[str, str]) -> Resources:
    """In thousandths of everything, beyond which the API server rounds up (core/v1 SetDefaults_ResourceList)."""
    return {name: millis(text) for name, text in quantities.items()}


def _rounded(thousandths: Resources) -> Resources:
    """In our units, rounded up once for the whole pod, as the scheduler does."""
    return {name: amount if name == "cpu" else -(-amount // 1000) for name, amount in thousandths.items()}
