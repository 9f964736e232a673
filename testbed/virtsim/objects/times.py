"""Timestamps as Kubernetes writes them: UTC, whole seconds."""

from datetime import UTC, datetime


def now() -> str:
    """The moment, as metav1.Time is serialised."""
    return stamp(datetime.now(UTC))


def stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def seconds_since(timestamp: str, moment: datetime | None = None) -> float:
    """How long ago a timestamp was; up to a second too much, because it was cut to the second."""
    then = datetime.fromisoformat(timestamp)
    return ((moment or datetime.now(UTC)) - then).total_seconds()


def go_time() -> str:
    """The moment as Go's time.Time prints itself, which KubeVirt puts into one annotation."""
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S +0000 UTC")


def seconds_between(earlier: str, later: str) -> float:
    return (datetime.fromisoformat(later) - datetime.fromisoformat(earlier)).total_seconds()
