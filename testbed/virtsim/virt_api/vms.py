"""Admission of VirtualMachines, as far as one is simulated (admitters/vms-admitter.go, mutators/vm-mutator.go)."""

from collections.abc import Iterable

from virtsim.objects import gates, keys
from virtsim.objects.resources import Object
from virtsim.versions import Version
from virtsim.virt_api.review import Cause, Denial, Request, denied_for, invalid
from virtsim.virt_api.vmis import reserved_labels

RUN_STRATEGIES = ("Always", "RerunOnFailure", "Once", "Manual", "Halted")
WAIT_AS_RECEIVER = "WaitAsReceiver"


def admit(request: Request, kubevirts: Iterable[Object], version: Version) -> Denial | None:
    """Why this VM may be neither created nor changed so, or None. Who is on the way out is left alone."""
    spec = request.new.get("spec") or {}
    if request.new["metadata"].get("deletionTimestamp"):
        return None
    template = spec.get("template")
    if template is None:
        return invalid("FieldValueRequired", "missing virtual machine template.", "spec.template")
    labels = reserved_labels(template.get("metadata") or {}, "spec.template.metadata.labels", request)
    return denied_for([*labels, *run_strategy(spec, kubevirts, version)])


def run_strategy(spec: Object, kubevirts: Iterable[Object], version: Version) -> list[Cause]:
    """What is wrong with when the VM is to run."""
    running, strategy = spec.get("running"), spec.get("runStrategy")
    causes = []
    if running is not None and strategy is not None:
        message = (
            "Running and RunStrategy are mutually exclusive. Note that Running is deprecated, please use RunStrategy "
            "instead"
        )
        causes.append(Cause("FieldValueInvalid", message, "spec.running"))
    if running is None and strategy is None:
        causes.append(Cause("FieldValueInvalid", "RunStrategy must be specified", "spec.running"))
    if strategy == WAIT_AS_RECEIVER:
        if not gates.is_open(gates.DECENTRALIZED_LIVE_MIGRATION, kubevirts, version):
            gate = gates.DECENTRALIZED_LIVE_MIGRATION
            message = f"Invalid RunStrategy ({strategy}), {gate} feature gate is not enabled in kubevirt resource"
            causes.append(Cause("FieldValueInvalid", message, "spec.runStrategy"))
    elif strategy is not None and strategy not in RUN_STRATEGIES:
        causes.append(Cause("FieldValueInvalid", f"Invalid RunStrategy ({strategy})", "spec.runStrategy"))
    return causes


def mutation(request: Request, configuration: Object) -> list[Object]:
    """Architecture and machine type of the template; on creation also how its PCI devices are laid out."""
    template = (request.new.get("spec") or {}).get("template")
    if template is None or request.new["metadata"].get("deletionTimestamp"):
        return []
    spec, metadata = template.get("spec") or {}, template.get("metadata") or {}
    domain = spec.get("domain") or {}
    machine = domain.get("machine") or {}
    default = ((configuration.get("architectureConfiguration") or {}).get("amd64") or {}).get("machineType") or "q35"
    filled = {
        **spec,
        "architecture": spec.get("architecture") or "amd64",
        "domain": {**domain, "machine": {**machine, "type": machine.get("type") or default}},
    }
    if not request.old:
        annotations = {keys.PCI_TOPOLOGY: "v3", **(metadata.get("annotations") or {})}
        metadata = {**metadata, "annotations": annotations}
    wanted = {**template, "spec": filled, **({"metadata": metadata} if metadata else {})}
    return [] if wanted == template else [{"op": "add", "path": "/spec/template", "value": wanted}]
