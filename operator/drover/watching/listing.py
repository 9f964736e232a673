"""Whole lists and single watch events: bytes in, objects out, and what cannot be read is named and left out."""

import logging
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import msgspec

from drover.watching.client import ApiError, Client, Status, refused
from drover.watching.resources import Event, Resource, Stub, Thing, UndecodableError

log = logging.getLogger(__name__)

T = TypeVar("T", bound=Thing)
CHANGES = frozenset({"ADDED", "MODIFIED", "DELETED"})
PAGE = 500
PAGE_SECONDS = 30.0


class ListMetadata(msgspec.Struct, frozen=True, rename="camel"):
    resource_version: str = ""
    continue_: str = msgspec.field(name="continue", default="")


class Page(msgspec.Struct, frozen=True):
    metadata: ListMetadata = ListMetadata()
    items: list[msgspec.Raw] | None = None


@dataclass(frozen=True, slots=True)
class Listing(Generic[T]):
    """All objects of a resource as of one resourceVersion, and who those are that cannot be read."""

    things: list[T]
    resource_version: str
    illegible: list[Stub] = field(default_factory=list)


async def list_one(client: Client, resource: Resource[T]) -> None:
    """Asks for one object, whichever, of a list as it is now: without etcd there is no answer. Raises ApiError."""
    await client.get(resource.collection(), {**resource.params, "limit": "1"}, timeout=PAGE_SECONDS)


async def list_all(client: Client, resource: Resource[T]) -> Listing[T]:
    """The whole list, page by page, each page decoded before the next is fetched.

    Raises:
        ApiError: no answer, a refusal, or status 410 when it took so long that the pages do not fit together.
    """
    things: list[T] = []
    illegible: list[Stub] = []
    params = {**resource.params, "limit": str(PAGE)}
    while True:
        page = _page(await client.get(resource.collection(), params, timeout=PAGE_SECONDS))
        for item in page.items or ():
            thing = read(resource, item)
            if isinstance(thing, Stub):
                illegible.append(thing)
            else:
                things.append(thing)
        if not page.metadata.continue_:
            return Listing(things, page.metadata.resource_version, illegible)
        params["continue"] = page.metadata.continue_


def read(resource: Resource[T], data: msgspec.Raw) -> T | Stub:
    """The object, or who it is when that is all that can be read: an object we cannot judge is not there for us."""
    try:
        return resource.decode(data)
    except UndecodableError as error:
        who = error.stub.metadata
        log.error("%s %s/%s cannot be read and is ignored: %s", resource.kind, who.namespace, who.name, error)
        return error.stub


def read_event(resource: Resource[T], line: bytes) -> Event[T | Stub]:
    """One line of a watch. Of a BOOKMARK, and of an object that cannot be read, it holds only who and which version.

    Raises:
        ApiError: it is an ERROR, or no event at all: the watch is of no more use.
    """
    with suppress(msgspec.MsgspecError):
        if resource.read_event is not None and (event := resource.read_event(line)).type in CHANGES:
            return event
    try:
        envelope = msgspec.json.decode(line, type=Event[msgspec.Raw])
        if envelope.type == "ERROR":
            raise refused(msgspec.json.decode(envelope.object, type=Status))
        if envelope.type == "BOOKMARK":
            return Event(envelope.type, msgspec.json.decode(envelope.object, type=Stub))
    except msgspec.MsgspecError as error:
        raise ApiError(0, "NotAnEvent", str(error)) from error
    thing: T | Stub = read(resource, envelope.object)
    return Event(envelope.type, thing)


def _page(data: bytes) -> Page:
    try:
        return msgspec.json.decode(data, type=Page)
    except msgspec.MsgspecError as error:
        raise ApiError(0, "NotAList", str(error)) from error
