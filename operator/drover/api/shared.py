"""The vocabulary all our kinds share: metadata, node and VM sets, limits, findings, waits, conditions, steps."""

from datetime import datetime
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from drover.api.values import (
    LABEL_KEY,
    Count,
    Duration,
    Generation,
    LabelKey,
    LabelValue,
    Name,
    Namespace,
    ObjectName,
    Reference,
    ShortDuration,
    Text,
    Word,
    rule,
    rules,
)

GROUP = "drover.dev"
VERSION = "v1alpha1"
API_VERSION: Final = "drover.dev/v1alpha1"
FINALIZER = "drover.dev/cleanup"
MOST_RETRIES = 8
"""A record keeps the last ten attempts, and retries are counted in it."""

Mode = Literal["Execute", "DryRun"]
Intent = Literal["Active", "Withdrawn"]
Order = Literal["Fastest", "Priority", "SmallestFirst"]
MakeRoom = Literal["Suggest", "Move"]
Severity = Literal["Blocker", "Warning", "Info"]
Step = Literal["Queued", "PreparingTarget", "PreCopy", "Switchover", "Verifying", "Done", "Failed", "Blocked"]


class Model(BaseModel):
    """A part of one of our kinds. Reading ignores the unknown: a newer CRD must not crash an older operator."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        extra="ignore",
        frozen=True,
        use_attribute_docstrings=True,
    )

    def wire(self) -> dict[str, Any]:
        """As JSON for the API server: camelCase, without what was not set."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


class OwnerReference(Model):
    api_version: str
    kind: str
    name: str
    uid: str
    controller: bool | None = None
    block_owner_deletion: bool | None = None


class ObjectMeta(Model):
    """Of ObjectMeta, what we read."""

    name: str
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    creation_timestamp: datetime | None = None
    deletion_timestamp: datetime | None = None
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    finalizers: tuple[str, ...] = ()
    owner_references: tuple[OwnerReference, ...] = ()

    @property
    def deleting(self) -> bool:
        return self.deletion_timestamp is not None


class LabelRequirement(Model):
    """One comparison of one label."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "!(self.operator in ['In', 'NotIn']) || (has(self.values) && size(self.values) > 0)",
                "In and NotIn compare with values: list at least one",
                ".values",
            ),
            rule(
                "self.operator in ['In', 'NotIn'] || !has(self.values) || size(self.values) == 0",
                "Exists and DoesNotExist compare with nothing: remove values",
                ".values",
            ),
        )
    )
    key: LabelKey
    """The label key."""
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"]
    """How the label is compared with the values."""
    values: Annotated[tuple[LabelValue, ...], Field(max_length=64)] | None = None
    """Needed by In and NotIn, forbidden for Exists and DoesNotExist."""


class LabelSelector(Model):
    """A Kubernetes label selector. An empty one would mean everything and is refused."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "(has(self.matchLabels) && size(self.matchLabels) > 0)"
                " || (has(self.matchExpressions) && size(self.matchExpressions) > 0)",
                "an empty selector would select everything: add matchLabels or matchExpressions",
            ),
            rule(
                f"!has(self.matchLabels) || self.matchLabels.all(key, key.matches(r'{LABEL_KEY}'))",
                "use label keys such as rack or example.com/rack",
                ".matchLabels",
            ),
        )
        | {"x-kubernetes-map-type": "atomic"}
    )

    match_labels: Annotated[dict[LabelKey, LabelValue], Field(max_length=64)] | None = None
    """Labels that must be there with these values."""
    match_expressions: Annotated[tuple[LabelRequirement, ...], Field(max_length=64)] | None = None
    """Requirements that must all hold."""


class NodeSet(Model):
    """Nodes by name or by label, never both."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule("has(self.names) || has(self.selector)", "say which nodes: add names or selector"),
            rule(
                "!has(self.names) || !has(self.selector)", "names and selector exclude each other: remove one of them"
            ),
        )
    )

    names: Annotated[tuple[Name, ...], Field(min_length=1, max_length=1000)] | None = None
    """Names of nodes."""
    selector: LabelSelector | None = None
    """Nodes with these labels."""


class VMName(Model):
    """One VirtualMachineInstance."""

    namespace: Namespace
    """The namespace of the VirtualMachineInstance."""
    name: Name
    """The name of the VirtualMachineInstance."""


class VMSet(Model):
    """Virtual machines by name, or by namespace and label (both must match), never by name and something else."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "has(self.names) || has(self.namespaces) || has(self.selector)",
                "say which virtual machines: add names, namespaces or selector",
            ),
            rule(
                "!has(self.names) || !(has(self.namespaces) || has(self.selector))",
                "names are complete by themselves: remove namespaces and selector, or remove names",
            ),
        )
    )

    names: Annotated[tuple[VMName, ...], Field(min_length=1, max_length=1000)] | None = None
    """These VirtualMachineInstances."""
    namespaces: Annotated[tuple[Namespace, ...], Field(min_length=1, max_length=256)] | None = None
    """Those in these namespaces."""
    selector: LabelSelector | None = None
    """Those with these labels on the VirtualMachineInstance."""


class Targets(Model):
    """Where the VMs may go; a VM's own constraints narrow it further."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule("has(self.nodes) || has(self.exclude)", "say where: add nodes or exclude, or remove targets"),
        )
    )

    nodes: NodeSet | None = None
    """Only to these nodes. Absent: all that KubeVirt may use."""
    exclude: NodeSet | None = None
    """Never to these nodes."""


class Limits(Model):
    """How many migrations may be in flight at once; never more than KubeVirt's own limits."""

    total: Annotated[int, Field(ge=1, le=1000)] | None = None
    """In the whole cluster, other people's migrations counted. Absent: KubeVirt's parallelMigrationsPerCluster."""
    per_source: Annotated[int, Field(ge=1, le=1000)] | None = None
    """Out of one node. Absent: KubeVirt's parallelOutboundMigrationsPerNode."""
    per_target: Annotated[int, Field(ge=1, le=1000)] = 2
    """Into one node. KubeVirt has no such limit: this one is ours."""


class FailurePolicy(Model):
    """What follows a failed migration."""

    retries: Annotated[int, Field(ge=0, le=MOST_RETRIES)] = 2
    """How often a VM is tried again, on another target where there is one. Scheduler rejections and other people's
    cancels do not count."""
    backoff: ShortDuration = "20s"
    """The wait before the first retry, at most 10m; it doubles with each further one, up to 10 minutes, and is up to a
    quarter shorter or longer, so that VMs do not come back all at once."""


class Verify(Model):
    """When a move counts as done."""

    timeout: Duration = "2m"
    """How long after the migration succeeded the VM may take to be Ready on the target with its source pod ended."""


class Finding(Model):
    """Something a person should know about the goal."""

    severity: Severity
    """Blocker: part of the goal cannot be reached as things are. Warning: look at it. Info: for the record."""
    reason: Word
    """CamelCase, from the documented list."""
    message: Text
    """What is the case, in words."""
    suggestion: Text | None = None
    """What would change it."""
    count: Count | None = None
    """How many objects it is about."""
    virtual_machines: Annotated[tuple[Reference, ...], Field(max_length=20)] | None = None
    """Up to 20 of the VMs it is about, as namespace/name."""


class Waiting(Model):
    """Why something does not move, since when, and what would end it."""

    reason: Word
    """CamelCase, from the documented list."""
    message: Text
    """In words."""
    since: datetime | None = None
    """When this reason began."""
    until: Word | None = None
    """When it ends by itself, if that is known."""
    blocked_by: Annotated[tuple[Reference, ...], Field(max_length=10)] | None = None
    """Up to 10 of the objects that are in the way."""
    suggestion: Text | None = None
    """What would end it."""


class Condition(Model):
    """metav1.Condition."""

    type: Word
    """Its type."""
    status: Literal["True", "False", "Unknown"]
    """Whether it holds."""
    reason: Word
    """CamelCase, from the documented list."""
    message: Text = ""
    """In words."""
    last_transition_time: datetime | None = None
    """When the status changed last."""
    observed_generation: Generation | None = None
    """The generation of the spec it is about."""


Conditions = Annotated[
    tuple[Condition, ...],
    Field(
        max_length=16,
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
    ),
]


class Steps(Model):
    """When a move entered each of its steps."""

    queued: datetime | None = None
    """It began to wait for a slot."""
    preparing_target: datetime | None = None
    """Its VirtualMachineInstanceMigration was created."""
    pre_copy: datetime | None = None
    """Memory began to be copied."""
    switchover: datetime | None = None
    """The guest went over to the target."""
    verifying: datetime | None = None
    """KubeVirt called the migration a success."""
    done: datetime | None = None
    """It was verified."""


class Switchover(Model):
    """The moment the guest went over."""

    at: datetime | None = None
    """When."""
    mode: Word | None = None
    """PreCopy, PostCopy or Paused, as KubeVirt reports it."""
    from_: Annotated[ObjectName, Field(alias="from")]
    """The source node."""
    to: ObjectName
    """The target node."""
