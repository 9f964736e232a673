"""The webhook configurations (pkg/virt-operator/resource/generate/components/webhooks.go)."""

import base64
from dataclasses import dataclass
from typing import Any

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
