"""The webhook configurations (pkg/virt-operator/resource/generate/components/webhooks.go), put in and taken out."""

import base64
from typing import Any

from virtsim.cluster.client import ApiError, Client
from virtsim.identities import SERVICE_ACCOUNTS
from virtsim.objects.keys import SIMULATED_CRD
from virtsim.objects.resources import MUTATING, VALIDATING, Object, Resource

VALIDATOR = "virt-api-validator"
MUTATOR = "virt-api-mutator"
BY_USERS = [{"name": "not-by-kubevirt", "expression": f"!request.userInfo.username.startsWith('{SERVICE_ACCOUNTS}')"}]


def configurations(url: str, authority: bytes) -> list[tuple[Resource, Object]]:
    """Both configurations for a server at `url` whose certificate `authority` (PEM) signed."""

    def webhook(name: str, path: str, operation: str, plural: str, **more: Any) -> Object:
        rule = {"apiGroups": ["kubevirt.io"], "apiVersions": ["v1"], "operations": [operation], "resources": [plural]}
        bundle = base64.b64encode(authority).decode()
        return {
            "name": name,
            "clientConfig": {"url": f"{url}{path}", "caBundle": bundle},
            "rules": [rule],
            "failurePolicy": "Fail",
            "sideEffects": "None",
            "timeoutSeconds": 10,
            "admissionReviewVersions": ["v1"],
            **more,
        }

    vmims, vmis = "virtualmachineinstancemigrations", "virtualmachineinstances"
    validating = [
        webhook("migration-create-validator.kubevirt.io", "/migration-validate-create", "CREATE", vmims),
        webhook("migration-update-validator.kubevirt.io", "/migration-validate-update", "UPDATE", vmims),
        webhook(
            "virtualmachineinstances-update-validator.kubevirt.io",
            "/virtualmachineinstances-validate-update",
            "UPDATE",
            vmis,
            matchConditions=BY_USERS,
        ),
        {
            **webhook("virt-launcher-eviction-interceptor.kubevirt.io", "/pod-eviction-validate", "CREATE", "pods"),
            "rules": [
                {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods/eviction"]}
            ],
            "matchConditions": [{"name": "launcher", "expression": "object.metadata.name.startsWith('virt-launcher')"}],
            "sideEffects": "NoneOnDryRun",
        },
    ]
    mutating = [
        webhook("migrations-mutator.kubevirt.io", "/migration-mutate-create", "CREATE", vmims),
        webhook(
            "virtualmachineinstances-mutator.kubevirt.io",
            "/virtualmachineinstances-mutate",
            "UPDATE",
            vmis,
            matchConditions=BY_USERS,
        ),
    ]
    return [
        (VALIDATING, _configuration("ValidatingWebhookConfiguration", VALIDATOR, validating)),
        (MUTATING, _configuration("MutatingWebhookConfiguration", MUTATOR, mutating)),
    ]


async def register(client: Client, url: str, authority: bytes) -> None:
    """Puts the configurations in, in the place of what an earlier simulator left."""
    for resource, wanted in configurations(url, authority):
        try:
            await client.create(resource, wanted)
        except ApiError as error:
            if error.code != 409:
                raise
            await client.delete(resource, "", wanted["metadata"]["name"])
            await client.create(resource, wanted)


async def unregister(client: Client) -> None:
    """Takes them out, so that a cluster that outlives the simulator is not blocked."""
    for resource, name in ((VALIDATING, VALIDATOR), (MUTATING, MUTATOR)):
        await client.delete(resource, "", name)


def _configuration(kind: str, name: str, webhooks: list[Object]) -> Object:
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": kind,
        "metadata": {"name": name, "labels": {SIMULATED_CRD: "true"}},
        "webhooks": webhooks,
    }
