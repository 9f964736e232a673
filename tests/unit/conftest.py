"""What unit tests share."""

import os

import pytest

LONGEST = ("running/test_invariants.py", "virtsim/test_properties.py", "unit/test_handlers.py")

os.environ["SSL_CERT_FILE"] = os.devnull
"""Clients here trust no authorities of the system, and reading them takes 30 ms for each client that is opened."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest come first: begun last, one of them would run while the other processes have nothing left to do."""
    items.sort(key=lambda item: not item.path.as_posix().endswith(LONGEST))
