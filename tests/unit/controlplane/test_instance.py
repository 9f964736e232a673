"""The folder of an instance: private, held, gone at the end, together with the ports it keeps."""

import stat
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from controlplane import record, sweep
from controlplane.errors import ControlPlaneError
from controlplane.instance import Instance, claim, locked_runtime, sweep_leftovers


@pytest.fixture(autouse=True)
def _own_runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def test_an_instance_has_a_private_folder_and_leaves_no_trace(tmp_path: Path) -> None:
    with claim("t") as instance:
        assert stat.S_IMODE(instance.directory.stat().st_mode) == 0o700
        assert stat.S_IMODE(instance.directory.parent.stat().st_mode) == 0o700
        assert instance.directory.name.startswith("t-")
        assert sweep.is_held(instance.directory)
    assert list(tmp_path.iterdir()) == []


def test_an_exception_leaves_no_trace_either(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), claim("t"):
        _ = 1 / 0
    assert list(tmp_path.iterdir()) == []


def test_claiming_sweeps_what_others_left(tmp_path: Path) -> None:
    with locked_runtime() as runtime:
        (runtime / "left").mkdir()
    with claim("t") as instance:
        assert [path.name for path in instance.directory.parent.iterdir()] == [instance.directory.name]


def test_sweeping_leaves_living_instances(tmp_path: Path) -> None:
    with claim("t") as instance:
        assert sweep_leftovers() == []
        assert instance.directory.exists()


def test_what_is_noted_stands_in_the_folder() -> None:
    with claim("t") as instance:
        ports = instance.reserve_ports(2)
        instance.note_child("gone", 2**22)
        instance.note_kind_cluster("drover-t")
        instance.note_child("self", 1)
        noted = record.read(instance.directory)
    assert noted.ports == ports
    assert noted.kind == "drover-t"
    assert [(child.name, child.pid) for child in noted.children] == [("self", 1)]


def test_instances_started_at_once_get_folders_and_ports_of_their_own() -> None:
    def life(number: int) -> None:
        with claim(f"t{number}") as instance:
            mine = set(instance.reserve_ports(5))
            with locked_runtime() as runtime:
                others = [record.read(path).ports for path in runtime.iterdir() if path != instance.directory]
            assert mine.isdisjoint(port for ports in others for port in ports)
            assert len(mine) == 5

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(life, range(64)))


def test_two_instances_side_by_side_have_no_port_in_common() -> None:
    def ports(instance: Instance) -> set[int]:
        return set(instance.reserve_ports(5))

    with claim("a") as first, claim("b") as second:
        assert ports(first).isdisjoint(ports(second))


@pytest.mark.parametrize("what", ["open to others", "a link", "a file"])
def test_a_runtime_folder_that_others_could_write_is_refused(tmp_path: Path, what: str) -> None:
    with locked_runtime() as runtime:
        pass
    if what == "open to others":
        runtime.chmod(0o777)
    else:
        runtime.rmdir()
        if what == "a link":
            (tmp_path / "elsewhere").mkdir()
            runtime.symlink_to(tmp_path / "elsewhere")
        else:
            runtime.touch()
    with pytest.raises(ControlPlaneError, match="TMPDIR"), claim("t"):
        pass
