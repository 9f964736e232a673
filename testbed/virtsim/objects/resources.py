"""The resources the simulator reads and writes, and where the API server serves them."""

from dataclasses import dataclass
from typing import Any

Object = dict[str, Any]
"""One API object as JSON. `metadata.managedFields` is dropped on reading."""

Key = tuple[str, str]
"""Namespace (empty for cluster-scoped objects) and name."""


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource of one API version."""

    group: str
    version: str
    plural: str
    namespaced: bool = True

    def path(self, namespace: str = "", name: str = "", subresource: str = "") -> str:
        """The URL path of the collection, of an object or of a subresource."""
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        scope = f"/namespaces/{namespace}" if self.namespaced and namespace else ""
        tail = "".join(f"/{part}" for part in (name, subresource) if part)
        return f"{root}{scope}/{self.plural}{tail}"


NODES = Resource("", "v1", "nodes", namespaced=False)
NAMESPACES = Resource("", "v1", "namespaces", namespaced=False)
PODS = Resource("", "v1", "pods")
QUOTAS = Resource("", "v1", "resourcequotas")
LIMIT_RANGES = Resource("", "v1", "limitranges")
SERVICE_ACCOUNTS = Resource("", "v1", "serviceaccounts")
EVENTS = Resource("", "v1", "events")
LEASES = Resource("coordination.k8s.io", "v1", "leases")
CRDS = Resource("apiextensions.k8s.io", "v1", "customresourcedefinitions", namespaced=False)
VMIS = Resource("kubevirt.io", "v1", "virtualmachineinstances")
VMIMS = Resource("kubevirt.io", "v1", "virtualmachineinstancemigrations")
KUBEVIRTS = Resource("kubevirt.io", "v1", "kubevirts")
VMS = Resource("kubevirt.io", "v1", "virtualmachines")
POLICIES = Resource("migrations.kubevirt.io", "v1alpha1", "migrationpolicies", namespaced=False)
CONFIG_MAPS = Resource("", "v1", "configmaps")
SERVICES = Resource("", "v1", "services")
API_SERVICES = Resource("apiregistration.k8s.io", "v1", "apiservices", namespaced=False)
CLUSTER_ROLES = Resource("rbac.authorization.k8s.io", "v1", "clusterroles", namespaced=False)
SUBJECT_ACCESS_REVIEWS = Resource("authorization.k8s.io", "v1", "subjectaccessreviews", namespaced=False)
BUDGETS = Resource("policy", "v1", "poddisruptionbudgets")
VALIDATING = Resource("admissionregistration.k8s.io", "v1", "validatingwebhookconfigurations", namespaced=False)
MUTATING = Resource("admissionregistration.k8s.io", "v1", "mutatingwebhookconfigurations", namespaced=False)


def key_of(obj: Object) -> Key:
    """The key under which an object is cached and queued."""
    metadata = obj["metadata"]
    return metadata.get("namespace", ""), metadata["name"]
