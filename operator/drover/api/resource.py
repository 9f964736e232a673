"""What a CRD says about a kind besides its schema."""

from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel


@dataclass(frozen=True)
class Column:
    """One column of `kubectl get`: its heading, where its value stands, and the OpenAPI type of that."""

    name: str
    path: str
    type: Literal["string", "integer", "date"] = "string"


AGE = Column("Age", ".metadata.creationTimestamp", "date")


@dataclass(frozen=True)
class Resource:
    """A cluster-scoped kind with a status subresource: its model, its names and its columns."""

    model: type[BaseModel]
    plural: str
    short: str
    columns: tuple[Column, ...]

    @property
    def kind(self) -> str:
        return self.model.__name__
