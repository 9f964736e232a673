"""A long build shows that it lives, and ends with us."""

import io
import os
import select
from collections.abc import Callable
from pathlib import Path

import pytest

from controlplane import progress
from controlplane.errors import ControlPlaneError
from controlplane.progress import Progress


class Terminal(io.StringIO):
    """What a person looks at."""

    def isatty(self) -> bool:
        return True


def shell(show: Progress, script: str, cwd: Path) -> None:
    show.run("tool v1", ["sh", "-c", script], cwd=cwd, env=dict(os.environ))


@pytest.mark.parametrize("stream", [io.StringIO, Terminal])
def test_a_slow_command_shows_the_seconds_it_took_so_far(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stream: type[io.StringIO]
) -> None:
    monkeypatch.setattr(progress, "_LOG_INTERVAL", 0.01)
    monkeypatch.setattr(progress, "_TERMINAL_INTERVAL", 0.01)
    said = stream()
    # The command ends when it has been reported once to be still running.
    monkeypatch.setattr(Progress, "_tick", tick_and_touch(tmp_path / "go-on"))
    shell(Progress(said), "while [ ! -e go-on ]; do sleep 0.01; done", tmp_path)
    assert "control plane: tool v1 ... 0 s" in said.getvalue()
    assert said.getvalue().endswith("control plane: tool v1: 0 s\n")
    assert ("\r" in said.getvalue()) == said.isatty()


def tick_and_touch(file: Path) -> Callable[[Progress, str, float], None]:
    tick = Progress._tick

    def both(self: Progress, label: str, elapsed: float) -> None:
        tick(self, label, elapsed)
        file.touch()

    return both


def test_a_failing_command_is_an_error_with_its_last_words(tmp_path: Path) -> None:
    with pytest.raises(ControlPlaneError, match=r"tool v1: `sh -c .*` in .* ended with 3:\n2\n3\n(.*\n)+21\n"):
        shell(Progress(io.StringIO()), "seq 1 21; exit 3", tmp_path)


def test_an_interrupt_ends_the_command_and_what_it_has_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(self: Progress, label: str, elapsed: float) -> None:
        if (tmp_path / "pid").exists() and (tmp_path / "pid").read_text().endswith("\n"):
            raise KeyboardInterrupt

    monkeypatch.setattr(progress, "_LOG_INTERVAL", 0.01)
    monkeypatch.setattr(Progress, "_tick", interrupt)
    with pytest.raises(KeyboardInterrupt):
        shell(Progress(io.StringIO()), "sleep 600 & echo $! > pid; wait", tmp_path)
    grandchild = int((tmp_path / "pid").read_text())
    wait_until_gone(grandchild)


def wait_until_gone(pid: int) -> None:
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        assert select.select([handle], [], [], 10)[0], "it lives"
    finally:
        os.close(handle)
