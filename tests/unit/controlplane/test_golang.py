"""Which Go builds."""

from pathlib import Path

import pytest

from controlplane import golang


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("go1.26.8", (1, 26)),
        ("go1.27rc1", (1, 27)),
        ("devel go1.28-abcdef Mon Jan 5", (1, 28)),
        ("go2.0", (2, 0)),
        ("", None),
        ("command not found", None),
    ],
)
def test_versions_are_read_as_go_writes_them(text: str, version: tuple[int, int] | None) -> None:
    assert golang.parse_version(text) == version


@pytest.mark.parametrize(
    ("script", "used"),
    [
        ("echo go1.26.0", True),
        ("echo go1.30", True),
        ("echo go1.25.11", False),
        ("echo go1.9", False),
        ("echo broken >&2; exit 3", False),
        # It must never look for another tool chain than itself.
        ('test "$GOTOOLCHAIN" = local && echo go1.26.1', True),
    ],
)
def test_only_a_go_that_is_new_enough_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, used: bool
) -> None:
    (tmp_path / "go").write_text(f"#!/bin/sh\n{script}\n")
    (tmp_path / "go").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    found = golang.find()
    assert found.program == (tmp_path / "go" if used else None)
    assert (found.version == "go1.26.6") is not used


def test_without_go_the_packaged_one_is_meant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert golang.find() == golang.Go(None, "go1.26.6")
