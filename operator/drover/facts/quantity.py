"""Resource quantities as integers: CPU in thousandths of a core, everything else in whole units (bytes, devices, pods).

Floats have no place in capacity decisions. Syntax: apimachinery pkg/api/resource/quantity.go.
"""

import re
from collections.abc import Iterable, Mapping
from fractions import Fraction
from functools import lru_cache

Resources = dict[str, int]
"""Amounts by resource name, in the units of this module."""

_SYNTAX = re.compile(r"([+-]?(?:\d+(?:\.\d*)?|\.\d+))(?:([KMGTPE]i|[numkMGTPE])|[eE]([+-]?\d+))?", re.ASCII)
_SUFFIX: Mapping[str, Fraction] = {
    "n": Fraction(1, 10**9),
    "u": Fraction(1, 10**6),
    "m": Fraction(1, 1000),
    "": Fraction(1),
    **{letter: Fraction(1000 ** (n + 1)) for n, letter in enumerate("kMGTPE")},
    **{f"{letter}i": Fraction(1024 ** (n + 1)) for n, letter in enumerate("KMGTPE")},
}


def exact(text: str | int) -> Fraction:
    """The exact value of a quantity.

    Raises:
        ValueError: it is not a quantity the API server would accept.
    """
    match = _SYNTAX.fullmatch(str(text))
    if match is None:
        raise ValueError(f"not a resource quantity: {text!r}")
    number, suffix, exponent = match.groups()
    # What lies beyond is beyond the 64 bits of any amount; and computing it would take for ever.
    power = max(-64, min(64, int(exponent))) if exponent else 0
    scale = Fraction(10) ** power if exponent else _SUFFIX[suffix or ""]
    return Fraction(number) * scale


@lru_cache(maxsize=4096)
def units(text: str | int) -> int:
    """A quantity in whole units, rounded up as Quantity.Value() does."""
    value = exact(text)
    return -((-value.numerator) // value.denominator)


@lru_cache(maxsize=4096)
def millis(text: str | int) -> int:
    """A quantity in thousandths, rounded up as Quantity.MilliValue() does."""
    value = exact(text) * 1000
    return -((-value.numerator) // value.denominator)


def resources(quantities: Mapping[str, str | int]) -> Resources:
    """A requests, limits, capacity or allocatable map as integers."""
    return {name: millis(text) if name == "cpu" else units(text) for name, text in quantities.items()}


def total(parts: Iterable[Mapping[str, int]]) -> Resources:
    """The sum, resource by resource."""
    rest = iter(parts)
    result: Resources = dict(next(rest, {}))
    for part in rest:
        for name, amount in part.items():
            result[name] = result.get(name, 0) + amount
    return result


def largest(one: Mapping[str, int], other: Mapping[str, int]) -> Resources:
    """The larger amount, resource by resource."""
    return {name: max(one.get(name, 0), other.get(name, 0)) for name in one.keys() | other.keys()}


def human(resource: str, amount: int) -> str:
    """An amount for people: cores, GiB or MiB, or a plain count.

    >>> human("cpu", 1500), human("memory", 3 << 30), human("pods", 7)
    ('1.5 cores', '3.0 GiB', '7')
    """
    if resource == "cpu":
        return f"{amount / 1000:g} cores"
    if resource in ("memory", "ephemeral-storage") or resource.startswith("hugepages-"):
        return f"{amount / (1 << 30):.1f} GiB" if amount >= 1 << 30 else f"{amount / (1 << 20):.0f} MiB"
    return str(amount)
