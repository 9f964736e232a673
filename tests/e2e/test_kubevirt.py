"""KubeVirt itself: not there, too old, and its limits."""

import pytest

from tests.e2e.fleets import ENDLESS, nodes, vms
from tests.e2e.recorder import MAINTENANCES, PLANS
from tests.e2e.scene import condition, findings
from tests.e2e.staging import Stage
from tests.e2e.test_plan import evacuation
from virtsim.crds.install import NAMES
from virtsim.objects.resources import CRDS, NODES, VMIMS
from virtsim.options import Options
from virtsim.versions import Version

pytestmark = pytest.mark.anyio


async def test_without_kubevirt_it_waits_and_goes_on_by_itself(stage: Stage) -> None:
    async with stage.scene(nodes(2), vms("web"), started=False, simulated=False) as scene:
        for name in NAMES:
            await scene.user.delete(CRDS, "", f"{name}.kubevirt.io")
        await scene.kubectl("wait", "--for=delete", "--timeout=30s", *(f"crd/{name}.kubevirt.io" for name in NAMES))
        await scene.operator.start()
        await scene.plan("leave", evacuate={"nodes": {"selector": {"matchLabels": {"kubernetes.io/hostname": "n-1"}}}})
        held = await scene.phase(PLANS, "leave", "Held")
        assert held["status"]["reason"] == "KubeVirtUnavailable"
        assert held["status"]["waiting"]["suggestion"]
        assert condition(held, "Reconciling")[0] == "True"
        await scene.simulate()
        await scene.cordon("n-1")
        await scene.phase(PLANS, "leave", "Succeeded", within=40)
        assert scene.vms_on("n-2") == ["web"]


async def test_a_kubevirt_that_cannot_pin_starts_nothing(stage: Stage) -> None:
    async with stage.scene(nodes(2), vms("web"), options=Options(version=Version(5))) as scene:
        await scene.maintain("n-1")
        blocked = await scene.phase(MAINTENANCES, "n-1", "Blocked")
        assert "1.6" in findings(blocked)["PinningUnsupported"]["suggestion"]
        assert scene.all(VMIMS) == []
        await scene.remove(MAINTENANCES, "n-1")
        await scene.gone(MAINTENANCES, "n-1")
        assert not scene.get(NODES, "n-1")["spec"].get("unschedulable")


async def test_never_more_than_kubevirt_allows_also_when_that_changes(stage: Stage) -> None:
    limits = {"total": 50, "perSource": 50, "perTarget": 50}
    async with stage.scene(nodes(2), vms("web", count=6, seconds=ENDLESS), total=2, per_source=1) as scene:
        await scene.plan("leave", **evacuation("n-1", limits=limits))
        await scene.eventually(lambda: len(scene.flying()) == 1, "as many as one node may send")
        plan = await scene.when(PLANS, "leave", lambda plan: "LimitClamped" in findings(plan))
        assert findings(plan)["LimitClamped"]["severity"] == "Info"
        await scene.limit(total=4, per_source=3)
        await scene.eventually(lambda: len(scene.flying()) == 3, "as many as it may send by now")
        await scene.limit(total=2, per_source=3)
        for number in range(1, 7):
            await scene.annotate(f"web-{number}", migration_seconds=0.5)
        await scene.phase(PLANS, "leave", "Succeeded")
