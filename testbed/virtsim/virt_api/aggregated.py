"""The aggregated API subresources.kubevirt.io: its discovery documents and its routes (pkg/virt-api/api.go)."""

from collections.abc import Awaitable, Callable

from aiohttp import web

from virtsim.cluster.client import Client
from virtsim.objects.resources import Object
from virtsim.versions import Feature, Version
from virtsim.virt_api import evacuate_cancel, migrate, pause
from virtsim.virt_api.authorization import Attributes, denial
from virtsim.virt_api.front_proxy import FrontProxy, UnauthenticatedError
from virtsim.virt_api.refusals import RefusedError
from virtsim.virt_api.subresources import Call, Subresource

GROUP = "subresources.kubevirt.io"
VERSIONS = ("v1", "v1alpha3")
ROOT = f"/apis/{GROUP}"
SUBRESOURCE = "/namespaces/{namespace}/{resource}/{name}/{subresource:.+}"

SUBRESOURCES: dict[str, tuple[Subresource, Feature | None]] = {
    "virtualmachineinstances/pause": (pause.pause, None),
    "virtualmachineinstances/unpause": (pause.unpause, None),
    "virtualmachineinstances/evacuate/cancel": (evacuate_cancel.of_vmi, Feature.EVACUATE_CANCEL),
    "virtualmachines/migrate": (migrate.of_vm, None),
    "virtualmachines/evacuate/cancel": (evacuate_cancel.of_vm, Feature.EVACUATE_CANCEL),
}
"""What is simulated of virt-api's subresources, and what a version must have for it."""


def served(version: Version) -> dict[str, Subresource]:
    """The subresources of this version of KubeVirt."""
    return {name: act for name, (act, feature) in SUBRESOURCES.items() if feature is None or version.has(feature)}


def add_routes(application: web.Application, client: Client, version: Version, proxy: FrontProxy) -> None:
    """Discovery for everybody; subresources for whom RBAC lets. `client` asks for virt-api."""
    acts = served(version)
    for path, document in documents(acts).items():
        application.router.add_get(path, _showing(document))

    async def handle(request: web.Request) -> web.Response:
        where = request.match_info
        name = f"{where['resource']}/{where['subresource']}"
        asked = Attributes(
            request.method, where["version"], where["namespace"], where["resource"], where["name"], where["subresource"]
        )
        try:
            refused = await denial(client, proxy.user_of(request), asked)
        except UnauthenticatedError as error:
            refused = str(error)
        if refused is not None:
            return web.Response(status=401, text=refused)
        if name not in acts:
            return web.Response(status=404, text="404: Page Not Found")
        if request.method != "PUT":
            return web.Response(status=405, text="405: Method Not Allowed")
        call = Call(client, version, where["namespace"], where["name"], await request.read())
        try:
            return web.Response(status=await acts[name](call))
        except RefusedError as error:
            return web.json_response(error.status(), status=error.code)

    application.router.add_route("*", f"{ROOT}/{{version:{'|'.join(VERSIONS)}}}{SUBRESOURCE}", handle)


def documents(acts: dict[str, Subresource]) -> dict[str, Object]:
    """What clients and the API server's own controllers read to know what there is, by path."""
    versions = [{"groupVersion": f"{GROUP}/{version}", "version": version} for version in VERSIONS]
    group = {"name": GROUP, "versions": versions, "preferredVersion": versions[0]}
    resources = [{"name": name, "singularName": "", "namespaced": True, "kind": "", "verbs": []} for name in acts]
    lists = {
        f"{ROOT}/{version}": {
            "kind": "APIResourceList",
            "apiVersion": "v1",
            "groupVersion": f"{GROUP}/{version}",
            "resources": resources,
        }
        for version in VERSIONS
    }
    return {
        "/": {"paths": ["/apis", "/openapi/v2", ROOT, *lists]},
        # The API server would ask again for ever.
        "/openapi/v2": {"swagger": "2.0", "info": {"title": "KubeVirt API", "version": "v1"}, "paths": {}},
        "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": [group]},
        ROOT: {"kind": "APIGroup", "apiVersion": "v1", **group},
        **lists,
        **{f"{path}/": document for path, document in lists.items()},
    }


def _showing(document: Object) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def show(request: web.Request) -> web.Response:
        return web.json_response(document)

    return show
