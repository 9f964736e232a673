"""Kubernetes quantities: read exactly, written as the API server would (apimachinery/pkg/api/resource)."""

import re
from fractions import Fraction

SUFFIXES = {
    "n": Fraction(1, 10**9),
    "u": Fraction(1, 10**6),
    "m": Fraction(1, 1000),
    "": Fraction(1),
    "k": Fraction(10**3),
    "M": Fraction(10**6),
    "G": Fraction(10**9),
    "T": Fraction(10**12),
    "P": Fraction(10**15),
    "E": Fraction(10**18),
    "Ki": Fraction(2**10),
    "Mi": Fraction(2**20),
    "Gi": Fraction(2**30),
    "Ti": Fraction(2**40),
    "Pi": Fraction(2**50),
    "Ei": Fraction(2**60),
}

QUANTITY = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,2})?)([numkMGTPE]|[KMGTPE]i|)")
"""12e6 and 12E6 are numbers; 12E is twelve exa."""

DECIMAL = ("E", "P", "T", "G", "M", "k")
BINARY = ("Ei", "Pi", "Ti", "Gi", "Mi", "Ki")


def parse(text: str | int | float) -> Fraction:
    """The exact value. Raises ValueError if the text is no quantity."""
    written = QUANTITY.fullmatch(str(text))
    if written is None:
        raise ValueError(f"{text!r} is no Kubernetes quantity, write for example 500m, 2 or 4Gi")
    number, suffix = written.groups()
    return Fraction(number) * SUFFIXES[suffix]


def size(text: str | int | float) -> int:
    """Whole bytes, rounded up."""
    value = parse(text)
    return -(-value.numerator // value.denominator)


def binary(value: int) -> str:
    """Bytes in the largest binary unit that divides them: 289406976 is 276Mi."""
    for suffix in BINARY:
        unit = int(SUFFIXES[suffix])
        if value and value % unit == 0:
            return f"{value // unit}{suffix}"
    return str(value)


def canonical(text: str | int | float) -> str:
    """The text as Go writes it again: in the largest unit of its own family that keeps it whole; 1024Mi is 1Gi."""
    value, family = parse(text), BINARY if str(text).endswith("i") else DECIMAL
    for suffix in family:
        if value and (value / SUFFIXES[suffix]).denominator == 1:
            return f"{value / SUFFIXES[suffix]}{suffix}"
    return str(value) if value.denominator == 1 else milli(value)


def milli(value: Fraction) -> str:
    """CPU cores, in millicores where they are not whole."""
    thousandths = -(-(value * 1000).numerator // (value * 1000).denominator)
    return str(thousandths // 1000) if thousandths % 1000 == 0 else f"{thousandths}m"
