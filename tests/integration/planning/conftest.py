"""One scheduler to ask, for all tests of a module."""

import os
from collections.abc import AsyncIterator

import pytest

from tests.integration.planning.oracle import Oracle, an_oracle


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """As wide as the oracle's fixture."""
    return "asyncio"


@pytest.fixture(scope="module")
async def oracle() -> AsyncIterator[Oracle]:
    """With a control plane of its own: it needs a scheduler that it may configure, and nobody else's nodes."""
    if os.environ.get("CLUSTER") not in (None, "", "controlplane"):
        pytest.skip("the scheduler of a cluster that is named is not ours to configure")
    async with an_oracle() as oracle:
        yield oracle
