"""The common part of every Kubernetes object we project, and what makes two projections the same."""

from datetime import datetime
from typing import Protocol, TypeVar

import msgspec


class Wire(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """A projection of a JSON object: the fields somebody decides on, everything else is skipped while decoding."""


class OwnerReference(Wire, frozen=True, kw_only=True):
    kind: str
    name: str
    uid: str
    controller: bool = False


class Metadata(Wire, frozen=True, kw_only=True):
    """Of ObjectMeta, what decisions read. Annotations are projected kind by kind: most of them are noise."""

    name: str
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    creation_timestamp: datetime | None = None
    deletion_timestamp: datetime | None = None
    labels: dict[str, str] = {}
    owner_references: tuple[OwnerReference, ...] = ()

    def controller(self) -> OwnerReference | None:
        """The owner that controls the object, if one does."""
        for owner in self.owner_references:
            if owner.controller:
                return owner
        return None


class Condition(Wire, frozen=True, kw_only=True):
    """A condition without its probe and heartbeat times, which change while nothing changes."""

    type: str
    status: str
    reason: str = ""
    message: str = ""


class Object(Protocol):
    """Any projected object."""

    @property
    def metadata(self) -> Metadata: ...


T = TypeVar("T", bound=Object)

Key = tuple[str, str]
"""(namespace, name); the namespace of a cluster-scoped object is the empty string."""


def key_of(thing: Object) -> Key:
    return thing.metadata.namespace, thing.metadata.name


def same_facts(one: T, other: T) -> bool:
    """Whether two projections differ in nothing but their resourceVersion, so that no decision can differ."""
    if type(one) is not type(other):
        return False
    for name in one.__struct_fields__:  # type: ignore[attr-defined]  # every projection is a msgspec Struct
        mine, theirs = getattr(one, name), getattr(other, name)
        if name == "metadata":
            theirs = msgspec.structs.replace(theirs, resource_version=mine.resource_version)
        if mine != theirs:
            return False
    return True


def find(conditions: tuple[Condition, ...], kind: str) -> Condition | None:
    """The condition of this type, if it is there."""
    return next((c for c in conditions if c.type == kind), None)
