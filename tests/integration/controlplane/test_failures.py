"""A server that does not come up says why."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from controlplane.binaries import tools
from controlplane.cluster import start
from controlplane.errors import ControlPlaneError
from tests.integration.controlplane.traces import processes_of


@pytest.fixture
def replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Puts something else in the place of one program."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assets = tmp_path / "assets"
    assets.mkdir()
    for name, path in tools().items():
        (assets / name).symlink_to(path)
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(assets))

    def replace(name: str, content: str) -> None:
        (assets / name).unlink()
        (assets / name).write_text(content)
        (assets / name).chmod(0o755)

    return replace


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("etcd", "#!/bin/sh\necho disk is full; exit 3", "etcd ended with 3, its last words:\ndisk is full"),
        ("kube-apiserver", "#!/bin/sh\nkill -9 $$", "kube-apiserver ended with -9"),
        (
            "kube-apiserver",
            "no program",
            "kube-apiserver ended with 1, .*\n.*kube-apiserver cannot be run: .*Exec format error",
        ),
        ("etcd", "#!/no/such/interpreter", "etcd cannot be run: .*No such file"),
    ],
)
def test_a_server_that_does_not_live_is_named_with_its_last_words(
    tmp_path: Path, replaced: Callable[[str, str], None], name: str, content: str, says: str
) -> None:
    replaced(name, content)
    with pytest.raises(ControlPlaneError, match=says), start("broken"):
        pass
    assert processes_of(tmp_path) == []
    assert [path.name for path in tmp_path.iterdir()] == ["assets"]
