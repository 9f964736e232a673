"""The planner on fleets that are known to fit: `python -m benchmarks.planning`, as one of the benchmarks."""

import runpy
import sys
from pathlib import Path

if __name__ == "__main__":
    root = str(Path(__file__).parents[1])
    sys.path.insert(0, root)
    runpy.run_module("benchmarks.planning", run_name="__main__", alter_sys=True)
