"""Where the programs come from, without building any."""

import io
import re
import shutil
from pathlib import Path

import pytest

import controlplane
from controlplane import binaries, golang
from controlplane.progress import Progress
from controlplane.recipe import KUBERNETES, TOOLS, link_flags

SOURCES = Path(controlplane.__path__[0])
TRIO = ["kube-apiserver", "kube-controller-manager", "kube-scheduler"]
ALL = list(TOOLS)


def programs(directory: Path, *names: str) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    for name in names:
        (directory / name).write_text("#!/bin/sh\n")
        (directory / name).chmod(0o755)
    return directory


@pytest.mark.parametrize(
    ("there", "needed", "taken", "said"),
    [
        (ALL, ALL, ALL, ""),
        (ALL, ["kubectl", "helm"], ["kubectl", "helm"], ""),
        ([], ALL, [], "has no etcd, kube-apiserver, kube-controller-manager, kube-scheduler, kubectl, helm: taken"),
        (["etcd", *TRIO, "kubectl"], ALL, ["etcd", *TRIO, "kubectl"], "has no helm: taken from our own cache"),
        # What envtest's setup downloads: an API server alone, whose version ours need not match.
        (
            ["etcd", "kube-apiserver", "kubectl"],
            ALL,
            ["etcd", "kubectl"],
            "kube-apiserver with them, because they must",
        ),
        (["kubectl"], ["kubectl", "helm"], ["kubectl"], "has no helm"),
    ],
)
def test_assets_give_what_they_have_and_say_what_they_have_not(
    tmp_path: Path, there: list[str], needed: list[str], taken: list[str], said: str
) -> None:
    found, line = binaries.from_assets(programs(tmp_path, *there), needed)
    assert found == {name: tmp_path / name for name in taken}
    assert said in line
    assert bool(said) == bool(line)


def test_a_file_that_cannot_be_run_is_no_asset(tmp_path: Path) -> None:
    programs(tmp_path, "helm")
    (tmp_path / "helm").chmod(0o644)
    assert binaries.from_assets(tmp_path, ["helm"])[0] == {}


def test_what_assets_lack_comes_from_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(programs(tmp_path / "assets", "kubectl")))
    monkeypatch.setattr(golang, "find", lambda: golang.Go(None, "go1.26.0"))
    cached = programs(binaries.cache_root() / binaries.cache_key("go1.26.0"), "kubectl", "helm")
    said = io.StringIO()
    assert binaries.tools(["kubectl", "helm"], Progress(said)) == {
        "kubectl": tmp_path / "assets" / "kubectl",
        "helm": cached / "helm",
    }
    assert "has no helm" in said.getvalue()


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    """A copy of the module files somewhere else."""
    for path in [*SOURCES.glob("*/go.mod"), *SOURCES.glob("*/go.sum")]:
        (tmp_path / path.parent.name).mkdir(exist_ok=True)
        shutil.copy(path, tmp_path / path.parent.name)
    return tmp_path


def test_the_cache_key_is_the_same_for_the_same_files_anywhere(sources: Path) -> None:
    assert binaries.cache_key("go1.26.8", sources) == binaries.cache_key("go1.26.8", SOURCES)


def test_the_cache_key_changes_with_the_version_of_go() -> None:
    assert binaries.cache_key("go1.26.8") != binaries.cache_key("go1.26.9")


@pytest.mark.parametrize("family", ["etcd", "kube", "helm"])
@pytest.mark.parametrize("file", ["go.mod", "go.sum"])
def test_the_cache_key_changes_with_every_module_file(sources: Path, family: str, file: str) -> None:
    before = binaries.cache_key("go1.26.8", sources)
    with (sources / family / file).open("a") as changed:
        changed.write("\n")
    assert binaries.cache_key("go1.26.8", sources) != before


@pytest.mark.parametrize("name", TOOLS)
def test_go_mod_declares_what_the_recipe_builds(name: str) -> None:
    tool = TOOLS[name]
    module = (SOURCES / tool.family / "go.mod").read_text()
    # The module is a prefix of the package: the line `<module> <version>` requires it.
    required = dict(re.findall(r"^\t?(?:require )?(\S+) (v\S+)(?: // indirect)?$", module, re.MULTILINE))
    owner = max((path for path in required if f"{tool.package}/".startswith(f"{path}/")), key=len)
    assert required[owner] == tool.version
    assert re.search(rf"^(\t|tool ){re.escape(tool.package)}$", module, re.MULTILINE)


def test_every_staging_module_is_replaced_by_the_one_of_this_kubernetes() -> None:
    module = (SOURCES / "kube" / "go.mod").read_text()
    replaced = re.findall(r"^\t(k8s\.io/\S+) => (\S+) v0\.(\S+)$", module, re.MULTILINE)
    assert len(replaced) == 33
    assert {(old == new, f"v1.{version}") for old, new, version in replaced} == {(True, KUBERNETES)}


def test_kubernetes_programs_are_stamped_in_both_version_packages() -> None:
    flags = link_flags("kube")
    for package in ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version"):
        assert f"-X {package}.gitVersion={KUBERNETES} -X {package}.gitMajor=1 -X {package}.gitMinor=36" in flags
    assert "-X" not in link_flags("etcd")
