"""The API server's audit log: who asked for what, when, and what the answer was."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Request:
    """One answered request. Times are UTC; `body` is there for writes of migrations only."""

    user: str
    verb: str
    group: str
    resource: str
    """With its subresource: `migrationplans/status`."""
    namespace: str
    name: str
    code: int
    received: datetime
    answered: datetime
    body: Json
    answer: Json

    @property
    def permission(self) -> tuple[str, str, str]:
        """Verb, resource and group: what RBAC decides on."""
        return self.verb, self.resource, self.group


class Audit:
    """A log from a place on: what was written after it was opened. A cluster without one has nothing to tell."""

    def __init__(self, path: Path | None, whole: bool = False) -> None:
        self._path = path
        self._from = 0 if whole or path is None else path.stat().st_size

    def requests(self, user: str | None = None) -> Iterator[Request]:
        """Those about a resource that were answered or, being watches, begun; of one user, or all."""
        if self._path is None:
            return
        with self._path.open("rb") as log:
            if self._from:
                # To the end of the line that was perhaps being written when it was opened.
                log.seek(self._from - 1)
                log.readline()
            for line in log:
                if line.endswith(b"\n"):
                    request = _request(msgspec.json.decode(line), user)
                    if request is not None:
                        yield request


def _request(event: Json, user: str | None) -> Request | None:
    reference = event.get("objectRef")
    watch_ended = event["verb"] == "watch" and event["stage"] == "ResponseComplete"
    # A request that was given up while the API server was away has no user: it never got as far.
    asked_by = event["user"].get("username", "")
    if reference is None or watch_ended or (user is not None and asked_by != user):
        return None
    subresource = reference.get("subresource", "")
    return Request(
        user=asked_by if "impersonatedUser" not in event else event["impersonatedUser"]["username"],
        verb=event["verb"],
        group=reference.get("apiGroup", ""),
        resource=reference["resource"] + (f"/{subresource}" if subresource else ""),
        namespace=reference.get("namespace", ""),
        name=reference.get("name", ""),
        code=event.get("responseStatus", {}).get("code", 0),
        received=_time(event["requestReceivedTimestamp"]),
        answered=_time(event["stageTimestamp"]),
        body=event.get("requestObject") or {},
        answer=event.get("responseObject") or {},
    )


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
