"""Installs the definitions, unless the cluster's kubevirt.io belongs to somebody else."""

import asyncio
import re
from pathlib import Path
from typing import Any

import yaml

from virtsim.cluster.client import MERGE_PATCH, ApiError, Client
from virtsim.crds import roles
from virtsim.crds.older import as_of
from virtsim.objects import keys
from virtsim.objects.conditions import is_true
from virtsim.objects.resources import CRDS, Object
from virtsim.versions import NEWEST, Version

GROUP = "kubevirt.io"
FOLDER = Path(__file__).parent
NAMES = (
    "kubevirts",
    "migrationpolicies",
    "virtualmachines",
    "virtualmachineinstances",
    "virtualmachineinstancemigrations",
)
REFERENCE = re.compile("<([a-z]+)>")
ESTABLISHED_WITHIN_SECONDS = 30.0


class ForeignKubeVirtError(Exception):
    """The cluster has kubevirt.io definitions that the simulator did not install: it may be a real KubeVirt."""


def definitions(version: Version = NEWEST) -> list[Object]:
    """The CRDs as this version of KubeVirt has them."""
    crds = [_load(name) for name in NAMES]
    for crd in crds:
        crd["metadata"]["labels"] = {keys.SIMULATED_CRD: "true"}
        if crd["spec"]["group"] == GROUP:
            crd["spec"]["versions"].append(_as_it_was_called(crd))
    return as_of(version, crds)


async def install(client: Client, version: Version = NEWEST) -> None:
    """Creates or renews the CRDs, which it waits for, and the roles.

    Raises ForeignKubeVirtError when any definition in a group of KubeVirt's is not the simulator's own.
    """
    await refuse_foreign(client)
    wanted = definitions(version)
    await roles.install(client)
    await asyncio.gather(*(_apply(client, crd) for crd in wanted))
    async with asyncio.timeout(ESTABLISHED_WITHIN_SECONDS):
        await asyncio.gather(*(_established(client, crd["metadata"]["name"]) for crd in wanted))


async def refuse_foreign(client: Client) -> None:
    """Raises ForeignKubeVirtError naming the definitions that are not ours."""
    listed = await client.list(CRDS)
    foreign = sorted(
        crd["metadata"]["name"]
        for crd in listed["items"]
        if _is_kubevirts(crd["spec"]["group"]) and crd["metadata"].get("labels", {}).get(keys.SIMULATED_CRD) != "true"
    )
    if foreign:
        raise ForeignKubeVirtError(
            f"this cluster has kubevirt.io definitions that virtsim did not install ({', '.join(foreign)}): it may run "
            f"a real KubeVirt, and virtsim will not write to it. Use another cluster, or delete these definitions."
        )


def _is_kubevirts(group: str) -> bool:
    return group == GROUP or group.endswith(f".{GROUP}")


def _as_it_was_called(crd: Object) -> Object:
    """The version v1alpha3 of a kind: deprecated, still served, and no different."""
    return {**crd["spec"]["versions"][0], "name": "v1alpha3", "storage": False, "deprecated": True}


def _load(name: str) -> Object:
    loaded: Object = _completed(yaml.safe_load((FOLDER / f"{name}.yaml").read_text()))
    return loaded


def _completed(part: Any) -> Any:
    """With the content of the file `name.yaml` wherever it says `<name>`."""
    if isinstance(part, dict):
        return {key: _completed(value) for key, value in part.items()}
    if isinstance(part, list):
        return [_completed(entry) for entry in part]
    named = REFERENCE.fullmatch(part) if isinstance(part, str) else None
    return _load(named[1]) if named is not None else part


async def _apply(client: Client, crd: Object) -> None:
    try:
        await client.create(CRDS, crd)
    except ApiError as error:
        if error.code != 409:
            raise
        # A merge patch would keep a field that is no longer in the schema; versions is a list and is replaced whole.
        await client.patch(CRDS, "", crd["metadata"]["name"], {"spec": crd["spec"]}, MERGE_PATCH)


async def _established(client: Client, name: str) -> None:
    while not is_true(await client.get(CRDS, "", name), "Established"):  # noqa: ASYNC110 - another process does it
        await asyncio.sleep(0.05)
