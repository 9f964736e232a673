"""The pure core knows no cluster and no event loop: what its modules load, seen in processes of their own."""

import json
import pkgutil
import subprocess
import sys
from functools import cache
from importlib import import_module

import pytest

LIBRARIES = ("pydantic", "pydantic.alias_generators", "msgspec", "numpy", "numpy.typing")
NEVER = {"aiohttp", "kopf", "kubernetes", "prometheus_client"}
LOOPS = {"asyncio"}
SCRIPT = """
import importlib, json, sys
found = {}
for name in sys.argv[1:]:
    importlib.import_module(name)
    found[name] = sorted({each.split(".")[0] for each in sys.modules})
print(json.dumps(found))
"""


@cache
def loaded(modules: tuple[str, ...]) -> dict[str, set[str]]:
    """The top-level modules a fresh interpreter holds after each of these imports, one after the other."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *modules], capture_output=True, text=True, check=True, timeout=60
    )
    return {name: set(found) for name, found in json.loads(done.stdout).items()}


@pytest.mark.parametrize("package", ["api", "facts", "planning", "running"])
def test_a_pure_module_loads_no_client_and_no_event_loop(package: str) -> None:
    path = import_module(f"drover.{package}").__path__
    modules = tuple(f"drover.{package}.{module.name}" for module in pkgutil.iter_modules(path))
    assert modules
    libraries = loaded(LIBRARIES)[LIBRARIES[-1]]
    foreign = {name: found & (NEVER | (LOOPS - libraries)) for name, found in loaded(modules).items()}
    assert {name: found for name, found in foreign.items() if found} == {}


@pytest.mark.parametrize(("module", "seen"), [("drover.watching.client", "aiohttp"), ("drover.handlers", "kopf")])
def test_the_check_would_see_it(module: str, seen: str) -> None:
    assert {seen, "asyncio"} <= loaded((module,))[module]
