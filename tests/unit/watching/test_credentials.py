"""Which API server is meant, by what there is."""

from pathlib import Path

import pytest

from drover.watching.credentials import NoClusterError, load_configuration
from tests.unit.watching.server import a_kubeconfig

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with a kubeconfig that must never be used."""
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    (tmp_path / ".kube").mkdir()
    Path(a_kubeconfig(tmp_path / ".kube", "http://somebody-elses")).rename(tmp_path / ".kube" / "config")
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def in_cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A pod's service account; returns its token file."""
    token, authority = tmp_path / "token", tmp_path / "ca.crt"
    token.write_text("of-the-pod")
    authority.write_text("PEM")
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    monkeypatch.setattr("kubernetes.aio.config.incluster_config.SERVICE_TOKEN_FILENAME", str(token))
    monkeypatch.setattr("kubernetes.aio.config.incluster_config.SERVICE_CERT_FILENAME", str(authority))
    return token


async def test_the_kubeconfig_that_is_named_comes_first(
    home: Path, in_cluster: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(home / "nowhere"))
    configuration = await load_configuration(a_kubeconfig(home, "http://named", token="t"))
    assert configuration.host == "http://named"
    assert await configuration.get_api_key_with_prefix("BearerToken") == "Bearer t"


async def test_the_service_account_comes_before_the_environment(
    home: Path, in_cluster: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", a_kubeconfig(home, "http://from-environment"))
    configuration = await load_configuration(None)
    assert configuration.host == "https://10.0.0.1:443"
    assert await configuration.get_api_key_with_prefix("BearerToken") == "bearer of-the-pod"


async def test_the_environment_names_one_or_several(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", f"{home / 'nowhere'}:{a_kubeconfig(home, 'http://from-environment')}")
    assert (await load_configuration(None)).host == "http://from-environment"


@pytest.mark.parametrize("content", ["", "[]", "{}", "current-context: gone\nclusters: []\ncontexts: []\nusers: []"])
async def test_a_kubeconfig_that_says_nothing_is_an_error_in_words(home: Path, content: str) -> None:
    path = home / "broken"
    path.write_text(content)
    with pytest.raises(NoClusterError, match="no usable credentials"):
        await load_configuration(str(path))


async def test_nothing_at_all_is_an_error_and_not_somebodys_current_context(home: Path) -> None:
    with pytest.raises(NoClusterError):
        await load_configuration(None)


async def test_a_file_that_is_not_there_is_named(home: Path) -> None:
    with pytest.raises(NoClusterError, match="nowhere"):
        await load_configuration(str(home / "nowhere"))
