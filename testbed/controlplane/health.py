"""Waits until servers answer."""

import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from controlplane.component import Component
from controlplane.errors import ControlPlaneError

_INTERVAL = 0.03
_ANSWER = 2.0
"""Seconds between two looks, and for one answer."""


@dataclass(frozen=True)
class Client:
    """Asks with a bearer token; `trust` is the authority of the server, None for one that signed for itself."""

    trust: Path | None
    token: str = ""

    def succeeds(self, url: str) -> bool:
        """Whether GET answers 200 now."""
        try:
            with self._opener().open(self._request(url), timeout=_ANSWER) as answer:
                return bool(answer.status == 200)
        except OSError:
            # Refused, reset, timed out, or an error status (urllib's HTTPError is an OSError too).
            return False

    def _request(self, url: str) -> urllib.request.Request:
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        return urllib.request.Request(url, headers=headers)

    def _opener(self) -> urllib.request.OpenerDirector:
        context = ssl.create_default_context(cafile=self.trust)
        if self.trust is None:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        # No proxy, whatever the environment says: this is loopback.
        return urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
        )


def wait_for(what: str, ready: Callable[[], bool], components: Sequence[Component], deadline: float) -> None:
    """Looks until it is ready. `deadline` is a time.monotonic().

    Raises ControlPlaneError with a log's last lines when a component dies or the deadline passes.
    """
    while not ready():
        for component in components:
            component.check()
        if time.monotonic() > deadline:
            logs = "\n".join(f"{component.name}:\n{component.last_lines()}" for component in components)
            raise ControlPlaneError(f"{what} is not ready in time. The last words of\n{logs}")
        time.sleep(_INTERVAL)
