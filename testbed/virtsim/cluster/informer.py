"""Keeps a Store equal to the API server: paged list, watch with bookmarks, relist with a diff, back-off."""

import asyncio
import hashlib
import logging
from collections.abc import AsyncIterator

import aiohttp
import msgspec

from virtsim.cluster.client import ApiError, Client
from virtsim.cluster.store import Sink
from virtsim.objects.resources import Object, Resource

logger = logging.getLogger(__name__)

PAGE = "100"
"""Small: what a page holds is there twice for a moment, decoded and shared."""
WATCH_SECONDS = 300
FIRST_BACKOFF_SECONDS = 0.2
LONGEST_BACKOFF_SECONDS = 10.0


class Informer:
    """One resource, listed and then watched for as long as `run` runs."""

    def __init__(self, client: Client, resource: Resource, store: Sink) -> None:
        self._client = client
        self.resource = resource
        self._store = store
        self._version = ""
        self.synced = asyncio.Event()

    async def run(self) -> None:
        """Never returns; unreachable servers and refused watches are retried with back-off."""
        delay = FIRST_BACKOFF_SECONDS
        while True:
            try:
                if not self._version:
                    await self._list()
                await self._watch()
                delay = FIRST_BACKOFF_SECONDS
            except ApiError as error:
                self._version = ""
                logger.info("%s: watch ended: %s", self.resource.plural, error)
            except (aiohttp.ClientError, TimeoutError) as error:
                logger.info("%s: %s", self.resource.plural, error or type(error).__name__)
            else:
                continue
            await asyncio.sleep(delay)
            delay = min(2 * delay, LONGEST_BACKOFF_SECONDS)

    async def _list(self) -> None:
        uids: set[str] = set()
        query = {"limit": PAGE}
        while True:
            page = await self._client.list(self.resource, "", **query)
            for obj in page["items"]:
                uids.add(obj["metadata"]["uid"])
                self._store.observe(obj)
            token = page["metadata"].get("continue")
            if not token:
                break
            query = {"limit": PAGE, "continue": token}
        self._version = page["metadata"]["resourceVersion"]
        self._store.keep_only(uids, int(self._version))
        self.synced.set()

    async def _watch(self) -> None:
        query = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": self._version,
            "timeoutSeconds": str(WATCH_SECONDS + self._jitter()),
        }
        async with self._client.stream(self.resource.path(), query) as response:
            async for line in lines_of(response.content):
                self._take(msgspec.json.decode(line))

    def _take(self, event: Object) -> None:
        obj = event["object"]
        if event["type"] == "ERROR":
            raise ApiError(obj.get("code", 500), obj.get("reason", ""), obj.get("message", ""))
        self._version = obj["metadata"]["resourceVersion"]
        if event["type"] == "DELETED":
            self._store.forget(obj)
        elif event["type"] != "BOOKMARK":
            self._store.observe(obj)

    def _jitter(self) -> int:
        """So that not all watches end in the same second."""
        return hashlib.sha256(self.resource.plural.encode()).digest()[0] % 60


async def lines_of(content: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    """The lines of a stream, of any length (aiohttp's own `readline` stops at 128 KiB)."""
    rest = b""
    async for chunk in content.iter_any():
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            if line:
                yield line
