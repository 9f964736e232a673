"""virt-controller as one process: all its controllers, which die and start again together (watch/application.go)."""

from collections.abc import Callable, Coroutine
from typing import Any

from virtsim.cluster.actor import Actor
from virtsim.versions import Feature, Version
from virtsim.virt_controller.disruption_budgets import DisruptionBudgetController
from virtsim.virt_controller.evacuation import EvacuationController
from virtsim.virt_controller.migration import MigrationController
from virtsim.virt_controller.node import NodeController
from virtsim.virt_controller.vm import VmController
from virtsim.virt_controller.vmi import VmiController
from virtsim.virt_controller.workload_updater import WorkloadUpdater

Work = Coroutine[Any, Any, None]


def virt_controller(actor: Callable[[str], Actor], image: str, version: Version) -> Callable[[], list[Work]]:
    """What to run, with nothing in memory, each time it is asked. `actor` is asked once for each component's name."""
    launching, evacuating = actor("virtualmachine-controller"), actor("evacuation-controller")
    noticing, updating = actor("node-controller"), actor("workload-update-controller")
    budgets = version.has(Feature.DISRUPTION_BUDGETS)
    budgeting = [actor("disruptionbudget-controller")] if budgets else []

    def controllers() -> list[Work]:
        return [
            VmiController(launching, image).run(),
            VmController(launching).run(),
            MigrationController(launching, image).run(),
            EvacuationController(evacuating).run(),
            NodeController(noticing).run(),
            WorkloadUpdater(updating, image).run(),
            *(DisruptionBudgetController(each).run() for each in budgeting),
        ]

    return controllers
