"""What every level of tests shares."""

import pytest


@pytest.fixture
def anyio_backend() -> str:
    """The operator runs on asyncio only (kopf and kubernetes.aio do)."""
    return "asyncio"
