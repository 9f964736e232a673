"""Prints each recorded scenario and whether the simulator goes through it the same; with names only those scenarios.

PYTHONPATH=.:operator:testbed python -m tests.integration.virtsim.conformance [SCENARIO ...]
"""

import asyncio
import sys
from pathlib import Path

from controlplane.cluster import from_environment
from tests.integration.virtsim.conformance.playing import Outcome, fleet, played
from tests.integration.virtsim.conformance.table import Table, tables
from tests.integration.virtsim.scene import Scene
from virtsim.fleet.spec import parse
from virtsim.options import Options
from virtsim.simulator import running


def main(names: list[str]) -> int:
    """The number of scenarios that differ."""
    known = [table for table in tables() if not names or table.name in names]
    with from_environment("conformance") as cluster:
        outcomes = asyncio.run(_outcomes(cluster.kubeconfig, known))
    for table in known:
        print(f"{table.name:45} {outcomes[table.name]}")
        for each in table.known:
            print(f"{'':45} known: {each.at}: recorded {each.recorded}, here {each.here}, because {each.because}")
    differ = [name for name, outcome in outcomes.items() if outcome.differences]
    skipped = [name for name, outcome in outcomes.items() if outcome.skipped]
    print(f"{len(known) - len(differ) - len(skipped)} of {len(known)} the same, {len(skipped)} not played")
    return len(differ)


async def _outcomes(kubeconfig: Path, known: list[Table]) -> dict[str, Outcome]:
    async with running(kubeconfig, parse(fleet(known)), Options()) as simulator:
        outcomes = await played(Scene(simulator), kubeconfig, known)
        await simulator.clear()
        return outcomes


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
