"""The pod beside the target pod, which holds the hotplugged volumes of a VM.

Rules: kubevirt pkg/virt-controller/services/template.go (RenderHotplugAttachmentPodTemplate), renderresources.go
(hotplugContainerResourceRequirementsForVMI) and watch/migration/migration.go (createAttachmentPod).
"""

from drover.facts.domain import Requests
from drover.facts.kubevirt import ATTACHMENT, VMI, KubeVirt
from drover.facts.pod import Pod, PodMetadata
from drover.facts.podspec import Container, PodSpec, ResourceRequirements
from drover.facts.quantity import exact
from drover.planning.demand.rendering import as_target

_REQUESTS = {"cpu": "10m", "memory": "2M"}
_LIMITS = {"cpu": "100m", "memory": "80M"}


def migration_pods(vmi: VMI, pod: Pod, kubevirt: KubeVirt | None) -> tuple[Pod, ...]:
    """All that a migration makes."""
    beside = attachment(vmi, kubevirt)
    return (as_target(vmi, pod, kubevirt), *((beside,) if beside is not None else ()))


def attachment(vmi: VMI, kubevirt: KubeVirt | None) -> Pod | None:
    """The second pod on the target, which holds hotplugged volumes; None if the VM has none. KubeVirt makes it once the
    target pod runs, and waits for it; the scheduler has to find room for it on that very node."""
    if not vmi.has_hotplugged_volumes:
        return None
    given = kubevirt.support_container(ATTACHMENT) if kubevirt is not None else Requests()
    resources = ResourceRequirements(requests=_REQUESTS | _set(given.requests), limits=_LIMITS | _set(given.limits))
    spec = PodSpec(containers=(Container(name=ATTACHMENT, resources=resources),))
    metadata = PodMetadata(name=f"{ATTACHMENT} of {vmi.metadata.name}", namespace=vmi.metadata.namespace)
    return Pod(metadata=metadata, spec=spec)


def _set(amounts: dict[str, str | int]) -> dict[str, str]:
    """Of CPU and memory, what is not zero: nothing else is taken from the configuration."""
    return {name: str(amounts[name]) for name in ("cpu", "memory") if amounts.get(name) and exact(amounts[name])}
