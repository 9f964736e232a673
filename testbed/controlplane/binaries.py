"""Where etcd, the Kubernetes programs and helm come from: KUBEBUILDER_ASSETS, our cache, or a build from Go modules."""

import hashlib
import os
import platform
from collections.abc import Iterable
from pathlib import Path

from controlplane import golang
from controlplane.build import build
from controlplane.progress import Progress
from controlplane.recipe import TOOLS, link_flags

_HERE = Path(__file__).parent
CLIENTS = ("kubectl", "helm")
"""What is needed to use a cluster that somebody else runs."""

_ONE_VERSION = frozenset({"kube-apiserver", "kube-controller-manager", "kube-scheduler"})
"""These talk to each other and are taken from one place: a controller-manager may never be newer than its API server
(https://kubernetes.io/releases/version-skew-policy/)."""


def cache_root() -> Path:
    """The folder for everything we build; it may be deleted at any time that nothing runs."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "drover" / "controlplane"


def cache_key(go_version: str, sources: Path = _HERE) -> str:
    """A name for what these module files, this recipe and this Go version build on this kind of machine."""
    digest = hashlib.sha256(f"{go_version} {platform.system()} {platform.machine()} {link_flags('kube')}".encode())
    for path in sorted(sources.glob("*/go.mod")) + sorted(sources.glob("*/go.sum")):
        digest.update(path.relative_to(sources).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def from_assets(assets: Path, needed: Iterable[str]) -> tuple[dict[str, Path], str]:
    """What the folder KUBEBUILDER_ASSETS gives, and a line about what it does not give (empty if it gives all)."""
    wanted = list(needed)
    found = {name: assets / name for name in wanted if os.access(assets / name, os.X_OK)}
    missing = [name for name in wanted if name not in found]
    if not missing:
        return found, ""
    line = f"KUBEBUILDER_ASSETS={assets} has no {', '.join(missing)}: taken from our own cache"
    apart = sorted(_ONE_VERSION & found.keys()) if _ONE_VERSION & set(missing) else []
    for name in apart:
        del found[name]
    if apart:
        line += f", and {', '.join(apart)} with them, because they must be of one version"
    return found, line


def tools(needed: Iterable[str] = tuple(TOOLS), progress: Progress | None = None) -> dict[str, Path]:
    """The paths of these programs, built first where need be (minutes, once; the progress is shown).

    Raises ControlPlaneError if something cannot be built.
    """
    progress = progress or Progress()
    wanted = list(needed)
    found: dict[str, Path] = {}
    if assets := os.environ.get("KUBEBUILDER_ASSETS"):
        found, line = from_assets(Path(assets), wanted)
        if line:
            progress.say(line)
    missing = [name for name in wanted if name not in found]
    if missing:
        found |= _cached_or_built(missing, progress)
    return found


def _cached_or_built(needed: list[str], progress: Progress) -> dict[str, Path]:
    go = golang.find()
    folder = cache_root() / cache_key(go.version)
    missing = [name for name in needed if not (folder / name).exists()]
    if missing:
        build(missing, folder, go, progress)
    return {name: folder / name for name in needed}
