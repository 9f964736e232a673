"""Timestamps as Kubernetes writes them: UTC, whole seconds."""

from datetime import UTC, datetime


def wall_clock() -> datetime:
    """The moment, for everything that the simulator stamps or times out by; a test may put its own in this place."""
    return datetime.now(UTC)


def now() -> str:
    """The moment, as metav1.Time is serialised."""
    return stamp(wall_clock())


def stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def seconds_since(timestamp: str, moment: datetime | None = None) -> float:
    """How long ago a timestamp was; up to a second too much, because it was cut to the second."""
    then = datetime.fromisoformat(timestamp)
    return ((moment or wall_clock()) - then).total_seconds()


def go_time(timestamp: str) -> str:
    """A timestamp as Go's time.Time prints itself, which KubeVirt puts into one annotation."""
    return datetime.fromisoformat(timestamp).astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S +0000 UTC")


def seconds_between(earlier: str, later: str) -> float:
    return (datetime.fromisoformat(later) - datetime.fromisoformat(earlier)).total_seconds()
