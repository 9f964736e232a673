"""A simulated fleet, Drover beside it, and its user: what a test does, waits for and looks at."""

import asyncio
from collections.abc import Awaitable, Callable
from subprocess import CompletedProcess
from typing import Any

import yaml

from controlplane.cluster import Cluster
from tests.e2e.audit import Audit
from tests.e2e.operating import Operator
from tests.e2e.recorder import MAINTENANCES, OURS, PLANS, REPORTS, Recorder
from virtsim.cluster.client import MERGE_PATCH, Client
from virtsim.identities import CONTROLLER
from virtsim.objects import keys
from virtsim.objects.migrations import is_final
from virtsim.objects.resources import EVENTS, KUBEVIRTS, NODES, PODS, VMIMS, VMIS, Object, Resource
from virtsim.simulator import Simulator
from virtsim.virt_api.vmis import RESERVED_LABELS

WITHIN_SECONDS = 30.0


class Scene:
    """`user` is an administrator who is neither KubeVirt nor Drover."""

    simulate: Callable[[], Awaitable[Simulator]]
    """Starts KubeVirt and brings the fleet in, where that was not done."""

    def __init__(self, cluster: Cluster, namespace: str, user: Client, recorder: Recorder, operator: Operator) -> None:
        self.cluster = cluster
        self.namespace = namespace
        self.user = user
        self.recorder = recorder
        self.operator = operator
        self.audit = Audit(cluster.audit_log)
        self.since = operator.logged()
        """Where in the operator's log the scene begins."""

    async def maintain(self, node: str, **spec: Any) -> Object:
        """Creates a NodeMaintenance."""
        body = {"kind": "NodeMaintenance", "metadata": {"name": node}, "spec": {"nodeName": node, **spec}}
        return await self.user.create(MAINTENANCES, {"apiVersion": "drover.dev/v1alpha1", **body})

    async def plan(self, name: str, **spec: Any) -> Object:
        """Creates a MigrationPlan."""
        body = {"kind": "MigrationPlan", "metadata": {"name": name}, "spec": spec}
        return await self.user.create(PLANS, {"apiVersion": "drover.dev/v1alpha1", **body})

    async def patch(self, resource: Resource, name: str, **body: Any) -> Object:
        """Merges into an object of the scene: `spec={...}`, `metadata={...}`."""
        return await self.user.patch(resource, self._space(resource), name, body, MERGE_PATCH)

    async def remove(self, resource: Resource, name: str, **options: Any) -> None:
        """Asks for its deletion."""
        await self.user.delete(resource, self._space(resource), name, **options)

    async def update_spec(self, vm: str, **spec: Any) -> Object:
        """Changes a running VM's spec, as virt-controller does when its VirtualMachine is changed (LiveUpdate)."""
        kubevirt = self.user.acting_as(CONTROLLER)
        return await kubevirt.patch(VMIS, self.namespace, vm, {"spec": spec}, MERGE_PATCH)

    async def annotate(self, vm: str, **annotations: Any) -> None:
        """Sets (or with None removes) annotations virtsim.drover.dev/<name with dashes> of a VMI."""
        texts = {name: None if value is None else str(value) for name, value in annotations.items()}
        named = {f"{keys.OWN_PREFIX}{name.replace('_', '-')}": text for name, text in texts.items()}
        await self.patch(VMIS, vm, metadata={"annotations": named})

    async def cordon(self, node: str, wanted: bool = True) -> None:
        await self.patch(NODES, node, spec={"unschedulable": wanted or None})

    async def limit(self, total: int, per_source: int) -> None:
        """Sets KubeVirt's own limits."""
        limits = {"parallelMigrationsPerCluster": total, "parallelOutboundMigrationsPerNode": per_source}
        spec = {"configuration": {"migrations": limits}}
        await self.user.patch(KUBEVIRTS, keys.NAMESPACE, "kubevirt", {"spec": spec}, MERGE_PATCH)

    async def start_again(self, vm: str, on: str, name: str = "") -> None:
        """Stops a VM and starts it anew, perhaps under another name, on a node, cordoned or not."""
        old, name = self.get(VMIS, vm), name or vm
        await self.remove(VMIS, vm)
        await self.gone(VMIS, vm)
        labels = {
            key: value for key, value in (old["metadata"].get("labels") or {}).items() if key not in RESERVED_LABELS
        }
        kept = {"namespace": self.namespace, "labels": labels}
        annotations = {**old["metadata"]["annotations"], keys.START_ON: on}
        body = {"metadata": {**kept, "name": name, "annotations": annotations}, "spec": old["spec"]}
        await self.user.create(VMIS, {"apiVersion": old["apiVersion"], "kind": old["kind"], **body})
        await self.when(VMIS, name, lambda vmi: vmi.get("status", {}).get("phase") == "Running")

    async def kubectl(self, *args: str, input: str | None = None, check: bool = True) -> CompletedProcess[str]:  # noqa: A002 - as the cluster's
        """Runs kubectl as the administrator, while everything else goes on. Raises CommandFailed if it fails."""
        return await asyncio.to_thread(self.cluster.kubectl, *args, input=input, check=check)

    def find(self, resource: Resource, name: str) -> Object | None:
        """An object as it is now."""
        return self.recorder.state[resource].get((self._space(resource), name))

    def get(self, resource: Resource, name: str) -> Object:
        """An object that must be there."""
        found = self.find(resource, name)
        assert found is not None, f"there is no {resource.plural}/{name}"
        return found

    def all(self, resource: Resource) -> list[Object]:
        return list(self.recorder.state[resource].values())

    async def when(
        self, resource: Resource, name: str, so: Callable[[Object], Any], within: float = WITHIN_SECONDS
    ) -> Object:
        """The object as soon as something holds of it."""

        def holds() -> Object | None:
            found = self.find(resource, name)
            return found if found is not None and so(found) else None

        try:
            return await self.recorder.until(holds, within)
        except TimeoutError:
            found = self.find(resource, name)
            state = yaml_of(found) if found is not None else "not there"
            raise AssertionError(f"{resource.plural}/{name} is, after {within} s:\n{state}") from None

    async def phase(self, resource: Resource, name: str, *phases: str, within: float = WITHIN_SECONDS) -> Object:
        """A plan or a maintenance whose status is about its newest spec, once it is in one of the phases."""

        def so(thing: Object) -> bool:
            status = thing.get("status") or {}
            fresh = status.get("observedGeneration") == thing["metadata"]["generation"]
            return fresh and status.get("phase") in phases

        return await self.when(resource, name, so, within)

    async def gone(self, resource: Resource, name: str, within: float = WITHIN_SECONDS) -> None:
        try:
            await self.recorder.until(lambda: self.find(resource, name) is None, within)
        except TimeoutError:
            raise AssertionError(f"still there:\n{yaml_of(self.get(resource, name))}") from None

    async def eventually(self, so: Callable[[], Any], what: str, within: float = WITHIN_SECONDS) -> None:
        """Waits for a condition over several objects."""
        try:
            await self.recorder.until(lambda: bool(so()), within)
        except TimeoutError:
            raise AssertionError(f"not within {within} s: {what}") from None

    def vms_on(self, node: str) -> list[str]:
        """The names of the scene's VMs whose guest is on a node."""
        return sorted(
            vmi["metadata"]["name"] for vmi in self.all(VMIS) if vmi.get("status", {}).get("nodeName") == node
        )

    def node_of(self, vm: str) -> str:
        node: str = self.get(VMIS, vm)["status"].get("nodeName", "")
        return node

    def pods_on(self, node: str) -> list[str]:
        """Launcher pods on a node that have not ended."""
        alive = [pod for pod in self.all(PODS) if pod.get("status", {}).get("phase") in ("Pending", "Running")]
        return sorted(pod["metadata"]["name"] for pod in alive if pod["spec"].get("nodeName") == node)

    def flying(self, vm: str | None = None) -> list[Object]:
        """Migrations that have not ended, of one VM or of all."""
        return [m for m in self.all(VMIMS) if not is_final(m) and vm in (None, m["spec"]["vmiName"])]

    def records(self, plan: Object) -> dict[str, Object]:
        """What the MigrationReports say of a plan's VMs, by the VM's name."""
        uid = plan["metadata"]["uid"]
        mine = [report for report in self.all(REPORTS) if report["spec"]["plan"]["uid"] == uid]
        return {record["name"]: record for report in mine for record in report.get("status", {}).get("records", [])}

    async def events(self, about: Object, namespace: str = "default") -> list[tuple[str, str, str]]:
        """The Events (type, reason, message) that Drover wrote about an object."""
        uid = about["metadata"]["uid"]
        listed = await self.user.list(EVENTS, namespace, fieldSelector=f"involvedObject.uid={uid}")
        mine = [each for each in listed["items"] if each.get("reportingComponent") == "drover"]
        return [(each["type"], each["reason"], each["message"]) for each in mine]

    def describe(self) -> str:
        """All there is to know when a test failed."""
        things = [yaml_of(each) for resource in (*OURS, VMIMS) for each in self.all(resource)]
        return "\n".join([*things, "the operator's last words:", self.operator.last_lines()])

    def _space(self, resource: Resource) -> str:
        return self.namespace if resource.namespaced else ""


def yaml_of(thing: Object) -> str:
    metadata = {key: value for key, value in thing["metadata"].items() if key != "managedFields"}
    return yaml.safe_dump({**thing, "metadata": metadata}, width=200)


def condition(thing: Object, kind: str) -> tuple[str, str]:
    """The status and the reason of a condition; two empty texts if it has none of the kind."""
    for each in thing.get("status", {}).get("conditions", []):
        if each["type"] == kind:
            return each["status"], each["reason"]
    return "", ""


def findings(thing: Object) -> dict[str, Object]:
    """The findings of a plan or a maintenance by reason."""
    return {each["reason"]: each for each in thing.get("status", {}).get("findings", [])}


def vm(plan: Object, name: str) -> Object:
    """What a plan's status says of one VM."""
    (entry,) = (each for each in plan["status"]["virtualMachines"] if each["name"] == name)
    found: Object = entry
    return found
