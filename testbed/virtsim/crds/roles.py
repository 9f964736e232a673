"""KubeVirt's ClusterRoles for users (pkg/virt-operator/resource/generate/rbac/cluster.go), for what is simulated.

`kubevirt.io:migrate` alone lets somebody create migrations; it is not part of Kubernetes' own admin, edit and view.
"""

import asyncio

from virtsim.cluster.client import ApiError, Client
from virtsim.objects.keys import APP, SIMULATED_CRD
from virtsim.objects.resources import CLUSTER_ROLES, Object

KUBEVIRT, SUBRESOURCES, POLICIES = "kubevirt.io", "subresources.kubevirt.io", "migrations.kubevirt.io"
LOOK = ("get", "list", "watch")
ALL = ("get", "delete", "create", "update", "patch", "list", "watch", "deletecollection")
CHANGE = ("get", "delete", "create", "update", "patch", "list", "watch")
MACHINES = ("virtualmachines", "virtualmachineinstances")
MIGRATIONS = ("virtualmachineinstancemigrations",)
ACTS = (
    "virtualmachineinstances/pause",
    "virtualmachineinstances/unpause",
    "virtualmachineinstances/evacuate/cancel",
    "virtualmachines/evacuate/cancel",
)

Rule = tuple[str, tuple[str, ...], tuple[str, ...]]
"""API group, resources, verbs."""

RULES: dict[str, list[Rule]] = {
    "admin": [
        (SUBRESOURCES, ACTS, ("update",)),
        (KUBEVIRT, MACHINES, ALL),
        (KUBEVIRT, MIGRATIONS, LOOK),
        (POLICIES, ("migrationpolicies",), LOOK),
    ],
    "edit": [
        (SUBRESOURCES, ACTS, ("update",)),
        (KUBEVIRT, MACHINES, CHANGE),
        (KUBEVIRT, MIGRATIONS, LOOK),
        (KUBEVIRT, ("kubevirts",), ("get", "list")),
        (POLICIES, ("migrationpolicies",), LOOK),
    ],
    "view": [
        (KUBEVIRT, ("kubevirts",), ("get", "list")),
        (KUBEVIRT, (*MACHINES, *MIGRATIONS), LOOK),
        (POLICIES, ("migrationpolicies",), LOOK),
    ],
    "migrate": [
        (SUBRESOURCES, ("virtualmachines/migrate",), ("update",)),
        (KUBEVIRT, MIGRATIONS, ALL),
    ],
}
AGGREGATED = ("admin", "edit", "view")


def cluster_roles() -> list[Object]:
    """The roles as they are created."""
    return [_role(name, rules) for name, rules in RULES.items()]


async def install(client: Client) -> None:
    """Creates or renews the roles; they stay, as the definitions do."""
    await asyncio.gather(*(_apply(client, role) for role in cluster_roles()))


def _role(name: str, rules: list[Rule]) -> Object:
    aggregated = {f"rbac.authorization.k8s.io/aggregate-to-{name}": "true"} if name in AGGREGATED else {}
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": f"kubevirt.io:{name}", "labels": {APP: "", SIMULATED_CRD: "true", **aggregated}},
        "rules": [
            {"apiGroups": [group], "resources": list(resources), "verbs": list(verbs)}
            for group, resources, verbs in rules
        ],
    }


async def _apply(client: Client, role: Object) -> None:
    try:
        await client.create(CLUSTER_ROLES, role)
    except ApiError as error:
        if error.code != 409:
            raise
        await client.update(CLUSTER_ROLES, role)
