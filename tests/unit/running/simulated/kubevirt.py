"""virt-controller, virt-handler, kubelet and kube-scheduler of the simulated world: one write a step.

What they write and in which order: kubevirt pkg/virt-controller/watch/migration, pkg/virt-handler/migration-*.go.
"""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import msgspec

from drover.facts import kubevirt as facts
from drover.facts.kubevirt import FINAL, HOSTNAME, UNSTARTED, MigrationState, PhaseTime
from drover.facts.pod import MIGRATION_JOB_UID
from drover.facts.quantity import units
from drover.facts.wire import Condition
from tests.unit.running.simulated.api import Api

BEFORE_HAND_OFF = (*UNSTARTED, "Scheduling", "Scheduled")
FINAL_KEPT = 5
UNSCHEDULABLE_FOR = timedelta(seconds=300)


@dataclass
class KubeVirt:
    """`repels` are pairs of VMI UID and node that the scheduler refuses for a reason nobody models."""

    api: Api
    repels: set[tuple[str, str]] = field(default_factory=set)

    def steps(self, most: int = 1000) -> int:
        """Let everything go on until nothing does, or for so many rounds; returns how many writes that were."""
        done = 0
        for _ in range(most):
            wrote = sum(self.step(vmim) for vmim in self.api.all("vmims"))
            wrote += sum(self.kubelet(pod) for pod in self.api.all("pods"))
            wrote += sum(self.become_ready(vmi) for vmi in self.api.all("vmis"))
            done += wrote
            if not wrote:
                break
        return done

    def step(self, vmim: Any) -> bool:
        """The next write for a migration, if there is one."""
        vmim = self.api.get("vmims", (vmim.metadata.namespace, vmim.name)) or vmim
        vmi = self.api.get("vmis", vmim.vmi_key)
        if vmi is None:
            self.api.remove("vmims", vmim)
            return True
        if vmim.final:
            return self._after(vmim, vmi)
        if vmim.deleting and not vmim.aborted:
            requested = Condition(type="migrationAbortRequested", status="True")
            vmim = self.api.change("vmims", vmim, status__conditions=(requested,))
        ended = self._why_it_fails(vmim, vmi)
        if ended:
            return self._phase(vmim, "Failed")
        if vmim.deleting and vmim.phase == "Running" and vmi.state_of(vmim.uid).end_timestamp is None:
            return self.fails(vmim, vmi, "Live migration has been aborted", abort_status="Succeeded")
        return self._forward(vmim, vmi)

    def _why_it_fails(self, vmim: Any, vmi: Any) -> bool:
        state, target = vmi.state_of(vmim.uid), self._target(vmim)
        if vmi.final or (state is not None and state.failed):
            return True
        if vmim.deleting and vmim.phase in BEFORE_HAND_OFF:
            if target is not None:
                self.api.remove("pods", target)
            return True
        lost = vmim.phase not in UNSTARTED and target is None
        if lost and state is not None and vmi.node != state.target_node:
            self.fails(vmim, vmi, "Target pod is down")
        return lost and (state is None or vmi.node != state.target_node)

    def _forward(self, vmim: Any, vmi: Any) -> bool:
        state, target = vmi.state_of(vmim.uid), self._target(vmim)
        match vmim.phase:
            case "":
                return self._phase(vmim, "Pending")
            case "Pending":
                return self._make_target(vmim, vmi) if target is None else self._phase(vmim, "Scheduling")
            case "Scheduling":
                running = target.status.phase == "Running"
                return self._phase(vmim, "Scheduled") if running else self._schedule(target, vmim, vmi)
            case "Scheduled":
                return self._hand_off(vmim, vmi, target) if state is None else self._phase(vmim, "PreparingTarget")
            case "PreparingTarget":
                return self._phase(vmim, "TargetReady")
            case "TargetReady":
                if state.start_timestamp is None:
                    return self._state(vmi, start_timestamp=self.api.now, mode="PreCopy")
                return self._phase(vmim, "Running")
        return self._finish(vmim, vmi, state)

    def _finish(self, vmim: Any, vmi: Any, state: MigrationState) -> bool:
        if state.end_timestamp is None:
            vmi = self.api.change("vmis", vmi, status__node_name=state.target_node)
            self.ready(vmi, "False")
            return self._state(self.api.get("vmis", vmim.vmi_key), end_timestamp=self.api.now)
        if not state.completed:
            return self._state(vmi, completed=True)
        return self._phase(vmim, "Succeeded")

    def _after(self, vmim: Any, vmi: Any) -> bool:
        """The copy of the state, then the finalizer, then garbage collection."""
        state = vmi.state_of(vmim.uid)
        if state is not None and vmim.status.migration_state is None:
            self.api.change("vmims", vmim, status__migration_state=state)
            return True
        final = [other for other in self.api.all("vmims") if other.vmi_key == vmim.vmi_key and other.final]
        newest = sorted(final, key=lambda other: (other.metadata.creation_timestamp, other.attempt))[-FINAL_KEPT:]
        if vmim.deleting or vmim not in newest:
            self.api.remove("vmims", vmim)
            return True
        return False

    def _phase(self, vmim: Any, phase: str) -> bool:
        times = (
            *vmim.status.phase_transition_timestamps,
            PhaseTime(phase=phase, phase_transition_timestamp=self.api.now),
        )
        self.api.change("vmims", vmim, status__phase=phase, status__phase_transition_timestamps=times)
        return True

    def _state(self, vmi: Any, **fields: Any) -> bool:
        state = msgspec.structs.replace(vmi.status.migration_state, **fields)
        self.api.change("vmis", vmi, status__migration_state=state)
        return True

    def fails(self, vmim: Any, vmi: Any, reason: str, **more: Any) -> bool:
        """The source, or virt-controller for it, writes that the migration failed. Only handed-off ones can."""
        if vmi.state_of(vmim.uid) is None:
            return False
        return self._state(vmi, failed=True, completed=True, end_timestamp=self.api.now, failure_reason=reason, **more)

    def vanishes(self, vmim: Any, *, finished: bool) -> None:
        """Somebody took the finalizer off: the object is gone, the handlers go on without it."""
        vmi = self.api.get("vmis", vmim.vmi_key)
        state, target = vmi.state_of(vmim.uid) if vmi is not None else None, self._target(vmim)
        self.api.remove("vmims", vmim)
        if state is None or state.completed or state.failed:
            return
        if state.end_timestamp is None and (not finished or target is None):
            self.fails(vmim, vmi, "Target pod is down")
        else:
            vmi = self.api.change("vmis", vmi, status__node_name=state.target_node)
            self._state(vmi, end_timestamp=self.api.now, completed=True)

    def _make_target(self, vmim: Any, vmi: Any) -> bool:
        if not vmi.running or len(self.api.pods_of(vmi)) != 1 or not self._slot(vmi):
            return False
        source = self.api.pods_of(vmi)[0]
        pod = self.api.change(
            "pods",
            source,
            metadata__name=f"virt-launcher-{self.api.uid(vmi.metadata.name)}",
            metadata__labels={**source.metadata.labels, MIGRATION_JOB_UID: vmim.uid},
            metadata__creation_timestamp=self.api.now,
            spec__node_name="",
            status__phase="Pending",
        )
        self.api.change("pods", pod, metadata__uid=pod.metadata.name, status__conditions=())
        self.api.put("pods", source)
        return True

    def _slot(self, vmi: Any) -> bool:
        kubevirt: facts.KubeVirt = next(iter(self.api.objects["kubevirts"].values()))
        running = [other for other in self.api.in_flight() if self._target(other) is not None]
        leaving = [other for other in running if self._counts_for(other, vmi.node)]
        return len(running) < kubevirt.cluster_limit and len(leaving) < kubevirt.outbound_limit

    def _counts_for(self, vmim: Any, node: str) -> bool:
        vmi = self.api.get("vmis", vmim.vmi_key)
        state = vmi.status.migration_state if vmi is not None else None
        return bool(vmi is not None and (vmi.node == node or (state is not None and state.source_node == node)))

    def _target(self, vmim: Any) -> Any:
        return next((pod for pod in self.api.all("pods") if pod.migration_uid == vmim.uid), None)

    def _hand_off(self, vmim: Any, vmi: Any, target: Any) -> bool:
        state = MigrationState(migration_uid=vmim.uid, source_node=vmi.node, target_node=target.node)
        self.api.change("vmis", vmi, status__migration_state=state)
        return True

    def _schedule(self, pod: Any, vmim: Any, vmi: Any) -> bool:
        if pod.node:
            self.api.change("pods", pod, status__phase="Running")
            return True
        node = next((n for n in self.api.all("nodes") if self.fits(n, pod, vmi, vmim.pinned_to)), None)
        if node is not None:
            self.api.change("pods", pod, spec__node_name=node.name, status__conditions=())
            return True
        if self.api.now - pod.metadata.creation_timestamp > UNSCHEDULABLE_FOR:
            self.api.remove("pods", pod)
            return True
        no = Condition(type="PodScheduled", status="False", reason="Unschedulable", message="0 nodes are available")
        if pod.status.conditions == (no,):
            return False
        self.api.change("pods", pod, status__conditions=(no,))
        return True

    def fits(self, node: Any, pod: Any, vmi: Any, pinned: str = "") -> bool:
        """The scheduler's filters, as far as this world has what they look at."""
        others = [
            each for each in self.api.all("pods") if each.node == node.name and each.metadata.name != pod.metadata.name
        ]
        asked = sum(each.requests().get("memory", 0) for each in [*others, pod])
        fine: bool = (
            pinned in ("", node.labels[HOSTNAME])
            and not node.cordoned
            and node.ready
            and node.usable_by_kubevirt
            and not any(taint.effect == "NoSchedule" for taint in node.spec.taints)
            and all(each.vmi_uid != vmi.uid for each in others)
            and (vmi.uid, node.name) not in self.repels
            and asked <= units(node.status.allocatable["memory"])
            and len(others) < units(node.status.allocatable["pods"])
        )
        return fine

    def kubelet(self, pod: Any) -> bool:
        """A launcher pod whose guest is elsewhere, or whose migration has failed, ends."""
        vmi = next((each for each in self.api.all("vmis") if each.uid == pod.vmi_uid), None)
        vmims = {vmim.uid: vmim for vmim in self.api.all("vmims")}
        wanted = vmims.get(pod.migration_uid)
        if vmi is None or vmi.final or (pod.node != vmi.node and (wanted is None or wanted.phase in FINAL)):
            self.api.remove("pods", pod)
            return True
        return False

    def become_ready(self, vmi: Any) -> bool:
        if vmi.ready or vmi.final:
            return False
        self.ready(vmi, "True")
        return True

    def ready(self, vmi: Any, status: str) -> None:
        others = tuple(each for each in vmi.status.conditions if each.type != "Ready")
        self.api.change("vmis", vmi, status__conditions=(*others, Condition(type="Ready", status=status)))
