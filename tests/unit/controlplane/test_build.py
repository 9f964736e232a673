"""Building, with a `go` of our own that is quick."""

import io
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from controlplane.build import build
from controlplane.errors import ControlPlaneError
from controlplane.golang import Go
from controlplane.progress import Progress

SCRIPT = """
    #!/bin/sh
    # Notes each call; writes the file after -o in two parts.
    echo "$*" >> "$(dirname "$0")/calls"
    while [ "$1" != -o ]; do shift; done
    printf half > "$2"
    {between}
    printf done >> "$2"
"""


def a_go(directory: Path, between: str = "") -> Go:
    directory.mkdir(parents=True, exist_ok=True)
    program = directory / "go"
    program.write_text(textwrap.dedent(SCRIPT).lstrip().format(between=between))
    program.chmod(0o755)
    return Go(program, "go1.26.0")


def calls(go: Go) -> list[str]:
    assert go.program is not None
    return (go.program.parent / "calls").read_text().splitlines()


def test_each_program_is_built_once_with_a_line_of_progress(tmp_path: Path) -> None:
    go, folder, said = a_go(tmp_path / "go"), tmp_path / "cache" / "key", io.StringIO()
    build(["etcd", "helm"], folder, go, Progress(said))
    build(["etcd", "helm"], folder, go, Progress(said))
    assert sorted(path.name for path in folder.iterdir()) == ["etcd", "helm"]
    assert len(calls(go)) == 2
    assert "control plane: [1/2] etcd v3.6.16: 0 s\n" in said.getvalue()
    assert "control plane: [2/2] helm v4.2.4: 0 s\n" in said.getvalue()


def test_builds_are_reproducible_and_read_the_committed_module_files_only(tmp_path: Path) -> None:
    go = a_go(tmp_path / "go")
    build(["kubectl"], tmp_path / "key", go, Progress(io.StringIO()))
    (call,) = calls(go)
    assert "-trimpath" in call
    assert "-mod=readonly" in call
    assert "-X k8s.io/client-go/pkg/version.gitVersion=v1.36.4" in call
    assert call.endswith(" k8s.io/kubernetes/cmd/kubectl")


def test_a_failed_build_says_why_and_leaves_nothing_to_be_run(tmp_path: Path) -> None:
    go, folder = a_go(tmp_path / "go", "echo no required module >&2; exit 7"), tmp_path / "cache" / "key"
    with pytest.raises(ControlPlaneError, match="ended with 7:\nno required module"):
        build(["etcd"], folder, go, Progress(io.StringIO()))
    assert not (folder / "etcd").exists()


def test_two_processes_build_a_program_once(tmp_path: Path) -> None:
    # It waits in the middle of the file until the second stands before the lock.
    go = a_go(tmp_path / "go", f"while [ ! -e {tmp_path}/go-on ]; do sleep 0.02; done")
    code = (
        "import pathlib, sys; from controlplane.build import build; from controlplane.golang import Go;"
        "from controlplane.progress import Progress; base = pathlib.Path(sys.argv[1]);"
        "build(['etcd'], base / 'cache' / 'key', Go(base / 'go' / 'go', 'go1.26.0'), Progress())"
    )
    first, second = (
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    )
    with first, second:
        assert first.stderr is not None
        assert second.stderr is not None
        waiting = "another process is building, waiting for it"
        # One of them gets the lock; the other says that it waits and only then the build goes on.
        lines = {first: first.stderr.readline(), second: second.stderr.readline()}
        assert sum(waiting in line for line in lines.values()) == 1
        (tmp_path / "go-on").touch()
        assert first.wait() == second.wait() == 0
    assert len(calls(go)) == 1
    assert (tmp_path / "cache" / "key" / "etcd").read_text() == "halfdone"
