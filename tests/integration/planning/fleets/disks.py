"""Volumes: where they can be reached from, and how many of them a node can hold."""

from collections.abc import Sequence

from tests.integration.planning.fleets.draft import ZONE, Draft, Object

_CINDER = "cinder.csi.openstack.org"
DRIVERS = ("one.csi.example.com", "two.csi.example.com", _CINDER)
_REGION = "topology.kubernetes.io/region"
_BETA = {ZONE: "failure-domain.beta.kubernetes.io/zone", _REGION: "failure-domain.beta.kubernetes.io/region"}
_BOUND = {"pv.kubernetes.io/bind-completed": "yes"}


def reachable(draft: Draft) -> None:
    """Volumes with a required node affinity, as a CSI driver's topology writes it."""
    for node in draft.nodes:
        node["metadata"]["labels"]["example.com/san"] = draft.rng.choice("pqr")
        if draft.rng.random() < 0.7:
            node["metadata"]["labels"]["example.com/links"] = draft.rng.choice(("1", "2", "4", "many"))
    for vm in draft.vms:
        for _ in range(draft.rng.randrange(1, 3)):
            if draft.chance(0.7):
                give(draft, vm.launcher, a_volume(draft, nodeAffinity={"required": _reach(draft)}))


def zoned(draft: Draft) -> None:
    """Volumes that carry zone and region labels, of the present and of the past."""
    for n, node in enumerate(draft.nodes):
        labels = node["metadata"]["labels"]
        labels[_REGION] = f"e{n % 2}"
        for key in (ZONE, _REGION):
            if draft.chance(0.15):
                value = labels.pop(key, None)
                if value is not None and draft.rng.random() < 0.5:
                    labels[_BETA[key]] = value
    for vm in draft.vms:
        if draft.chance(0.7):
            volume = a_volume(draft)
            volume["metadata"]["labels"] = _places(draft)
            give(draft, vm.launcher, volume)


def attached(draft: Draft) -> None:
    """Nodes that hold few volumes, some of them held already; a volume that two pods use counts once."""
    names = [node["metadata"]["name"] for node in draft.nodes]
    draft.csi_nodes += [_csi_node(draft, name) for name in names if draft.rng.random() < 0.9]
    for _ in range(len(draft.nodes)):
        if draft.chance(1):
            give(draft, draft.add_pod(), a_volume(draft))
    for pod in draft.every_pod:
        for _ in range(draft.rng.randrange(4)):
            if draft.chance(0.6):
                give(draft, pod, a_volume(draft))
        if draft.chance(0.5):
            _share(draft, pod)
    for volume in draft.volumes:
        for node in draft.rng.sample(names, 2):
            if draft.chance(0.15):
                draft.attachments.append(_attached(draft, volume, node))
    for pod in draft.pods:
        if draft.chance(0.3):
            volume = a_volume(draft)
            del volume["spec"]["csi"]
            volume["spec"]["cinder"] = {"volumeID": volume["metadata"]["name"]}
            give(draft, pod, volume)


def _attached(draft: Draft, volume: Object, node: str) -> Object:
    """Left by a pod that has gone, or made by hand and for another driver."""
    rng, name = draft.rng, volume["metadata"]["name"]
    driver = volume["spec"]["csi"]["driver"] if rng.random() < 0.9 else rng.choice(DRIVERS)
    return an_attachment(f"{draft.key}-va{len(draft.attachments)}", node, name, driver)


def an_attachment(name: str, node: str, volume: str, driver: str) -> Object:
    spec = {"attacher": driver, "nodeName": node, "source": {"persistentVolumeName": volume}}
    return {"metadata": {"name": name}, "spec": spec}


def _csi_node(draft: Draft, name: str) -> Object:
    drivers = [_driver(draft, driver, name) for driver in DRIVERS if draft.rng.random() < 0.8]
    return {"metadata": {"name": name}, "spec": {"drivers": drivers}}


def _driver(draft: Draft, driver: str, node: str) -> Object:
    """Without a count there is no limit."""
    known = {"name": driver, "nodeID": node, "topologyKeys": []}
    return {**known, "allocatable": {"count": draft.rng.randrange(1, 7)}} if draft.rng.random() < 0.9 else known


_MORE: tuple[Object, ...] = (
    {"key": "example.com/links", "operator": "Gt", "values": ["1"]},
    {"key": "example.com/links", "operator": "Lt", "values": ["3"]},
    {"key": "example.com/links", "operator": "Exists"},
    {"key": "example.com/links", "operator": "DoesNotExist"},
)


def _reach(draft: Draft) -> Object:
    rng = draft.rng
    pools: tuple[tuple[str, Sequence[str]], ...] = (("example.com/san", "pqr"), (ZONE, ("z0", "z1", "z2", "z3")))
    terms = []
    for _ in range(rng.choices((1, 2), (3, 1))[0]):
        key, pool = rng.choice(pools)
        values = rng.sample(pool, rng.randrange(1, len(pool)))
        expressions = [{"key": key, "operator": rng.choice(("In", "In", "NotIn")), "values": values}]
        if rng.random() < 0.3:
            expressions.append(rng.choice(_MORE))
        terms.append({"matchExpressions": expressions})
    if rng.random() < 0.1:
        name = rng.choice(draft.nodes)["metadata"]["name"]
        terms.append({"matchFields": [{"key": "metadata.name", "operator": "In", "values": [name]}]})
    return {"nodeSelectorTerms": terms}


def _places(draft: Draft) -> dict[str, str]:
    """`__` stands between the zones of a volume that is in several (component-helpers LabelZonesToSet)."""
    rng = draft.rng
    zones = "__".join(rng.sample(("z0", "z1", "z2", "z3"), rng.randrange(2, 4)))
    if rng.random() < 0.1:
        zones = rng.choice(("", zones.replace("__", "____")))
    labels = {ZONE: zones} if rng.random() < 0.8 else {_REGION: rng.choice(("e0", "e1"))}
    return {_BETA[key]: value for key, value in labels.items()} if rng.random() < 0.3 else labels


def a_volume(draft: Draft, **spec: Object) -> Object:
    name = f"{draft.key}-pv{len(draft.claims)}"
    source = {"driver": draft.rng.choice(DRIVERS), "volumeHandle": name}
    fixed = {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteMany"], "storageClassName": "", "csi": source}
    return {"metadata": {"name": name}, "spec": {**fixed, **spec}}


def give(draft: Draft, pod: Object, volume: Object) -> None:
    """Binds the volume to a claim of its own and puts that into the pod."""
    name = volume["metadata"]["name"]
    namespace = pod["metadata"]["namespace"]
    draft.volumes.append(volume)
    draft.claims.append(a_claim(namespace, name))
    volume["spec"]["claimRef"] = {"namespace": namespace, "name": name}
    use(pod, name)


def _share(draft: Draft, pod: Object) -> None:
    mine = [each["metadata"]["name"] for each in draft.claims if _is_near(each, pod)]
    if mine:
        use(pod, draft.rng.choice(mine))


def _is_near(claim: Object, pod: Object) -> bool:
    return bool(claim["metadata"]["namespace"] == pod["metadata"]["namespace"])


def use(pod: Object, claim: str) -> None:
    volumes = pod["spec"].setdefault("volumes", [])
    volumes.append({"name": f"disk-{len(volumes)}", "persistentVolumeClaim": {"claimName": claim}})


def a_claim(namespace: str, name: str) -> Object:
    """Bound to the volume of its name."""
    spec = {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "1Gi"}}, "storageClassName": ""}
    metadata = {"name": name, "namespace": namespace, "annotations": _BOUND}
    return {"metadata": metadata, "spec": {**spec, "volumeName": name}}
