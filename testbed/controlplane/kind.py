"""A cluster in containers by kind (https://kind.sigs.k8s.io), for whoever has a container engine."""

import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from controlplane.errors import ControlPlaneError
from controlplane.instance import Instance

_ENGINES = ("docker", "podman")
_WAIT = "120s"


@contextlib.contextmanager
def kind_running(instance: Instance) -> Iterator[Path]:
    """The kubeconfig of a new kind cluster, which is deleted at the end.

    Raises ControlPlaneError if there is no kind, if no engine answers, or with kind's words if it fails.
    """
    require_kind()
    # Named by the instance's folder, which is unique; kind allows [a-z0-9.-] only.
    name = "drover-" + instance.directory.name.lower().replace("_", "-")
    kubeconfig = instance.directory / "kind.kubeconfig"
    # Written down first: what is killed while kind works also leaves containers.
    instance.note_kind_cluster(name)
    try:
        _run("create", "cluster", f"--name={name}", f"--kubeconfig={kubeconfig}", f"--wait={_WAIT}")
        yield kubeconfig
    finally:
        _run("delete", "cluster", f"--name={name}", f"--kubeconfig={kubeconfig}")


def require_kind() -> None:
    """Raises ControlPlaneError, with what to do, if kind could not work here."""
    if shutil.which("kind") is None:
        raise ControlPlaneError(
            "CLUSTER=kind: there is no `kind` program on the PATH. Without CLUSTER, no engine is needed"
        )
    if not any(_answers(engine) for engine in _ENGINES):
        raise ControlPlaneError(
            f"CLUSTER=kind: neither of {', '.join(_ENGINES)} answers `info`: start the engine, or leave CLUSTER away"
        )


def _answers(engine: str) -> bool:
    if shutil.which(engine) is None:
        return False
    return subprocess.run([engine, "info"], capture_output=True, check=False).returncode == 0


def _run(*args: str) -> None:
    result = subprocess.run(["kind", *args], capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise ControlPlaneError(f"`kind {' '.join(args)}` ended with {result.returncode}: {result.stderr.strip()}")
