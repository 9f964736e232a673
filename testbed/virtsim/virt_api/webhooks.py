"""The webhooks by their paths in KubeVirt."""

import logging
from collections.abc import Awaitable, Callable

from aiohttp import web

from virtsim.cluster.client import Client
from virtsim.objects.kubevirt import configuration_of
from virtsim.objects.resources import KUBEVIRTS, Object
from virtsim.versions import Version
from virtsim.virt_api import evictions, migrations, policies, vmis, vms
from virtsim.virt_api.review import Denial, Request, allowed, denied, request_of

logger = logging.getLogger(__name__)

Verdict = Callable[[Request], Awaitable[Denial | None]]
Mutation = Callable[[Request], Awaitable[list[Object]]]
Answer = Callable[[Request], Awaitable[bytes]]


def add_routes(application: web.Application, client: Client, version: Version) -> None:
    """Answers to admission reviews; `client` reads for them."""
    answers = {path: _judging(verdict) for path, verdict in _verdicts(client, version).items()}
    answers |= {path: _changing(mutation) for path, mutation in _mutations(client).items()}
    for path, answer in answers.items():
        application.router.add_post(path, _handler(answer))


def _verdicts(client: Client, version: Version) -> dict[str, Verdict]:
    async def evict(request: Request) -> Denial | None:
        return await evictions.admit(client, version, request)

    async def create_migration(request: Request) -> Denial | None:
        return await migrations.admit_create(client, version, request)

    async def update_migration(request: Request) -> Denial | None:
        return migrations.admit_update(request)

    async def create_vmi(request: Request) -> Denial | None:
        return vmis.admit_create(request)

    async def update_vmi(request: Request) -> Denial | None:
        return vmis.admit_update(request)

    async def vm(request: Request) -> Denial | None:
        return vms.admit(request, await _kubevirts(client), version)

    async def policy(request: Request) -> Denial | None:
        return policies.admit(request, await _kubevirts(client), version)

    return {
        "/pod-eviction-validate": evict,
        "/migration-validate-create": create_migration,
        "/migration-validate-update": update_migration,
        "/migration-policy-validate-create": policy,
        "/virtualmachineinstances-validate-create": create_vmi,
        "/virtualmachineinstances-validate-update": update_vmi,
        "/virtualmachines-validate": vm,
    }


def _mutations(client: Client) -> dict[str, Mutation]:
    async def migration(request: Request) -> list[Object]:
        return migrations.mutation(request)

    async def vmi(request: Request) -> list[Object]:
        if request.old:
            return vmis.mutation(request)
        return vmis.creation(request.new, configuration_of(await _kubevirts(client)))

    async def vm(request: Request) -> list[Object]:
        return vms.mutation(request, configuration_of(await _kubevirts(client)))

    return {
        "/migration-mutate-create": migration,
        "/virtualmachineinstances-mutate": vmi,
        "/virtualmachines-mutate": vm,
    }


async def _kubevirts(client: Client) -> list[Object]:
    kubevirts: list[Object] = (await client.list(KUBEVIRTS))["items"]
    return kubevirts


def _judging(verdict: Verdict) -> Answer:
    async def answer(request: Request) -> bytes:
        denial = await verdict(request)
        return allowed(request) if denial is None else denied(request, denial)

    return answer


def _changing(mutation: Mutation) -> Answer:
    """Its changes. What it cannot read it leaves as it is: the definition refuses that next, with the field's name."""

    async def answer(request: Request) -> bytes:
        try:
            return allowed(request, await mutation(request))
        except (ValueError, TypeError, AttributeError) as error:
            logger.info("%s/%s is not changed: %s", request.namespace, request.name, error)
            return allowed(request)

    return answer


def _handler(answer: Answer) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handle(asked: web.Request) -> web.Response:
        request = request_of(await asked.read())
        try:
            body = await answer(request)
        except ValueError as error:  # a quantity that is none, where the definition does not look
            body = denied(request, Denial(str(error)))
        return web.Response(body=body, content_type="application/json")

    return handle
