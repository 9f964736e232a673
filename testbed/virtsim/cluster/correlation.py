"""Which Events are repeats, and which are told as one (client-go's tools/record/events_cache.go)."""

from collections import deque
from dataclasses import dataclass, field, replace

SIMILAR_EVENTS = 10
"""So many different messages of one reason about one object are told as one from then on."""
WITHIN_SECONDS = 600.0
COMBINED = "(combined from similar events): "
REMEMBERED = 5_000


@dataclass(frozen=True, slots=True)
class Told:
    """One thing said about one object (apiVersion, kind, namespace, name, uid)."""

    obj: tuple[str, str, str, str, str]
    type: str
    reason: str
    message: str


@dataclass
class _Similar:
    messages: deque[str] = field(default_factory=lambda: deque(maxlen=SIMILAR_EVENTS))
    last: float = 0.0


class Correlator:
    """Remembers what was told lately."""

    def __init__(self) -> None:
        self._similar: dict[Told, _Similar] = {}

    def correlated(self, told: Told, at: float) -> tuple[Told, str]:
        """Under which event to count it, and with which message; `at` is a clock in seconds."""
        key = replace(told, message="")
        similar = self._similar.get(key)
        if similar is None or at - similar.last > WITHIN_SECONDS:
            similar = self._similar[key] = _Similar()
            if len(self._similar) > REMEMBERED:
                self._similar.pop(next(iter(self._similar)))
        similar.last = at
        if told.message not in similar.messages:
            similar.messages.append(told.message)
        if len(similar.messages) < SIMILAR_EVENTS:
            return told, told.message
        similar.messages.popleft()
        return key, COMBINED + told.message
