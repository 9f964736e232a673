"""The subresources that virt-api serves beside the API server (pkg/virt-api/rest/{subresource,lifecycle}.go)."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import yaml

from virtsim.cluster.client import ApiError, Client
from virtsim.objects.resources import VMIS, VMS, Object, Resource
from virtsim.versions import Version
from virtsim.virt_api.refusals import bad_request, conflict, internal, not_found

VM = "virtualmachine"
VMI = "virtualmachineinstance"


@dataclass(frozen=True, slots=True)
class Call:
    """One PUT of a subresource: of what, with which options. `client` asks for virt-api."""

    client: Client
    version: Version
    namespace: str
    name: str
    body: bytes

    def options(self) -> Object:
        """The body, JSON or YAML; none is no options. Raises RefusedError."""
        try:
            options = yaml.safe_load(self.body) or {}
        except yaml.YAMLError as error:
            raise bad_request(f"Can not unmarshal Request body to struct, error: {error}") from error
        if not isinstance(options, dict):
            message = f"json: cannot unmarshal {type(options).__name__} into Go value"
            raise bad_request(f"Can not unmarshal Request body to struct, error: {message}")
        return options

    async def vmi(self) -> Object:
        """The VMI of that name. Raises RefusedError."""
        return await self._get(VMIS, VMI, "vmi")

    async def vm(self) -> Object:
        """The VM of that name. Raises RefusedError."""
        return await self._get(VMS, VM, "vm")

    async def vmi_of_vm(self) -> Object:
        """The VMI that a VM of that name runs in. Raises RefusedError."""
        vm = await self.vm()
        if not (vm.get("status") or {}).get("created"):
            raise conflict(VM, self.name, "VMI is not started")
        vmi = await self.vmi()
        owners = [owner["uid"] for owner in vmi["metadata"].get("ownerReferences") or ()]
        if vm["metadata"]["uid"] not in owners:
            raise internal(f"unable to retrieve vmi [{self.name}] for vm: <nil>")
        return vmi

    async def _get(self, resource: Resource, kind: str, short: str) -> Object:
        try:
            return await self.client.get(resource, self.namespace, self.name)
        except ApiError as error:
            if error.code == 404:
                raise not_found(kind, self.name) from error
            raise internal(f"unable to retrieve {short} [{self.name}]: {error.message}") from error


Subresource = Callable[[Call], Awaitable[int]]
"""Does what the subresource is for and answers with an HTTP status, without a word. Raises RefusedError."""


def dry_run(options: Object) -> dict[str, Any]:
    """The query of a request that is to be rehearsed only, if the options say so."""
    wanted = options.get("dryRun") or []
    return {"dryRun": wanted[0]} if wanted else {}
