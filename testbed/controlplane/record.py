"""What an instance writes down about itself in its folder, for other instances and for a later sweep."""

from pathlib import Path

import msgspec

_FILE = "instance.json"


class Child(msgspec.Struct, frozen=True):
    """A process that an instance started; (pid, started) names it for ever."""

    name: str
    pid: int
    started: int


class Record(msgspec.Struct, frozen=True):
    """The ports that an instance keeps, the processes it started, and its kind cluster if it has one."""

    ports: tuple[int, ...] = ()
    children: tuple[Child, ...] = ()
    kind: str | None = None


def read(directory: Path) -> Record:
    """The record in this folder; an empty one if its instance died before it wrote one."""
    try:
        return msgspec.json.decode((directory / _FILE).read_bytes(), type=Record)
    except FileNotFoundError:
        return Record()


def write(directory: Path, record: Record) -> None:
    """Replaces the record in this folder, at once or not at all."""
    unfinished = directory / f"{_FILE}.unfinished"
    unfinished.write_bytes(msgspec.json.encode(record))
    unfinished.replace(directory / _FILE)
