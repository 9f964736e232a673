"""Durations in the Go form the API uses ("1h30m", "90s"), as timedelta."""

import re
from datetime import timedelta

_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def duration(text: str) -> timedelta:
    """The length a duration string names. The API server has checked its form.

    >>> duration("1m30s")
    datetime.timedelta(seconds=90)
    """
    return timedelta(seconds=sum(float(number) * _SECONDS[unit] for number, unit in _PART.findall(text)))


def words(length: timedelta) -> str:
    """A length for people, in its two largest units.

    >>> words(timedelta(seconds=3725)), words(timedelta(seconds=20))
    ('1h2m', '20s')
    """
    seconds = max(0, round(length.total_seconds()))
    hours, minutes, rest = seconds // 3600, seconds // 60 % 60, seconds % 60
    if hours:
        return f"{hours}h{minutes}m"
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"
