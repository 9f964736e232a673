"""A fleet as the API server would describe it: Nodes, launcher pods as KubeVirt makes them, VMIs, a plan.

Objects are decoded from their JSON form, so that a fact the operator learns to read (volumes, inter-pod affinity) is
read here without a change.
"""

import msgspec

from benchmarks.planning.world import HOST_MODEL, HOSTNAME, MODELS, ZONE, Guest, Host, World
from drover.api.plan import MigrationPlan
from drover.facts.kubevirt import CRD, VMI, KubeVirt
from drover.facts.node import Node
from drover.facts.pod import Pod
from drover.facts.snapshot import Snapshot
from drover.facts.storage import PersistentVolume, PersistentVolumeClaim
from drover.planning.proposal import Goal
from drover.planning.timing.moves import Limits

JSON = dict[str, object]
POOL, WAVE = "example.com/pool", "example.com/wave"
GPU, PAGES = "nvidia.com/GA102GL_A10", "hugepages-1Gi"
MACHINE = "machine-type.node.kubevirt.io/pc-q35-rhel9.6.0"
VENDOR = "cpu-vendor.node.kubevirt.io/Intel"
FEATURES = ("aes", "apic", "arat", "avx", "avx2", "bmi1", "bmi2", "clflush", "fma", "invpcid", "pcid", "rdtscp", "vmx")
DEVICES = ("kvm", "tun", "vhost-net")
SYSTEM_MEMORY = 512
"""MiB that each daemon set's pod asks for."""
LIMITS = Limits(50, 2, 2)
"""Migrations at once: in all, out of a node, into a node."""
DAEMON_SETS = ("virt-handler", "network")


def a_snapshot(world: World) -> Snapshot:
    """The fleet."""
    guests, hosts = world.guests, world.hosts
    pods = [_pod(world, guest) for guest in guests]
    pods += [_daemon(name, host) for host in hosts for name in DAEMON_SETS]
    kubevirt = {"metadata": {"name": "kubevirt", "namespace": "kubevirt"}, "status": {"phase": "Deployed"}}
    crd = {"metadata": {"name": "virtualmachineinstancemigrations.kubevirt.io"}}
    return Snapshot(
        nodes={("", host.name): _node(host) for host in hosts},
        pods={(pod.metadata.namespace, pod.metadata.name): pod for pod in pods},
        vmis={(guest.namespace, guest.name): _vmi(world, guest) for guest in guests},
        kubevirts={("kubevirt", "kubevirt"): msgspec.convert(kubevirt, type=KubeVirt)},
        crds={("", "migrations"): msgspec.convert(crd, type=CRD)},
        pvcs={(guest.namespace, guest.name): _claim(guest) for guest in guests if guest.volume},
        pvs={("", f"pv-{guest.name}"): _volume(world, guest) for guest in guests if guest.volume},
    )


def a_goal(world: World, snapshot: Snapshot, *, may_move: bool = False) -> Goal:
    """To empty the hosts of the wave; `may_move`: others may be moved first."""
    nodes = {"selector": {"matchLabels": {WAVE: "1"}}}
    evacuate = {"nodes": nodes, "maxNodes": max(1, world.size.emptied)}
    spec = {"evacuate": evacuate, "makeRoom": "Move" if may_move else "Suggest"}
    plan = MigrationPlan.model_validate({"metadata": {"name": "wave", "uid": "wave"}, "spec": spec})
    sources = frozenset(host.name for host in world.hosts if host.emptied)
    vmis = tuple(vmi for vmi in snapshot.vmis.values() if vmi.node in sources)
    return Goal(plan, sources, vmis, limits=LIMITS)


def _claim(guest: Guest) -> PersistentVolumeClaim:
    spec = {"volumeName": f"pv-{guest.name}", "accessModes": ["ReadWriteMany"]}
    bound = {"pv.kubernetes.io/bind-completed": "yes"}
    claim = {"metadata": {"name": guest.name, "namespace": guest.namespace, "annotations": bound}, "spec": spec}
    return msgspec.convert(claim, type=PersistentVolumeClaim)


def _volume(world: World, guest: Guest) -> PersistentVolume:
    """Its data is in one zone only."""
    term = {"matchExpressions": [{"key": ZONE, "operator": "In", "values": [f"zone-{world.zone[guest.home]}"]}]}
    spec = {"nodeAffinity": {"required": {"nodeSelectorTerms": [term]}}}
    return msgspec.convert({"metadata": {"name": f"pv-{guest.name}"}, "spec": spec}, type=PersistentVolume)


def _node(host: Host) -> Node:
    labels = {HOSTNAME: host.name, "kubernetes.io/arch": "amd64", ZONE: f"zone-{host.zone}"}
    labels |= {"kubevirt.io/schedulable": "true", MACHINE: "true", VENDOR: "true"}
    labels |= {f"cpu-model.node.kubevirt.io/{model}": "true" for model in MODELS[: host.generation + 1]}
    labels |= {f"cpu-model-migration.node.kubevirt.io/{model}": "true" for model in MODELS[: host.generation + 1]}
    labels |= {f"cpu-feature.node.kubevirt.io/{feature}": "true" for feature in FEATURES}
    labels[f"host-model-cpu.node.kubevirt.io/{MODELS[host.generation]}"] = "true"
    labels |= {POOL: host.pool} if host.pool else {}
    labels |= {WAVE: "1"} if host.emptied else {}
    taints = [{"key": POOL, "value": host.pool, "effect": "NoSchedule"}] if host.pool else []
    memory = host.memory + len(DAEMON_SETS) * SYSTEM_MEMORY
    amounts = {"cpu": str(64 * (1 + host.generation)), "memory": f"{memory}Mi", "pods": "250"}
    amounts |= {f"devices.kubevirt.io/{device}": "1k" for device in DEVICES}
    amounts |= {GPU: str(host.gpus)} if host.gpus else {}
    amounts |= {PAGES: f"{host.pages}Gi"} if host.pages else {}
    status = {"allocatable": amounts, "conditions": [{"type": "Ready", "status": "True"}]}
    metadata = {"name": host.name, "uid": host.name, "labels": labels}
    return msgspec.convert({"metadata": metadata, "spec": {"taints": taints}, "status": status}, type=Node)


def _vmi(world: World, guest: Guest) -> VMI:
    model = "host-model" if guest.model == HOST_MODEL else MODELS[guest.model]
    domain = {"cpu": {"model": model}, "memory": {"guest": f"{guest.memory}Mi"}}
    conditions = [{"type": kind, "status": "True"} for kind in ("Ready", "LiveMigratable")]
    machine = {"type": MACHINE.split("/")[1]}
    status = {"phase": "Running", "nodeName": world.hosts[guest.at].name, "conditions": conditions, "machine": machine}
    metadata = {"name": guest.name, "namespace": guest.namespace, "uid": guest.name}
    spec = {"domain": domain, "nodeSelector": _asked(world, guest)}
    return msgspec.convert({"metadata": metadata, "spec": spec, "status": status}, type=VMI)


def _asked(world: World, guest: Guest) -> dict[str, str]:
    """The VM's own node selector."""
    pool = world.hosts[guest.home].pool
    selector = {POOL: pool} if pool else {}
    return selector | ({ZONE: f"zone-{guest.zones[0]}"} if guest.by == "selector" else {})


def _pod(world: World, guest: Guest) -> Pod:
    owner = {"kind": "VirtualMachineInstance", "name": guest.name, "uid": guest.name, "controller": True}
    labels = {"kubevirt.io": "virt-launcher", "kubevirt.io/created-by": guest.name}
    labels |= {"app": guest.group.name} if guest.group is not None else {}
    name = f"virt-launcher-{guest.name}-x"
    annotations = {
        "kubevirt.io/memory-overhead-bytes": str(guest.overhead << 20),
        "kubevirt.io/domain": guest.name,
    }
    metadata: JSON = {"name": name, "namespace": guest.namespace, "uid": f"p-{guest.name}", "labels": labels}
    metadata |= {"annotations": annotations, "ownerReferences": [owner]}
    spec = _pod_spec(world, guest)
    return msgspec.convert({"metadata": metadata, "spec": spec, "status": {"phase": "Running"}}, type=Pod)


def _pod_spec(world: World, guest: Guest) -> JSON:
    selector = {"kubevirt.io/schedulable": "true", "kubernetes.io/arch": "amd64", MACHINE: "true"}
    if guest.model != HOST_MODEL:
        selector[f"cpu-model.node.kubevirt.io/{MODELS[guest.model]}"] = "true"
    pool = world.hosts[guest.home].pool
    tolerations = [{"key": POOL, "operator": "Equal", "value": pool, "effect": "NoSchedule"}] if pool else []
    spec: JSON = {
        "nodeName": world.hosts[guest.at].name,
        "nodeSelector": {**selector, **_asked(world, guest)},
        "tolerations": tolerations,
        "containers": [{"name": "compute", "resources": {"requests": _requests(guest)}}],
        "affinity": _affinity(guest),
    }
    if guest.volume:
        spec["volumes"] = [{"name": "root", "persistentVolumeClaim": {"claimName": guest.name}}]
    if guest.group is not None and guest.group.rule == "spread":
        spread = {"topologyKey": guest.group.key, "maxSkew": 1, "whenUnsatisfiable": "DoNotSchedule"}
        spec["topologySpreadConstraints"] = [{**spread, "labelSelector": {"matchLabels": {"app": guest.group.name}}}]
    return spec


def _requests(guest: Guest) -> dict[str, str]:
    """Thousandths of a core by KubeVirt's cpuAllocationRatio of 10, memory with overhead, devices."""
    requests = {"cpu": f"{guest.cores * 100}m", "memory": f"{guest.ordinary}Mi"}
    requests |= {f"devices.kubevirt.io/{device}": "1" for device in DEVICES}
    requests |= {PAGES: f"{guest.pages}Gi"} if guest.huge else {}
    return requests | ({GPU: str(guest.gpus)} if guest.gpus else {})


def _affinity(guest: Guest) -> JSON:
    result: JSON = {}
    required = "requiredDuringSchedulingIgnoredDuringExecution"
    if guest.by == "affinity":
        zones = {"key": ZONE, "operator": "In", "values": [f"zone-{zone}" for zone in guest.zones]}
        result["nodeAffinity"] = {required: {"nodeSelectorTerms": [{"matchExpressions": [zones]}]}}
    if guest.group is not None and guest.group.rule != "spread":
        kind = "podAntiAffinity" if guest.group.rule == "apart" else "podAffinity"
        term = {"labelSelector": {"matchLabels": {"app": guest.group.name}}, "topologyKey": guest.group.key}
        result[kind] = {required: [term]}
    return result


def _daemon(name: str, host: Host) -> Pod:
    requests = {"cpu": "10m", "memory": f"{SYSTEM_MEMORY}Mi"}
    metadata = {"name": f"{name}-{host.name}", "namespace": "system", "uid": f"{name}-{host.name}"}
    containers = [{"name": name, "resources": {"requests": requests}}]
    spec = {"nodeName": host.name, "containers": containers, "tolerations": [{"operator": "Exists"}]}
    return msgspec.convert({"metadata": metadata, "spec": spec, "status": {"phase": "Running"}}, type=Pod)
