"""Durations, as Go writes them and as people read them."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drover.facts.duration import duration, words


@given(st.integers(0, 99), st.integers(0, 59), st.integers(0, 59))
def test_parts_add_up(hours: int, minutes: int, seconds: int) -> None:
    expected = timedelta(hours=hours, minutes=minutes, seconds=seconds)
    assert duration(f"{hours}h{minutes}m{seconds}s") == expected


@pytest.mark.parametrize(
    ("text", "seconds"), [("20s", 20), ("1.5h", 5400), ("250ms", 0.25), ("1m250ms", 60.25), ("0s", 0)]
)
def test_lengths(text: str, seconds: float) -> None:
    assert duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (59.4, "59s"), (59.6, "1m0s"), (61, "1m1s"), (3600, "1h0m"), (90061, "25h1m"), (-5, "0s")],
)
def test_words(seconds: float, text: str) -> None:
    assert words(timedelta(seconds=seconds)) == text
