"""`python -m tests.integration.planning --seed 7 --fleets 40`: a longer run than the tests'.

So many fleets of all concerns together, and a tenth as many (at least one) of each alone. Exits with 1 if the planner
and the scheduler disagree anywhere.
"""

import argparse
import asyncio
import sys

from tests.integration.planning.comparing import Tally, compare
from tests.integration.planning.fleets.concerns import CONCERNS, alone, together
from tests.integration.planning.oracle import Oracle, an_oracle


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.integration.planning", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--fleets", type=int, default=10)
    parser.add_argument("concerns", nargs="*", metavar="concern", help=f"of {', '.join(CONCERNS)}; all if none")
    given = parser.parse_args()
    return 1 if asyncio.run(_run(given.seed, given.fleets, given.concerns or list(CONCERNS))) else 0


async def _run(seed: int, fleets: int, names: list[str]) -> int:
    """The number of disagreements."""
    count = 0
    async with an_oracle() as oracle:
        for name in names:
            tally = Tally()
            for number in range(max(1, fleets // 10)):
                tally.add(await compare(oracle, alone(name, seed, number), CONCERNS[name]))
            count += _tell(name, tally)
        if len(names) > 1:
            count += _tell("together", await _together(oracle, names, seed, fleets))
    return count


async def _together(oracle: Oracle, names: list[str], seed: int, fleets: int) -> Tally:
    tally = Tally()
    for number in range(fleets):
        tally.add(await compare(oracle, together(names, seed, number)))
    return tally


def _tell(what: str, tally: Tally) -> int:
    print(f"{what}: {tally}", flush=True)
    for each in (*tally.disagreements, *tally.misnamed):
        print(each, flush=True)
    return len(tally.disagreements) + len(tally.misnamed)


if __name__ == "__main__":
    sys.exit(main())
