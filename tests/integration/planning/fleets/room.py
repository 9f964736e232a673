"""What nodes have and pods ask for: CPU, memory, pods, huge pages, devices."""

from collections.abc import Sequence
from random import Random

from tests.integration.planning.fleets.bystanders import ending
from tests.integration.planning.fleets.draft import Draft, Object, container

HEAVY = "heavy"
"""The RuntimeClass with an overhead. Pods cannot bring an overhead that their RuntimeClass does not say."""
OVERHEAD = {"cpu": "1100m", "memory": "1200Mi"}
_GPU = "example.com/gpu"
_HUGE = "hugepages-2Mi"


def requests(draft: Draft) -> None:
    """Nodes are small in one thing or another, and what pods ask for is written in every way there is."""
    for node in draft.nodes:
        if draft.chance(0.8):
            _shrink(node, draft.rng)
    for _ in range(2 * len(draft.nodes)):
        _ask(draft.add_pod(), draft.rng, heavy=0.2)
    for pod in draft.pods:
        if draft.chance(0.2):
            pod["status"] = {"phase": draft.rng.choice(("Succeeded", "Failed", "Unknown"))}
    ending(draft)
    for vm in draft.vms:
        if draft.chance(0.9):
            _ask(vm.launcher, draft.rng, heavy=0.7)


def _shrink(node: Object, rng: Random) -> None:
    amounts = node["status"]["allocatable"]
    amounts |= {"cpu": _cpu(rng, 4, 24), "memory": f"{rng.randrange(6, 32)}Gi", "pods": str(rng.randrange(3, 30))}
    if rng.random() < 0.6:
        amounts[_GPU] = str(rng.randrange(5))
    if rng.random() < 0.6:
        amounts[_HUGE] = f"{rng.randrange(8)}Gi"
    if rng.random() < 0.3:
        amounts["ephemeral-storage"] = f"{rng.randrange(1, 9)}G"
    if rng.random() < 0.1:
        del amounts[rng.choice(("pods", "ephemeral-storage", "devices.kubevirt.io/kvm"))]
    if rng.random() < 0.2:
        amounts["cpu"] = rng.choice(("0", "9876543u", "12345678901n", "1e1", "0.01k"))


def _ask(pod: Object, rng: Random, heavy: float) -> None:
    if "resources" in pod["spec"]:
        # What the pod asks for as a whole must not be less than what its containers ask for.
        return
    main = container(pod)
    main["resources"] = _resources(rng, heavy)
    if rng.random() < 0.1:
        main["resources"] = {}
    spec = pod["spec"]
    if rng.random() < 0.3:
        spec["containers"].append({"name": "side", "image": "x", "resources": _resources(rng, 0.1)})
    count = rng.choices((0, 1, 2, 3), (4, 3, 2, 1))[0]
    spec["initContainers"] = [_init(n, rng, heavy) for n in range(count)]
    if rng.random() < 0.3:
        spec["runtimeClassName"] = HEAVY


def _init(number: int, rng: Random, heavy: float) -> Object:
    made: Object = {"name": f"init-{number}", "image": "x", "resources": _resources(rng, heavy)}
    return {**made, "restartPolicy": "Always"} if rng.random() < 0.5 else made


def _resources(rng: Random, heavy: float) -> Object:
    """Requests, and now and then limits alone, which the API server makes requests of."""
    top = 6 if rng.random() < heavy else 1
    asked = {"cpu": _cpu(rng, 0, top), "memory": _memory(rng, top)}
    if rng.random() < 0.3:
        asked["ephemeral-storage"] = rng.choice(("50M", "1Gi", "0"))
    if rng.random() < 0.2:
        del asked[rng.choice(("cpu", "memory"))]
    exact: dict[str, str] = {}
    if rng.random() < 0.2 * heavy:
        exact[_GPU] = rng.choice(("1", "2", "0"))
    if rng.random() < 0.2 * heavy:
        exact[_HUGE] = rng.choice(("512Mi", "1Gi", "2Gi"))
    if rng.random() < 0.15:
        return {"limits": {**asked, **exact}}
    return {"requests": {**asked, **exact}, "limits": exact}


def _cpu(rng: Random, low: int, high: int) -> str:
    millis = rng.randrange(low * 1000, high * 1000 + 1, 50)
    return rng.choice((f"{millis}m", f"{millis / 1000:g}", f"{millis}e-3"))


def _memory(rng: Random, top: int) -> str:
    mebi = rng.randrange(0, top * 1024 + 1, 16)
    return rng.choice(
        (f"{mebi}Mi", f"{mebi << 20}", f"{mebi / 1024}Gi", f"{mebi}M", f"{mebi << 10}k", f"{mebi}000000000m")
    )


def whole_pods(draft: Draft) -> None:
    """Requests of the pod as a whole, which stand for its containers' (KEP-2837)."""
    for node in draft.nodes:
        if draft.chance(0.7):
            node["status"]["allocatable"] |= {"cpu": "8", "memory": "16Gi"}
    for pod in draft.every_pod:
        if draft.chance(0.6):
            _ask_as_whole(pod, draft.rng)


def _ask_as_whole(pod: Object, rng: Random) -> None:
    container(pod)["resources"] = {"requests": {"cpu": "100m", "memory": "64Mi"}}
    asked = {"cpu": f"{rng.randrange(1, 8)}", "memory": f"{rng.randrange(1, 14)}Gi"}
    pod["spec"]["resources"] = {"requests": {key: asked[key] for key in _some(rng, ("cpu", "memory"))}}
    if rng.random() < 0.3:
        small = {"requests": {"cpu": "50m", "memory": "32Mi"}}
        pod["spec"]["initContainers"] = [{"name": "init", "image": "x", "resources": small}]
    if rng.random() < 0.2:
        pod["spec"]["runtimeClassName"] = HEAVY
    if rng.random() < 0.2:
        pod["spec"]["resources"]["limits"] = pod["spec"]["resources"].pop("requests")
    if rng.random() < 0.3:
        _ask_for_pages(pod["spec"]["resources"], rng)


def _ask_for_pages(resources: Object, rng: Random) -> None:
    pages = {_HUGE: rng.choice(("512Mi", "1Gi", "2Gi"))}
    resources["requests"] = resources.get("requests", {}) | pages
    resources["limits"] = resources.get("limits", {}) | pages


def fractions(draft: Draft) -> None:
    """Nodes with a few bytes, and pods whose containers ask for less than one: all of a pod is rounded up once."""
    for node in draft.nodes:
        if draft.chance(1):
            node["status"]["allocatable"] |= {"memory": f"{draft.rng.randrange(3, 30)}", "cpu": "40"}
    for pod in draft.every_pod:
        if draft.chance(1) and "resources" not in pod["spec"]:
            _ask_for_little(pod, draft.rng)


def _ask_for_little(pod: Object, rng: Random) -> None:
    pod["spec"].pop("initContainers", None)
    pod["spec"]["containers"] = [
        {"name": f"c{n}", "image": "x", "resources": {"requests": {"cpu": _bit(rng), "memory": _bit(rng)}}}
        for n in range(rng.randrange(1, 4))
    ]


def _bit(rng: Random) -> str:
    return rng.choice(("400m", "500m", "1500m", "999999u", "1n", "3", "1.5", "15e-1", "0.001k"))


def resized(draft: Draft) -> None:
    """Other pods that were resized in place, up or down, and hold the larger amount until that is done (KEP-1287)."""
    for node in draft.nodes:
        if draft.chance(1):
            node["status"]["allocatable"] |= {"cpu": "7", "memory": "14Gi"}
    for _ in range(2 * len(draft.nodes)):
        if draft.chance(1):
            draft.add_pod()
    for pod in draft.every_pod:
        if draft.chance(0.6) and "resources" not in pod["spec"]:
            container(pod)["resources"] = {"requests": _amounts(draft.rng)}
            held, given = _amounts(draft.rng), _amounts(draft.rng)
            status = {"name": container(pod)["name"], "image": "x", "imageID": "", "ready": True, "restartCount": 0}
            resources = {"allocatedResources": held, "resources": {"requests": given}}
            pod["status"] = {"phase": "Running", "containerStatuses": [{**status, **resources}]}
            _resize(pod, draft.rng)
    for vm in draft.vms:
        if draft.chance(0.8) and "resources" not in vm.launcher["spec"]:
            container(vm.launcher)["resources"] = {"requests": _amounts(draft.rng)}


def _resize(pod: Object, rng: Random) -> None:
    """Perhaps as a whole as well, and perhaps it cannot be: not now, or never."""
    status, spec = pod["status"], pod["spec"]
    if rng.random() < 0.4 and len(spec["containers"]) == 1 and "initContainers" not in spec:
        asked = {"cpu": "2", "memory": "4Gi"}
        spec["resources"] = {"requests": {key: asked[key] for key in _some(rng, ("cpu", "memory"))}}
        status["resources"] = {"requests": {key: _amounts(rng)[key] for key in _some(rng, ("cpu", "memory"))}}
        status["allocatedResources"] = _amounts(rng)
    if rng.random() < 0.5:
        reason = rng.choice(("Infeasible", "Deferred"))
        status["conditions"] = [{"type": "PodResizePending", "status": "True", "reason": reason}]


def _amounts(rng: Random) -> dict[str, str]:
    return {"cpu": f"{rng.randrange(1, 9) * 250}m", "memory": f"{rng.randrange(1, 9) * 512}Mi"}


def _some(rng: Random, of: Sequence[str]) -> list[str]:
    return rng.sample(of, rng.randrange(1, len(of) + 1))
