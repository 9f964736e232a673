"""How the simulator's own annotations are read. What cannot be read is as good as not there: it stops nothing."""

import logging
from math import inf

from virtsim.objects import quantity
from virtsim.objects.pods import annotations_of
from virtsim.objects.resources import Object

logger = logging.getLogger(__name__)

OFF = ("", "false")


def is_on(obj: Object | None, key: str) -> bool:
    """Whether an annotation says anything but "false"."""
    return obj is not None and annotations_of(obj).get(key, "") not in OFF


def amount(obj: Object | None, key: str) -> float | None:
    """A quantity that is not negative, as 20Mi or 1.5; None if there is none."""
    text = "" if obj is None else annotations_of(obj).get(key, "")
    if not text:
        return None
    try:
        return max(0.0, float(quantity.parse(text)))
    except (ValueError, OverflowError) as error:
        logger.warning("%s of %s: %s", key, (obj or {})["metadata"]["name"], error)
        return None


def seconds(obj: Object | None, key: str) -> float | None:
    """A duration; "never" is infinite. None if there is none."""
    if obj is not None and annotations_of(obj).get(key) == "never":
        return inf
    return amount(obj, key)
