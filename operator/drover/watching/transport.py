"""One request over the connections and credentials of `kubernetes.aio`, and the lines of an endless response."""

import logging
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from importlib.metadata import version
from urllib.parse import urlencode

import aiohttp
from kubernetes.aio.client.configuration import Configuration
from kubernetes.aio.client.rest import RESTClientObject

from drover.watching.credentials import NoClusterError, load_configuration

log = logging.getLogger(__name__)

USER_AGENT = f"drover/{version('drover-operator')}"
CONNECT_SECONDS = 10.0
RELOAD_SECONDS = 10.0
SAME_TIME = timedelta(seconds=2)
JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Request:
    """What is sent. `body` is anything that `json.dumps` takes."""

    method: str
    path: str
    params: Mapping[str, str] = field(default_factory=dict)
    body: object = None
    content_type: str = JSON


class Transport:
    """Sends requests with our credentials, and reads these again when they are refused."""

    def __init__(self) -> None:
        self._kubeconfig: str | None = None
        self._configuration: Configuration = None
        self._rest: RESTClientObject = None
        self._loaded = 0.0
        self.skew = timedelta()
        """How far the API server's clock is ahead of ours, as far as it matters."""

    async def open(self, kubeconfig: str | None = None) -> None:
        """Read the credentials; nothing is sent yet.

        Raises:
            NoClusterError: there are none, or they cannot be used.
        """
        self._kubeconfig = kubeconfig
        self._configuration = await load_configuration(kubeconfig)
        self._loaded = time.monotonic()
        try:
            self._rest = RESTClientObject(self._configuration)
        except OSError as error:
            raise NoClusterError(f"no usable certificates for an API server: {error}") from error

    async def close(self) -> None:
        if self._rest is not None:
            await self._rest.close()

    async def send(self, request: Request, timeout: aiohttp.ClientTimeout) -> aiohttp.ClientResponse:
        """The response, its body not read yet: close it.

        A request refused with 401 was not carried out: it is sent once more if the credentials can be renewed, which
        happens with exec plugins and token files. (Connections that use the old ones stay as they are.)
        """
        response = await self._send(request, timeout)
        if response.status == 401 and await self._reload():
            response.close()
            response = await self._send(request, timeout)
        return response

    async def _send(self, request: Request, timeout: aiohttp.ClientTimeout) -> aiohttp.ClientResponse:
        query = f"?{urlencode(request.params)}" if request.params else ""
        url = self._configuration.host + request.path + query
        headers = {
            "User-Agent": USER_AGENT,
            "Accept": JSON,
            # Compressing lists costs both sides more than the network between them does.
            "Accept-Encoding": "identity",
            "Content-Type": request.content_type,
        }
        # Asking each time is what makes it read the token file of the service account again.
        for setting in (await self._configuration.auth_settings()).values():
            headers[setting["key"]] = setting["value"]
        answer = await self._rest.request(
            request.method, url, headers=headers, body=request.body, _request_timeout=timeout
        )
        response: aiohttp.ClientResponse = answer.response
        self._compare_clocks(response.headers.get("Date", ""))
        return response

    def _compare_clocks(self, date: str) -> None:
        """The times in objects are the API server's and KubeVirt's. Two seconds are what seconds cut off explain."""
        try:
            ahead = parsedate_to_datetime(date) - datetime.now(UTC)
        except ValueError:
            return
        if abs(ahead - self.skew) <= SAME_TIME:
            return
        self.skew = ahead if abs(ahead) > SAME_TIME else timedelta()
        log.warning("the API server's clock is %.0f s ahead of ours: its time counts", self.skew.total_seconds())

    async def _reload(self) -> bool:
        """Read the credentials again; false when that was done just now, and so would not help."""
        now = time.monotonic()
        if now - self._loaded < RELOAD_SECONDS:
            return False
        self._loaded = now
        try:
            self._configuration = await load_configuration(self._kubeconfig)
        except NoClusterError as error:
            log.warning("the credentials were refused and cannot be read again: %s", error)
            return False
        return True


async def lines(content: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    """Whole lines as they come; what an end cuts off is dropped. They may be as long as an object (1.5 MB in etcd)."""
    rest = b""
    async for chunk in content.iter_any():
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            if line:
                yield line
