"""Whether somebody may use a subresource: asked of the API server (pkg/virt-api/rest/authorizer.go)."""

from dataclasses import dataclass

from virtsim.cluster.client import Client
from virtsim.objects.resources import SUBJECT_ACCESS_REVIEWS, Object
from virtsim.virt_api.front_proxy import User

VERBS = {"GET": "get", "HEAD": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


@dataclass(frozen=True, slots=True)
class Attributes:
    """What is asked for.

    `subresource` is all that follows the name: a role names virtualmachineinstances/evacuate/cancel, and for the API
    server, which looks first and only at the next part, virtualmachineinstances/evacuate.
    """

    method: str
    version: str
    namespace: str
    resource: str
    name: str
    subresource: str


async def denial(client: Client, user: User, asked: Attributes) -> str | None:
    """The authorizer's reason for a no, which is mostly empty; None for a yes."""
    answer = await client.create(SUBJECT_ACCESS_REVIEWS, review(user, asked))
    status = answer["status"]
    return None if status.get("allowed") else status.get("reason", "")


def review(user: User, asked: Attributes) -> Object:
    """The SubjectAccessReview."""
    return {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "metadata": {},
        "spec": {
            "user": user.name,
            "groups": list(user.groups),
            "extra": user.extra,
            "resourceAttributes": {
                "group": "subresources.kubevirt.io",
                "version": asked.version,
                "namespace": asked.namespace,
                "verb": VERBS.get(asked.method, asked.method.lower()),
                "resource": asked.resource,
                "name": asked.name,
                "subresource": asked.subresource,
            },
        },
    }
