"""The nodeSelector of launcher pods (services/nodeselectorrenderer.go and migration.go)."""

from typing import Any

from virtsim.objects import keys
from virtsim.objects.pods import labels_of
from virtsim.objects.resources import Object

HOST_MODEL = "host-model"
HOST_PASSTHROUGH = "host-passthrough"


class NoHostModelError(Exception):
    """The source node carries no host-model label: no target pod can be rendered for a host-model VM."""


def launcher_selector(vmi: Object, cluster_selectors: dict[str, str]) -> dict[str, str]:
    """What every launcher pod of this VMI selects."""
    spec = vmi["spec"]
    cpu = spec["domain"].get("cpu") or {}
    # The type the domain really got (status) is narrower than the one that was asked for.
    machine = ((vmi.get("status") or {}).get("machine") or spec["domain"].get("machine") or {}).get("type")
    return {
        keys.SCHEDULABLE: "true",
        keys.ARCH: spec.get("architecture", "amd64"),
        **cluster_selectors,
        **(spec.get("nodeSelector") or {}),
        **_model(cpu),
        **({f"{keys.MACHINE_TYPE}{machine}": "true"} if machine else {}),
        **({"kubevirt.io/cpumanager": "true"} if cpu.get("dedicatedCpuPlacement") else {}),
    }


def target_selector(
    vmi: Object, source_pod: Object, source_node: Object, added: dict[str, str], cluster_selectors: dict[str, str]
) -> dict[str, str]:
    """What the target pod selects: `added` lies under the VM's own, so it can only narrow.

    Raises NoHostModelError.
    """
    own = {**launcher_selector(vmi, cluster_selectors), **_host_model(vmi, source_pod, source_node)}
    return {**added, **own, **_vendor({**added, **own}, source_node)}


def forbids_obsolete_models(vmi: Object) -> bool:
    """Whether the pod keeps away from nodes whose host model is obsolete."""
    model: str = (vmi["spec"]["domain"].get("cpu") or {}).get("model", HOST_MODEL)
    return model == HOST_MODEL


def wanted_host_model(vmi: Object, pod: Object) -> dict[str, str] | None:
    """What the pod of a host-model VM asks of a node's CPU, or None for other VMs."""
    if (vmi["spec"]["domain"].get("cpu") or {}).get("model") != HOST_MODEL:
        return None
    selector: dict[str, str] = pod["spec"].get("nodeSelector") or {}
    return {
        key: value for key, value in selector.items() if key.startswith((keys.CPU_MODEL_MIGRATION, keys.CPU_FEATURE))
    }


def _model(cpu: dict[str, Any]) -> dict[str, str]:
    model = cpu.get("model", HOST_MODEL)
    named = {} if model in (HOST_MODEL, HOST_PASSTHROUGH) else {f"{keys.CPU_MODEL}{model}": "true"}
    features = [entry["name"] for entry in cpu.get("features") or () if entry.get("policy", "") in ("", "require")]
    return {**named, **{f"{keys.CPU_FEATURE}{name}": "true" for name in features}}


def _host_model(vmi: Object, source_pod: Object, source_node: Object) -> dict[str, str]:
    """The first node decides for the VM's life: a source pod that was a target itself hands its selectors on."""
    if (vmi["spec"]["domain"].get("cpu") or {}).get("model", HOST_MODEL) != HOST_MODEL:
        return {}
    inherited = {
        key: value
        for key, value in (source_pod["spec"].get("nodeSelector") or {}).items()
        if key.startswith((keys.CPU_MODEL_MIGRATION, keys.CPU_FEATURE))
    }
    if inherited:
        return inherited  # also where it only asks for a feature by itself
    models = _suffixes(source_node, keys.HOST_MODEL)
    if not models:
        raise NoHostModelError(f"node {source_node['metadata']['name']} has no label {keys.HOST_MODEL}*")
    features = _suffixes(source_node, keys.HOST_MODEL_FEATURES)
    return {
        f"{keys.CPU_MODEL_MIGRATION}{models[0]}": "true",
        **{f"{keys.CPU_FEATURE}{feature}": "true" for feature in features},
    }


def _vendor(selector: dict[str, str], source_node: Object) -> dict[str, str]:
    if any(key.startswith(keys.CPU_VENDOR) for key in selector):
        return {}
    return {f"{keys.CPU_VENDOR}{vendor}": "true" for vendor in _suffixes(source_node, keys.CPU_VENDOR)[:1]}


def _suffixes(node: Object, prefix: str) -> list[str]:
    return sorted(key.removeprefix(prefix) for key in labels_of(node) if key.startswith(prefix))
