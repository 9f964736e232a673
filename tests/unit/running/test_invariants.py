"""The ten rules against random clusters, random faults and random users: no server, no clock, nothing but the core.

A small world (`simulated`) is driven by random steps; after each the rules are checked, and at the end, when nothing
goes wrong any more, everything has to come to rest where the goals say. To look longer, whatever the profile:
DROVER_EXAMPLES=3000 and DROVER_STEPS=100 in the environment.
"""

import os
from collections import Counter
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from drover.api.plan import Run
from drover.api.reasons import Outcome, PlanPhase, WaitReason
from drover.api.shared import Limits
from drover.facts.node import before
from drover.facts.quantity import units
from drover.facts.wire import Condition
from drover.running.actions import Cordon, Decision, StartMigration, Uncordon
from drover.running.decide import decide
from tests.builders import (
    NAMESPACE,
    Ours,
    a_crd,
    a_kubevirt,
    a_maintenance,
    a_node,
    a_plan,
    a_vmi,
    a_vmim,
)
from tests.examples import examples
from tests.unit.running.simulated.api import RESOURCES, Api
from tests.unit.running.simulated.kubevirt import KubeVirt
from tests.unit.running.simulated.operator import Operator

PICK = st.integers(0, 11)
ENDED = (Outcome.DONE, Outcome.SUCCEEDED, Outcome.VERIFICATION_FAILED)
UNENDED = (Outcome.CANCELLING, Outcome.REJECTING)


class World(RuleBasedStateMachine):
    """A fleet, KubeVirt, users, and an operator that may be killed at any moment."""

    @initialize(
        nodes=st.integers(2, 5),
        sizes=st.lists(st.sampled_from((2, 4, 8, 24)), min_size=1, max_size=6),
        room=st.sampled_from((12, 32, 64)),
        cluster=st.integers(1, 4),
        outbound=st.integers(1, 2),
        tight=st.booleans(),
    )
    def build(self, nodes: int, sizes: list[int], room: int, cluster: int, outbound: int, tight: bool) -> None:
        """`tight`: the first VM fits on another node only if somebody makes room."""
        if tight:
            nodes, sizes, room = max(3, nodes), [8, *(4 for _ in range(max(2, nodes - 1)))], 12
        self.api = Api()
        self.kubevirt = KubeVirt(self.api)
        self.names = 0
        self.room = room
        self.truth: dict[str, Any] = {}
        self.seen: dict[str, str] = {}
        self.excused: set[str] = set()
        self.was: dict[str, bool] = {}
        self.last: Decision | None = None
        self.api.create("kubevirts", a_kubevirt().limits(cluster, outbound))
        self.api.put("crds", a_crd())
        for n in range(nodes):
            self.api.create("nodes", a_node(f"n{n + 1}").memory(f"{room}Gi"))
        for n, size in enumerate(sizes):
            self.add_vm(n, size)
        self.restart()

    # What the operator does.

    def restart(self) -> None:
        """Kill it, and start the next one."""
        self.operator = Operator(self.api)
        self.operator.check_start = self.check_start  # type: ignore[method-assign]  # the hook is there for this
        self.operator.check_cordon = self.check_cordon  # type: ignore[method-assign]
        self.operator.check_uncordon = self.check_uncordon  # type: ignore[method-assign]
        self.operator.check_released = self.check_released  # type: ignore[method-assign]

    @rule()
    def good_round(self) -> None:
        self.operator.catch_up()
        self.operator.stale.clear()
        self.operator.propose()
        self.go()

    @rule(most=st.integers(1, 3), seconds=st.sampled_from((1, 20)))
    def rounds(self, most: int, seconds: int) -> None:
        """A while in which all goes well."""
        for _ in range(3):
            self.kubevirt.steps(most)
            self.api.tick(seconds)
            self.good_round()

    @rule(behind=st.sets(st.sampled_from(RESOURCES)), relisted=st.booleans(), fresh=st.booleans())
    def lagging_round(self, behind: set[str], relisted: bool, fresh: bool) -> None:
        """Some watches are ahead of others, and the proposals may be old."""
        self.operator.catch_up([each for each in RESOURCES if each not in behind], relisted=relisted)
        if fresh:
            self.operator.propose()
        self.go()

    @rule(done=st.integers(0, 3))
    def killed_round(self, done: int) -> None:
        """The process dies after so many writes."""
        self.operator.catch_up()
        self.operator.propose()
        decision = self.decided()
        self.operator.perform(decision.actions[:done])
        self.excuse_the_lost()
        self.restart()

    @rule(pick=PICK)
    def refused_round(self, pick: int) -> None:
        """One of the writes is refused."""
        self.operator.catch_up()
        self.operator.propose()
        decision = self.decided()
        for n, action in enumerate(decision.actions):
            if n == pick % len(decision.actions):
                self.operator.refuse(action)
            else:
                self.operator.attempt(action)
        self.operator.report(decision)

    @rule(resource=st.sampled_from(("nodes", "pods", "vmis", "vmims")))
    def stale_round(self, resource: str) -> None:
        self.operator.stale.add(resource)
        self.go()
        self.operator.stale.clear()

    @rule(pick=PICK)
    def finalizer_is_taken_off(self, pick: int) -> None:
        """A migration of anybody's vanishes."""
        vmim = self.pick(list(self.api.in_flight()), pick)
        if vmim is not None:
            self.kubevirt.vanishes(vmim, finished=pick % 2 == 0)

    def decided(self) -> Decision:
        """A decision that keeps the rules that can be seen in it."""
        snapshot = self.operator.snapshot()
        decision = decide(snapshot, self.operator.proposals, self.api.now)
        self.check_decision(decision)
        known = [*snapshot.vmims.values(), *snapshot.gone.values()]
        self.seen |= {vmim.uid: vmim.phase for vmim in known if vmim.plan_uid}
        return decision

    def go(self) -> bool:
        """One round; whether anything was written."""
        decision = self.decided()
        done = self.operator.perform(decision.actions)
        self.last = decision
        return bool(self.operator.report(decision)) or bool(done)

    def excuse_the_lost(self) -> None:
        """A migration that vanished is known to nobody but the process that saw it."""
        self.excused |= {uid for uid in self.truth if uid not in self.recorded() and not self.is_there(uid)}

    def is_there(self, uid: str) -> bool:
        return any(vmim.uid == uid for vmim in self.api.all("vmims"))

    # What the world does.

    @rule(pick=PICK)
    def a_step(self, pick: int) -> None:
        vmim = self.pick(self.api.all("vmims"), pick)
        if vmim is not None:
            self.kubevirt.step(vmim)

    @rule(most=st.integers(1, 12))
    def steps(self, most: int) -> None:
        self.kubevirt.steps(most)

    @rule(seconds=st.sampled_from((1, 4, 30, 130, 800)))
    def time_passes(self, seconds: int) -> None:
        self.api.tick(seconds)

    @rule(pick=PICK, reason=st.sampled_from(("", "virError(Code=1)")), seen=st.booleans())
    def a_migration_fails(self, pick: int, reason: str, seen: bool) -> None:
        """Its memory does not come over. KubeVirt may say why later, or never."""
        vmim = self.pick(list(self.api.in_flight()), pick)
        for _ in range(9):
            if vmim is not None and vmim.phase != "Running":
                self.kubevirt.step(vmim)
                vmim = self.api.get("vmims", (vmim.metadata.namespace, vmim.name))
        vmi = self.api.get("vmis", vmim.vmi_key) if vmim is not None else None
        state = vmi.state_of(vmim.uid) if vmi is not None else None
        if state is not None and state.end_timestamp is None:
            self.kubevirt.fails(vmim, vmi, reason)
            if seen:
                self.good_round()

    @rule(pick=PICK)
    def a_target_pod_dies(self, pick: int) -> None:
        in_flight = {vmim.uid: vmim for vmim in self.api.in_flight()}
        pod = self.pick([p for p in self.api.all("pods") if p.migration_uid in in_flight], pick)
        if pod is None:
            return
        vmi = self.api.get("vmis", in_flight[pod.migration_uid].vmi_key)
        if vmi is None or vmi.node != pod.node:
            self.api.remove("pods", pod)

    @rule(vm=PICK, node=PICK)
    def the_scheduler_minds(self, vm: int, node: int) -> None:
        vmi, target = self.pick(self.api.all("vmis"), vm), self.pick(self.api.all("nodes"), node)
        if vmi is not None and target is not None:
            self.kubevirt.repels.add((vmi.uid, target.name))

    @rule(pick=PICK, node=st.none() | PICK)
    def somebody_migrates(self, pick: int, node: int | None) -> None:
        vmi = self.pick(self.api.all("vmis"), pick)
        if vmi is None or not vmi.running or vmi.not_migratable():
            return
        if any(vmim.vmi_key == (NAMESPACE, vmi.metadata.name) for vmim in self.api.in_flight()):
            return
        vmim = a_vmim(a_vmi(vmi.metadata.name).with_uid(vmi.uid), self.name("foreign")).created(self.api.now)
        if node is not None:
            vmim.to(self.pick(self.api.all("nodes"), node).name)
        self.api.create("vmims", vmim.with_uid(self.api.uid("foreign")))

    @rule(pick=PICK)
    def somebody_deletes_a_migration(self, pick: int) -> None:
        vmim = self.pick(self.api.all("vmims"), pick)
        if vmim is not None and not vmim.deleting:
            self.api.change("vmims", vmim, metadata__deletion_timestamp=self.api.now)

    @rule(pick=PICK, size=st.sampled_from((2, 8)))
    def add_vm(self, pick: int, size: int) -> None:
        nodes = [n for n in self.api.all("nodes") if not n.cordoned and self.free(n.name) >= (size + 1) << 30]
        node = self.pick(nodes, pick)
        if node is None:
            return
        name = self.name("vm")
        vmi = a_vmi(name).with_uid(self.api.uid(name)).memory(f"{size}Gi").on(node.name)
        self.api.create("vmis", vmi)
        self.api.create("pods", vmi.pod.with_uid(self.api.uid("pod")).created(self.api.now))

    @rule(pick=PICK, again=st.booleans())
    def a_vm_ends(self, pick: int, again: bool) -> None:
        """Its name may be taken by another at once."""
        vmi = self.pick(self.api.all("vmis"), pick)
        if vmi is None:
            return
        for pod in self.api.pods_of(vmi):
            self.api.remove("pods", pod)
        self.api.remove("vmis", vmi)
        if again and not self.api.get("nodes", ("", vmi.node)).cordoned and self.free(vmi.node) >= 3 << 30:
            new = a_vmi(vmi.metadata.name).with_uid(self.api.uid(vmi.metadata.name)).memory("2Gi").on(vmi.node)
            self.api.create("vmis", new)
            self.api.create("pods", new.pod.with_uid(self.api.uid("pod")).created(self.api.now))

    @rule(pick=PICK)
    def a_vm_cannot_migrate_for_now(self, pick: int) -> None:
        vmi = self.pick(self.api.all("vmis"), pick)
        if vmi is not None:
            self.migratable(vmi, bool(vmi.not_migratable()))

    def migratable(self, vmi: Any, yes: bool) -> None:
        others = tuple(each for each in vmi.status.conditions if each.type != "LiveMigratable")
        answer = Condition(type="LiveMigratable", status="True" if yes else "False", reason="Disks", message="a disk")
        self.api.change("vmis", vmi, status__conditions=(*others, answer))

    @rule(pick=PICK, cordon=st.booleans())
    def somebody_cordons(self, pick: int, cordon: bool) -> None:
        node = self.pick(self.api.all("nodes"), pick)
        self.api.change("nodes", node, spec__unschedulable=cordon)

    @rule(pick=PICK, well=st.booleans())
    def a_node_is_unwell(self, pick: int, well: bool) -> None:
        node = self.pick(self.api.all("nodes"), pick)
        self.api.change("nodes", node, metadata__labels={**node.labels, "kubevirt.io/schedulable": str(well).lower()})

    @precondition(lambda self: len(self.api.objects["nodes"]) > 2)
    @rule(pick=PICK)
    def a_node_goes(self, pick: int) -> None:
        node = self.pick(self.api.all("nodes"), pick)
        self.api.remove("nodes", node)
        self.was.pop(node.name, None)
        for vmi in self.api.all("vmis"):
            if vmi.node == node.name:
                self.api.remove("vmis", vmi)
        for pod in self.api.all("pods"):
            if pod.node == node.name:
                self.api.remove("pods", pod)

    @precondition(lambda self: len(self.api.objects["nodes"]) < 5)
    @rule()
    def a_node_comes(self) -> None:
        self.api.create("nodes", a_node(self.name("n")).memory(f"{self.room}Gi"))

    # What users do.

    @precondition(lambda self: len(self.api.objects["plans"]) < 4)
    @rule(
        node=PICK,
        cordon=st.sampled_from(("Require", "Apply", "Ignore")),
        retries=st.integers(0, 2),
        total=st.none() | st.integers(1, 3),
        leave=st.booleans(),
        room=st.sampled_from(("Suggest", "Move")),
    )
    def a_plan_is_made(self, node: int, cordon: str, retries: int, total: int | None, leave: bool, room: str) -> None:
        source = self.pick(self.api.all("nodes"), node)
        plan = a_plan(self.name("plan")).evacuates(source.name, cordon=cordon)
        plan.spec(failurePolicy={"retries": retries}, nonMigratable="Leave" if leave else "Block", makeRoom=room)
        if total is not None:
            plan.spec(limits={"total": total, "perTarget": 1})
        self.make("plans", plan)

    @precondition(lambda self: len(self.api.objects["plans"]) < 4)
    @rule(vm=PICK, node=PICK)
    def a_move_is_wanted(self, vm: int, node: int) -> None:
        vmi, target = self.pick(self.api.all("vmis"), vm), self.pick(self.api.all("nodes"), node)
        if vmi is not None:
            self.make("plans", a_plan(self.name("move")).moves(vmi.metadata.name, to=target.name))

    @precondition(lambda self: len(self.api.objects["maintenances"]) < 2)
    @rule(pick=PICK, leave=st.booleans(), together=st.booleans())
    def a_maintenance_is_wanted(self, pick: int, leave: bool, together: bool) -> None:
        """Or two in the same second."""
        for n in range(2 if together else 1):
            node = self.pick(self.api.all("nodes"), pick + n)
            if self.api.get("maintenances", ("", node.name)) is None:
                how = {"nonMigratable": "Leave" if leave else "Block", "makeRoom": "Move" if leave else "Suggest"}
                self.make("maintenances", a_maintenance(node.name).spec(virtualMachines=how))

    def make(self, resource: str, thing: Ours) -> None:
        self.api.create(resource, thing.with_uid(self.api.uid(thing.name)).created(self.api.now))

    @rule(pick=PICK, field=st.sampled_from(("paused", "intent", "mode", "run_id")))
    def a_spec_changes(self, pick: int, field: str) -> None:
        resource, thing = self.pick(self.ours(), pick) or ("", None)
        if thing is None or not hasattr(thing.spec, field):
            return
        now = getattr(thing.spec, field)
        then: dict[Any, Any] = {"paused": not now, "intent": "Active" if now == "Withdrawn" else "Withdrawn"}
        then |= {"mode": "Execute" if now == "DryRun" else "DryRun", "run_id": self.name("run")}
        owned = resource == "plans" and thing.metadata.owner_references
        if not owned:
            self.api.change(resource, thing, **{f"spec__{field}": then[field]})

    @rule(pick=PICK, deleted=st.booleans())
    def a_plan_is_called_off(self, pick: int, deleted: bool) -> None:
        """What has not switched over is cancelled in two rounds: one writes that down, the next does it."""
        flying = {vmim.plan_uid for vmim in self.api.in_flight() if vmim.plan_uid}
        plan = self.pick(
            [p for p in self.api.all("plans") if p.uid in flying and not p.metadata.owner_references], pick
        )
        if plan is None:
            return
        if deleted:
            self.delete("plans", plan)
        else:
            self.api.change("plans", plan, spec__intent="Withdrawn")
        self.operator.refusals.clear()
        self.good_round()
        self.good_round()
        left = [v for v in self.api.in_flight() if v.plan_uid == plan.uid and not v.deleting]
        assert all(self.switched_over(vmim) for vmim in left), left

    def switched_over(self, vmim: Any) -> bool:
        vmi = self.api.get("vmis", vmim.vmi_key)
        state = vmi.state_of(vmim.uid) if vmi is not None else None
        return vmi is None or (state is not None and state.end_timestamp is not None)

    @rule(pick=PICK)
    def an_object_is_deleted(self, pick: int) -> None:
        resource, thing = self.pick(self.ours(), pick) or ("", None)
        if thing is not None:
            self.delete(resource, thing)

    def delete(self, resource: str, thing: Any) -> None:
        if not thing.metadata.finalizers:
            self.api.remove(resource, thing)
        elif not thing.metadata.deleting:
            self.api.change(resource, thing, metadata__deletion_timestamp=self.api.now)

    def ours(self) -> list[tuple[str, Any]]:
        return [(resource, thing) for resource in ("plans", "maintenances") for thing in self.api.all(resource)]

    @rule()
    def garbage_is_collected(self) -> None:
        """What a maintenance owned goes when it has gone."""
        alive = {each.uid for each in self.api.all("maintenances")}
        for plan in self.api.all("plans"):
            owners = plan.metadata.owner_references
            if owners and all(owner.uid not in alive for owner in owners):
                self.delete("plans", plan)

    # The rules.

    @invariant()
    def never_two_migrations_of_a_vm(self) -> None:
        if hasattr(self, "api"):
            counts = Counter(vmim.vmi_key for vmim in self.api.in_flight())
            assert all(count == 1 for count in counts.values()), counts
            self.remember_results()

    def remember_results(self) -> None:
        """What became of our migrations, as KubeVirt and the VMI know it."""
        for vmim in [*self.api.all("vmims"), *self.api.tombs.values()]:
            if vmim.plan_uid:
                self.truth[vmim.uid] = vmim

    def check_start(self, action: StartMigration) -> None:
        """Rules 2 and 3, by what the operator knows, counted here a second time and more simply."""
        seen = self.operator.seen
        assert not self.operator.stale
        plan, target = seen["plans"][("", action.plan.name)], seen["nodes"][("", action.target)]
        kubevirt = next(iter(seen["kubevirts"].values()))
        flying = [vmim for vmim in seen["vmims"].values() if not vmim.final]
        limits = plan.spec.limits or Limits()
        total, outbound = limits.total or 1000, limits.per_source or 1000
        going = [v for v in flying if v.pinned_to == action.hostname or self.lands_on(v) == action.target]
        leaving = [v for v in flying if (vmi := seen["vmis"].get(v.vmi_key)) and vmi.node == action.source]
        assert len([v for v in flying if v.plan_uid]) < min(total, kubevirt.cluster_limit)
        assert len([v for v in going if v.plan_uid]) < limits.per_target
        assert len([v for v in leaving if v.plan_uid]) < min(outbound, kubevirt.outbound_limit)
        assert not target.cordoned
        assert target.usable_by_kubevirt
        assert action.target != action.source
        assert not self.being_emptied(action.target), f"{action.target} is being emptied"
        self.check_room(action, going)

    def being_emptied(self, node: str) -> bool:
        """By a maintenance that took it, or by a plan that runs."""
        for each in self.operator.seen["maintenances"].values():
            mark = before(self.operator.seen["nodes"][("", node)])
            wanted = not each.metadata.deleting and each.spec.intent == "Active" and each.spec.mode == "Execute"
            if wanted and each.spec.node_name == node and mark is not None and mark.uid == each.uid:
                return True
        for plan in self.operator.seen["plans"].values():
            run = plan.status.run
            over = run is None or run.id != (plan.spec.run_id or "initial") or run.finished_at is not None
            wanted = not plan.metadata.deleting and plan.spec.intent == "Active" and plan.spec.mode == "Execute"
            if wanted and not over and node in run.resolved_nodes:
                return True
        return False

    def lands_on(self, vmim: Any) -> str:
        pods = self.operator.seen["pods"].values()
        return next((pod.node for pod in pods if pod.migration_uid == vmim.uid), "")

    def check_room(self, action: StartMigration, going: list[Any]) -> None:
        """What is on the target, what is on its way, and the VM itself fit its memory."""
        seen = self.operator.seen
        vmi = seen["vmis"][(action.vmi.namespace, action.vmi.name)]
        pods = [pod for pod in seen["pods"].values() if pod.node == action.target]
        here = {pod.vmi_uid for pod in pods}
        assert vmi.uid not in here
        coming = [seen["vmis"][v.vmi_key] for v in going if v.vmi_key in seen["vmis"]]
        asked = sum(pod.requests()["memory"] for pod in pods)
        asked += sum(self.size(each) for each in coming if each.uid not in here) + self.size(vmi)
        assert asked <= units(seen["nodes"][("", action.target)].status.allocatable["memory"])

    def size(self, vmi: Any) -> int:
        pods = [pod for pod in self.operator.seen["pods"].values() if pod.vmi_uid == vmi.uid]
        return max((pod.requests()["memory"] for pod in pods), default=0)

    def check_cordon(self, action: Cordon, node: Any) -> None:
        if before(node) is None:
            self.was[node.name] = node.cordoned

    def check_uncordon(self, action: Uncordon, node: Any) -> None:
        """A node is given back as it was found; one that somebody has uncordoned meanwhile is left open."""
        assert action.unschedulable == (self.was.pop(node.name) and node.cordoned)

    def check_released(self, thing: Any) -> None:
        """What is let go has nothing left to undo: no migration in flight, no node that nobody else keeps."""
        plans = {thing.uid} | {plan.uid for plan in self.operator.seen["plans"].values() if self.owns(thing, plan)}
        assert not [v for v in self.operator.seen["vmims"].values() if v.plan_uid in plans and not v.final]

    def owns(self, thing: Any, plan: Any) -> bool:
        return any(owner.uid == thing.uid for owner in plan.metadata.owner_references)

    def check_decision(self, decision: Decision) -> None:
        keys = [action.key for action in decision.actions]
        assert len(keys) == len(set(keys)), "two actions for one object"
        starts = [action for action in decision.actions if isinstance(action, StartMigration)]
        assert not (starts and self.operator.stale)
        for name, status in decision.plans.items():
            if status.run is not None and status.run.finished_at == self.api.now:
                self.check_empty(self.operator.seen["plans"][("", name)], status.run)
            for vm in status.virtual_machines:
                moving = vm.step in ("PreparingTarget", "PreCopy", "Switchover", "Verifying", "Done")
                assert moving or (vm.waiting is not None and vm.waiting.since is not None) or vm.error, vm
                assert vm.waiting is None or vm.waiting.reason in set(WaitReason)
        assert decision.wake_at is None or decision.wake_at > self.api.now
        self.check_deterministic(decision)

    def check_empty(self, plan: Any, run: Run) -> None:
        """Rule 10, at the moment at which a run is finished: what is left was left on purpose."""
        if plan.spec.evacuate is None or plan.status.run == run:
            return
        for pod in self.operator.seen["pods"].values():
            if pod.node in run.resolved_nodes:
                vmi = next((v for v in self.operator.seen["vmis"].values() if v.uid == pod.vmi_uid), None)
                assert vmi is not None
                assert plan.spec.non_migratable == "Leave"
                assert vmi.not_migratable()

    def check_deterministic(self, decision: Decision) -> None:
        """The same facts in another order give the same decision."""
        snapshot = self.operator.snapshot()
        for resource in RESOURCES:
            objects = getattr(snapshot, resource)
            assert isinstance(objects, dict)
            turned = dict(reversed(objects.items()))
            objects.clear()
            objects.update(turned)
        again = decide(snapshot, self.operator.proposals, self.api.now)
        assert {each.key: each for each in again.actions} == {each.key: each for each in decision.actions}
        for name, status in {**decision.plans, **decision.maintenances}.items():
            assert {**again.plans, **again.maintenances}[name].wire() == status.wire(), name
        assert again.wake_at == decision.wake_at

    def recorded(self) -> dict[str, Outcome]:
        """Outcomes by the UID of the migration."""
        records = [record for report in self.api.all("reports") for record in report.status.records]
        return {attempt.uid: attempt.outcome for record in records for attempt in record.attempts}

    # How it ends.

    def teardown(self) -> None:
        if not hasattr(self, "api"):
            return
        self.nothing_goes_wrong_any_more()
        self.come_to_rest()
        self.check_results()
        self.check_goals()
        self.everything_is_deleted()
        self.come_to_rest()
        self.check_nothing_is_left()

    def nothing_goes_wrong_any_more(self) -> None:
        self.kubevirt.repels.clear()
        self.operator.stale.clear()
        for vmi in self.api.all("vmis"):
            self.migratable(vmi, True)

    def come_to_rest(self) -> None:
        """Let everybody work until nobody does; time goes on when nothing else does, if somebody waits for it."""
        for _ in range(400):
            wrote = self.kubevirt.steps(3)
            self.garbage_is_collected()
            self.operator.catch_up()
            self.operator.propose()
            wrote += self.go()
            if wrote:
                self.api.tick(1)
            elif any(self.api.in_flight()):
                self.api.tick(310)  # past KubeVirt's own timers
            elif self.operator.wake_at is not None:
                self.api.now = self.operator.wake_at
            else:
                assert not self.last or not self.last.actions
                return
        flying = [(vmim.name, vmim.phase, vmim.deleting, vmim.plan_uid) for vmim in self.api.in_flight()]
        raise AssertionError(f"no rest at {self.api.now}: {flying}, {self.last}")

    def check_results(self) -> None:
        """Rule 5: whatever ended and was seen is on record, as it ended."""
        recorded = self.recorded()
        for uid, vmim in self.truth.items():
            if uid not in self.seen or uid in self.excused or self.is_flying(uid):
                continue
            assert uid in recorded, f"{vmim.name} ({vmim.phase}) is on no record"
            if self.seen[uid] == "Succeeded":
                assert recorded[uid] in ENDED, (vmim, recorded[uid])
            elif self.seen[uid] == "Failed":
                assert recorded[uid] not in (*ENDED, *UNENDED), (vmim, recorded[uid])

    def is_flying(self, uid: str) -> bool:
        return any(vmim.uid == uid for vmim in self.api.in_flight())

    def check_goals(self) -> None:
        """Every plan that may work is done, or says what a person has to do."""
        rest = {PlanPhase.SUCCEEDED, PlanPhase.BLOCKED, PlanPhase.WITHDRAWN, PlanPhase.REHEARSED, PlanPhase.WAITING}
        for plan in self.api.all("plans"):
            status = plan.status
            assert status.phase in rest, status
            if status.phase is PlanPhase.WAITING:
                assert plan.spec.paused
            if status.phase is PlanPhase.BLOCKED:
                assert any(finding.severity == "Blocker" for finding in status.findings), status

    def everything_is_deleted(self) -> None:
        for resource, thing in self.ours():
            self.delete(resource, thing)

    def check_nothing_is_left(self) -> None:
        """Every object of ours could go, and every node is as it was found."""
        assert not self.ours()
        for node in self.api.all("nodes"):
            assert before(node) is None, f"{node.name} still carries our mark"
        assert not self.was
        assert not [vmim for vmim in self.api.in_flight() if vmim.plan_uid]

    # Small things.

    def name(self, what: str) -> str:
        self.names += 1
        return f"{what}-{self.names}"

    def pick(self, things: list[Any], pick: int) -> Any:
        return things[pick % len(things)] if things else None

    def free(self, node: str) -> int:
        """Bytes of memory nobody asked for."""
        used = sum(pod.requests()["memory"] for pod in self.api.all("pods") if pod.node == node)
        return int(units(self.api.get("nodes", ("", node)).status.allocatable["memory"]) - used)


World.TestCase.settings = settings(
    max_examples=int(os.environ.get("DROVER_EXAMPLES", examples(120))),
    stateful_step_count=int(os.environ.get("DROVER_STEPS", "50")),
    deadline=None,
    suppress_health_check=list(HealthCheck),
    print_blob=True,
)
TestInvariants = World.TestCase
