"""What a migration is given when it is handed over (migration.go, resolveMigrationConfig): it stays as it is then."""

from typing import Any

from virtsim.cluster.actor import Actor
from virtsim.objects.resources import NAMESPACES, Object
from virtsim.virt_controller import policies
from virtsim.virt_controller.configuration import migration_configuration


async def resolved(actor: Actor, vmi: Object) -> dict[str, Any]:
    """The migrationConfiguration of the migrationState, and the migrationPolicyName if one matches.

    The namespace is read live, for its labels; policies and the KubeVirt CR are the cached ones.
    """
    namespace = await actor.client.get(NAMESPACES, "", vmi["metadata"]["namespace"])
    configuration = migration_configuration(actor.caches.kubevirts)
    policy = policies.matching(actor.caches.policies, vmi, namespace)
    if policy is None:
        return {"migrationConfiguration": configuration}
    return {
        "migrationConfiguration": policies.applied(configuration, policy),
        "migrationPolicyName": policy["metadata"]["name"],
    }
