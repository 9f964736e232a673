"""What every level of tests shares."""

import pytest
from hypothesis import HealthCheck, settings

from virtsim.cluster.controller import Controller


@pytest.fixture
def anyio_backend() -> str:
    """The operator runs on asyncio only (kopf and kubernetes.aio do)."""
    return "asyncio"


settings.register_profile("default", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("long", settings.get_profile("default"), max_examples=10_000)
settings.load_profile("default")
"""A time limit for one example measures the machine; the whole suite has one. The long profile is for a night."""

Controller.strict = True
"""What the simulator did not expect ends a test instead of being tried again."""
