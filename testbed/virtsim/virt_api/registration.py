"""Puts in what makes the API server call virt-api, and takes it out."""

import asyncio
from collections.abc import Iterable

from virtsim.cluster.client import ApiError, Client
from virtsim.objects.resources import MUTATING, VALIDATING, Object, Resource
from virtsim.virt_api.configurations import MUTATOR, VALIDATOR, configurations


async def register(client: Client, url: str, authority: bytes) -> None:
    """Puts the configurations in, in the place of what an earlier simulator left."""
    for resource, wanted in configurations(url, authority):
        await replace(client, resource, wanted)


async def unregister(client: Client) -> None:
    """Takes them out, so that a cluster that outlives the simulator is not blocked."""
    await delete_all(client, [(VALIDATING, "", VALIDATOR), (MUTATING, "", MUTATOR)])


async def delete_all(client: Client, objects: Iterable[tuple[Resource, str, str]]) -> None:
    """Deletes every one of them (by namespace and name), also when another could not be. Raises the first error."""
    answers = await asyncio.gather(*(client.delete(*each) for each in objects), return_exceptions=True)
    for answer in answers:
        if answer is not None:
            raise answer


async def replace(client: Client, resource: Resource, wanted: Object) -> None:
    """Creates an object in the place of one of the same name."""
    try:
        await client.create(resource, wanted)
    except ApiError as error:
        if error.code != 409:
            raise
        metadata = wanted["metadata"]
        await client.delete(resource, metadata.get("namespace", ""), metadata["name"])
        await client.create(resource, wanted)
