"""A rule that no planner can know of: an admission policy makes target pods select a label their VMs say nothing of."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tests.e2e.scene import Scene
from virtsim.objects.resources import PODS, Resource

LABEL = "example.com/admits"
ADMITS = {LABEL: "true"}
"""The label of nodes that will do."""
PICKY = {"picky": "true"}
"""The label of VMs that the rule is about."""
WITHIN_SECONDS = 30.0
GROUP = "admissionregistration.k8s.io"
POLICIES = Resource(GROUP, "v1", "mutatingadmissionpolicies", namespaced=False)
BINDINGS = Resource(GROUP, "v1", "mutatingadmissionpolicybindings", namespaced=False)
TARGETS = "['kubevirt.io/migrationJobUID', 'picky'].all(key, key in object.metadata.labels)"
PATCH = f"""[JSONPatch{{op: "add", path: "/spec/nodeSelector/{LABEL.replace("/", "~1")}", value: "true"}}]"""


@asynccontextmanager
async def an_unseen_rule(scene: Scene) -> AsyncIterator[None]:
    """The rule, in force, for the VMs of the scene that are PICKY."""
    name = f"unseen-{scene.namespace}"
    where = {"matchLabels": {"kubernetes.io/metadata.name": scene.namespace}}
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
    spec = {
        "failurePolicy": "Fail",
        "reinvocationPolicy": "Never",
        "matchConstraints": {"namespaceSelector": where, "resourceRules": [rule]},
        "matchConditions": [{"name": "targets", "expression": TARGETS}],
        "mutations": [{"patchType": "JSONPatch", "jsonPatch": {"expression": PATCH}}],
    }
    await scene.user.create(POLICIES, _object("MutatingAdmissionPolicy", name, spec))
    await scene.user.create(BINDINGS, _object("MutatingAdmissionPolicyBinding", name, {"policyName": name}))
    try:
        async with asyncio.timeout(WITHIN_SECONDS):
            while not await _in_force(scene):  # noqa: ASYNC110 - the API server tells nobody when it is
                await asyncio.sleep(0.1)
        yield
    finally:
        await scene.user.delete(BINDINGS, "", name)
        await scene.user.delete(POLICIES, "", name)


def _object(kind: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": f"{GROUP}/v1", "kind": kind, "metadata": {"name": name}, "spec": spec}


async def _in_force(scene: Scene) -> bool:
    """Asked with a pod that is never created."""
    labels = {**PICKY, "kubevirt.io/migrationJobUID": "nobody"}
    spec = {"containers": [{"name": "c", "image": "c"}], "nodeSelector": {"nobody": "here"}}
    pod = {"metadata": {"name": "asks", "namespace": scene.namespace, "labels": labels}, "spec": spec}
    made = await scene.user.create(PODS, pod, dryRun="All")
    return LABEL in made["spec"]["nodeSelector"]
