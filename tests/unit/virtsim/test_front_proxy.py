"""Who asks for a subresource, and what the API server is asked about it."""

from typing import Any

import pytest
from aiohttp.test_utils import make_mocked_request

from virtsim.versions import KNOWN, Version
from virtsim.virt_api.aggregated import documents, served
from virtsim.virt_api.authorization import Attributes, review
from virtsim.virt_api.front_proxy import FrontProxy, UnauthenticatedError, User
from virtsim.virt_api.refusals import RefusedError, bad_request, conflict, internal, not_found

PROXY = FrontProxy("PEM", ("front-proxy-client",), ("X-Remote-User",), ("X-Remote-Group",), ("X-Remote-Extra-",))
ALICE = {
    "X-Remote-User": "alice",
    "X-Remote-Group": "developers",
    "X-Remote-Extra-Scopes": "all",
    "X-Remote-Extra-Acme.com%2fproject": "shop",
}


class _Transport:
    """A connection whose peer showed a certificate of that name, or none."""

    def __init__(self, name: str | None) -> None:
        self._name = name

    def get_extra_info(self, key: str) -> Any:
        if key != "peercert" or self._name is None:
            return None
        return {"subject": ((("commonName", self._name),),)}


def _user(headers: dict[str, str], name: str | None = "front-proxy-client", proxy: FrontProxy = PROXY) -> User:
    request = make_mocked_request("PUT", "/", headers=headers, transport=_Transport(name))
    return proxy.user_of(request)


def test_the_user_is_in_the_headers() -> None:
    assert _user(ALICE) == User("alice", ("developers",), {"scopes": ["all"], "acme.com/project": ["shop"]})


UNAUTHENTICATED: list[tuple[dict[str, str], str | None, str]] = [
    (ALICE, None, "request is not authenticated"),
    (ALICE, "somebody", "request is not authenticated"),
    ({"X-Remote-Group": "developers"}, "front-proxy-client", "a valid user header is required for authorization"),
    ({"X-Remote-User": "alice"}, "front-proxy-client", "a valid group header is required for authorization"),
]


@pytest.mark.parametrize(("headers", "name", "message"), UNAUTHENTICATED)
def test_who_is_not_believed(headers: dict[str, str], name: str | None, message: str) -> None:
    with pytest.raises(UnauthenticatedError, match=message):
        _user(headers, name)


def test_without_a_list_of_names_any_certificate_will_do() -> None:
    anybody = FrontProxy("PEM", (), PROXY.user_headers, PROXY.group_headers, ())
    assert _user(ALICE, "whoever", anybody) == User("alice", ("developers",), {})


def test_the_whole_rest_of_the_path_is_the_subresource() -> None:
    asked = Attributes("PUT", "v1", "shop", "virtualmachineinstances", "web", "evacuate/cancel")
    spec = review(User("alice", ("developers",), {}), asked)["spec"]
    assert (spec["user"], spec["groups"]) == ("alice", ["developers"])
    assert spec["resourceAttributes"] == {
        "group": "subresources.kubevirt.io",
        "version": "v1",
        "namespace": "shop",
        "verb": "update",
        "resource": "virtualmachineinstances",
        "name": "web",
        "subresource": "evacuate/cancel",
    }


@pytest.mark.parametrize("version", KNOWN)
def test_discovery_names_what_is_served(version: Version) -> None:
    acts = served(version)
    assert ("virtualmachineinstances/evacuate/cancel" in acts) is (version.minor >= 7)
    assert "virtualmachines/migrate" in acts
    for served_version in ("v1", "v1alpha3"):
        document = documents(acts)[f"/apis/subresources.kubevirt.io/{served_version}"]
        assert {entry["name"] for entry in document["resources"]} == set(acts)


REFUSALS: list[tuple[RefusedError, int, str, str]] = [
    (not_found("virtualmachine", "web"), 404, "NotFound", 'virtualmachine.kubevirt.io "web" not found'),
    (
        conflict("virtualmachine", "web", "VM is not running"),
        409,
        "Conflict",
        'Operation cannot be fulfilled on virtualmachine.kubevirt.io "web": VM is not running',
    ),
    (bad_request("No body"), 400, "BadRequest", "No body"),
    (internal("no"), 500, "InternalError", "Internal error occurred: no"),
]


@pytest.mark.parametrize(("refused", "code", "reason", "message"), REFUSALS)
def test_refusals_are_statuses(refused: RefusedError, code: int, reason: str, message: str) -> None:
    status = refused.status()
    assert (status["kind"], status["status"]) == ("Status", "Failure")
    assert (status["code"], status["reason"], status["message"]) == (code, reason, message)
