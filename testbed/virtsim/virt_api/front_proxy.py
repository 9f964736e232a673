"""Who asks: the API server forwards a request in its own name and says in headers whose it is.

https://kubernetes.io/docs/tasks/extend-kubernetes/configure-aggregation-layer/#authentication-flow
"""

import json
from dataclasses import dataclass
from urllib.parse import unquote

from aiohttp import web

from virtsim.cluster.client import ApiError, Client
from virtsim.objects.resources import CONFIG_MAPS


@dataclass(frozen=True, slots=True)
class User:
    """The one a request was forwarded for."""

    name: str
    groups: tuple[str, ...]
    extra: dict[str, list[str]]


class UnauthenticatedError(Exception):
    """The request did not come through the API server, or does not say whose it is."""


@dataclass(frozen=True, slots=True)
class FrontProxy:
    """How to know the API server, by its client certificate, and where it says who asks.

    `authority`: PEM. `names`: the common names it may have; none are any.
    """

    authority: str
    names: tuple[str, ...]
    user_headers: tuple[str, ...]
    group_headers: tuple[str, ...]
    extra_prefixes: tuple[str, ...]

    def user_of(self, request: web.Request) -> User:
        """Whose request this is. Raises UnauthenticatedError, in virt-api's words."""
        certificate = request.transport.get_extra_info("peercert") if request.transport is not None else None
        if not certificate or not self._is_known(certificate):
            raise UnauthenticatedError("request is not authenticated")
        names = [name for header in self.user_headers for name in request.headers.getall(header, [])]
        groups = [group for header in self.group_headers for group in request.headers.getall(header, [])]
        if not names:
            raise UnauthenticatedError("a valid user header is required for authorization")
        if not groups:
            raise UnauthenticatedError("a valid group header is required for authorization")
        return User(names[0], tuple(groups), self._extra(request))

    def _is_known(self, certificate: dict[str, tuple[tuple[tuple[str, str], ...], ...]]) -> bool:
        """The handshake has checked who signed it."""
        subject = {key: value for part in certificate.get("subject", ()) for key, value in part}
        return not self.names or subject.get("commonName") in self.names

    def _extra(self, request: web.Request) -> dict[str, list[str]]:
        extra: dict[str, list[str]] = {}
        for header, value in request.headers.items():
            for prefix in self.extra_prefixes:
                if header.lower().startswith(prefix.lower()):
                    extra.setdefault(unquote(header[len(prefix) :].lower()), []).append(value)
        return extra


async def read(client: Client) -> FrontProxy | None:
    """What the cluster publishes of its front proxy; None if it has none, and so no aggregated APIs."""
    try:
        published = await client.get(CONFIG_MAPS, "kube-system", "extension-apiserver-authentication")
    except ApiError as error:
        if error.code == 404:
            return None
        raise
    data: dict[str, str] = published.get("data") or {}
    if "requestheader-client-ca-file" not in data:
        return None
    return FrontProxy(
        data["requestheader-client-ca-file"],
        _list(data, "requestheader-allowed-names"),
        _list(data, "requestheader-username-headers"),
        _list(data, "requestheader-group-headers"),
        _list(data, "requestheader-extra-headers-prefix"),
    )


def _list(data: dict[str, str], key: str) -> tuple[str, ...]:
    return tuple(json.loads(data.get(key) or "[]"))
