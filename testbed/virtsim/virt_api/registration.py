"""The webhook configurations (pkg/virt-operator/resource/generate/components/webhooks.go), put in and taken out."""

import asyncio
import base64
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from virtsim.cluster.client import ApiError, Client
from virtsim.identities import KUBEVIRTS_OWN
from virtsim.objects.keys import SIMULATED_CRD
from virtsim.objects.resources import MUTATING, VALIDATING, Object, Resource

VALIDATOR = "virt-api-validator"
MUTATOR = "virt-api-mutator"
VMIMS, VMIS, VMS = "virtualmachineinstancemigrations", "virtualmachineinstances", "virtualmachines"
BY_A_USER = f"!(request.userInfo.username in [{', '.join(repr(name) for name in sorted(KUBEVIRTS_OWN))}])"
UNFINISHED = "request.operation == 'CREATE' && (!has(object.status) || !has(object.status.phase))"
"""A VMI that virt-controller made of a VM: nobody has filled it in yet."""


@dataclass(frozen=True, slots=True)
class Webhook:
    """One entry of a configuration. `condition`: a CEL expression without which the webhook is not called."""

    name: str
    path: str
    operations: tuple[str, ...]
    plural: str
    group: str = "kubevirt.io"
    api_version: str = "v1"
    condition: str = ""
    side_effects: str = "None"

    def rendered(self, url: str, bundle: str) -> Object:
        conditions = [{"name": "when", "expression": self.condition}] if self.condition else []
        rule = {
            "apiGroups": [self.group],
            "apiVersions": [self.api_version],
            "operations": list(self.operations),
            "resources": [self.plural],
        }
        return {
            "name": self.name,
            "clientConfig": {"url": f"{url}{self.path}", "caBundle": bundle},
            "rules": [rule],
            "matchConditions": conditions,
            "failurePolicy": "Fail",
            "sideEffects": self.side_effects,
            "timeoutSeconds": 10,
            "admissionReviewVersions": ["v1"],
        }


def _eviction(name: str, prefix: str) -> Webhook:
    condition = f"object.metadata.name.startsWith('{prefix}')"
    path, kind = "/pod-eviction-validate", "pods/eviction"
    return Webhook(name, path, ("CREATE",), kind, group="", condition=condition, side_effects="NoneOnDryRun")


VALIDATING_WEBHOOKS = (
    _eviction("virt-launcher-eviction-interceptor.kubevirt.io", "virt-launcher"),
    _eviction("hotplug-pod-eviction-interceptor.kubevirt.io", "hp-volume-"),
    Webhook(
        "virtualmachineinstances-create-validator.kubevirt.io",
        "/virtualmachineinstances-validate-create",
        ("CREATE",),
        VMIS,
        condition=f"{BY_A_USER} || {UNFINISHED}",
    ),
    Webhook(
        "virtualmachineinstances-update-validator.kubevirt.io",
        "/virtualmachineinstances-validate-update",
        ("UPDATE",),
        VMIS,
        condition=BY_A_USER,
    ),
    Webhook(
        "virtualmachine-validator.kubevirt.io",
        "/virtualmachines-validate",
        ("CREATE", "UPDATE"),
        VMS,
        condition=BY_A_USER,
    ),
    Webhook("migration-create-validator.kubevirt.io", "/migration-validate-create", ("CREATE",), VMIMS),
    Webhook("migration-update-validator.kubevirt.io", "/migration-validate-update", ("UPDATE",), VMIMS),
    Webhook(
        "migration-policy-validator.kubevirt.io",
        "/migration-policy-validate-create",
        ("CREATE", "UPDATE"),
        "migrationpolicies",
        group="migrations.kubevirt.io",
        api_version="v1alpha1",
    ),
)

MUTATING_WEBHOOKS = (
    Webhook(
        "virtualmachines-mutator.kubevirt.io",
        "/virtualmachines-mutate",
        ("CREATE", "UPDATE"),
        VMS,
        condition=BY_A_USER,
    ),
    Webhook(
        "virtualmachineinstances-mutator.kubevirt.io",
        "/virtualmachineinstances-mutate",
        ("CREATE", "UPDATE"),
        VMIS,
        condition=f"{BY_A_USER} || {UNFINISHED}",
    ),
    Webhook("migrations-mutator.kubevirt.io", "/migration-mutate-create", ("CREATE",), VMIMS),
)


def configurations(url: str, authority: bytes) -> list[tuple[Resource, Object]]:
    """Both configurations for a server at `url` whose certificate `authority` (PEM) signed."""
    bundle = base64.b64encode(authority).decode()

    def configuration(kind: str, name: str, webhooks: tuple[Webhook, ...]) -> dict[str, Any]:
        return {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": kind,
            "metadata": {"name": name, "labels": {SIMULATED_CRD: "true"}},
            "webhooks": [webhook.rendered(url, bundle) for webhook in webhooks],
        }

    return [
        (VALIDATING, configuration("ValidatingWebhookConfiguration", VALIDATOR, VALIDATING_WEBHOOKS)),
        (MUTATING, configuration("MutatingWebhookConfiguration", MUTATOR, MUTATING_WEBHOOKS)),
    ]


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
