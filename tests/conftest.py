"""What every level of tests shares."""

import os

import pytest
from hypothesis import HealthCheck, settings

from tests.examples import THOROUGH
from virtsim.cluster.controller import Controller


@pytest.fixture
def anyio_backend() -> str:
    """The operator runs on asyncio only (kopf and kubernetes.aio do)."""
    return "asyncio"


settings.register_profile(
    "thorough", max_examples=THOROUGH, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("quick", settings.get_profile("thorough"), max_examples=40)
settings.register_profile("long", settings.get_profile("thorough"), max_examples=10_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))
"""A time limit for one example measures the machine; the whole suite has one. By hand it is quick, `make test` is
thorough, and the long profile is for a night."""

Controller.strict = True
"""What the simulator did not expect ends a test instead of being tried again."""
