"""Where the volumes of a VM let it go.

kube-scheduler plugins volumebinding (bound claims), volumezone, volumerestrictions. A VM's claims are those of its
spec, hotplugged ones included, and those of its running pod.
"""

from collections.abc import Iterable, Mapping
from typing import Literal

import msgspec

from drover.facts.kubevirt import VMI
from drover.facts.node import Node
from drover.facts.pod import Pod
from drover.facts.selector import NodeSelectorTerm
from drover.facts.snapshot import Snapshot
from drover.facts.storage import PersistentVolume, PersistentVolumeClaim

Handle = tuple[str, str]
"""A CSI volume: its driver, and its name for it."""

Filter = Literal["claims", "binding", "volumes", "access"]
"""Who looks at a claim, in the order in which they are asked: does it exist (VolumeRestrictions), is it bound and to
stay (VolumeBinding), is its volume there (VolumeZone), and only then, may a second pod use it (VolumeRestrictions)."""

_STABLE = {
    "failure-domain.beta.kubernetes.io/zone": "topology.kubernetes.io/zone",
    "failure-domain.beta.kubernetes.io/region": "topology.kubernetes.io/region",
    "topology.kubernetes.io/zone": "topology.kubernetes.io/zone",
    "topology.kubernetes.io/region": "topology.kubernetes.io/region",
}
_DELIMITER = "__"
"""Between the zones of a volume that is in several (cloud-provider volume/constants.go)."""


class Volumes(msgspec.Struct, frozen=True, cache_hash=True):
    """What volumes ask of a node: for each of them with node affinity its terms, one of which must match; and labels
    with the values that will do. `unusable` says why no node will do at all: the filter that says so, and words that
    follow "the node". `pending` are claims of volumes that are to be plugged in and cannot be yet, `translated` volumes
    that the scheduler takes for those of a CSI driver, with other topology labels."""

    affinities: tuple[tuple[NodeSelectorTerm, ...], ...] = ()
    zones: tuple[tuple[str, frozenset[str]], ...] = ()
    unusable: tuple[tuple[Filter, str], ...] = ()
    pending: tuple[str, ...] = ()
    translated: tuple[str, ...] = ()

    @property
    def terms(self) -> tuple[NodeSelectorTerm, ...]:
        return tuple(term for terms in self.affinities for term in terms)

    @property
    def label_keys(self) -> frozenset[str]:
        """The zone labels that matter; with any of them, all do: a node without every one of them is in no zone."""
        return frozenset(_STABLE) if self.zones else frozenset()


NO_VOLUMES = Volumes()


def claims(vmi: VMI, pod: Pod) -> list[str]:
    """The names of the claims that the VM's target pod would have too, in its namespace."""
    of_the_vm = (volume.claim for volume in vmi.spec.volumes)
    return sorted({*pod.lasting_claims(), *(name for name in of_the_vm if name)})


def volumes(vmi: VMI, pod: Pod, snapshot: Snapshot) -> Volumes:
    """What the VM's volumes ask of a target."""
    names = claims(vmi, pod)
    if not names:
        return NO_VOLUMES
    found = {name: snapshot.pvcs.get((vmi.metadata.namespace, name)) for name in names}
    plugged = set(names).difference(pod.claims())
    pending = [name for name in sorted(plugged) if (claim := found[name]) is None or not claim.bound]
    found = {name: claim for name, claim in found.items() if name not in pending}
    bound = _bound(found.values(), snapshot)
    affinities = {terms for terms in (volume.node_terms() for volume in bound) if terms is not None}
    return Volumes(
        affinities=tuple(sorted(affinities, key=repr)),
        zones=tuple(sorted({zone for volume in bound for zone in _zones(volume)}, key=repr)),
        unusable=tuple(_unusable(found, snapshot)),
        pending=tuple(pending),
        translated=tuple(sorted(volume.metadata.name for volume in bound if volume.spec.translated() is not None)),
    )


def handles(names: Iterable[str], namespace: str, snapshot: Snapshot) -> frozenset[Handle]:
    """The CSI volumes of these claims: what a node has to attach."""
    found = (snapshot.pvcs.get((namespace, name)) for name in names)
    sources = (volume.spec.csi or volume.spec.translated() for volume in _bound(found, snapshot))
    return frozenset((csi.driver, csi.volume_handle) for csi in sources if csi is not None)


def _bound(found: Iterable[PersistentVolumeClaim | None], snapshot: Snapshot) -> list[PersistentVolume]:
    names = (claim.volume for claim in found if claim is not None)
    volumes = (snapshot.pvs.get(("", name)) for name in names if name)
    return [volume for volume in volumes if volume is not None]


def _zones(volume: PersistentVolume) -> list[tuple[str, frozenset[str]]]:
    """A label with an empty zone in it says nothing (cloud-provider volume/helpers LabelZonesToSet)."""
    labels = volume.metadata.labels
    zones = [(key, frozenset(labels[key].split(_DELIMITER))) for key in _STABLE if key in labels]
    return [(key, values) for key, values in zones if "" not in values]


def _unusable(found: Mapping[str, PersistentVolumeClaim | None], snapshot: Snapshot) -> Iterable[tuple[Filter, str]]:
    for name, claim in found.items():
        said = _wrong(claim, snapshot)
        if said is not None:
            yield said[0], f"cannot use the claim {name}, {said[1]}"


def _wrong(claim: PersistentVolumeClaim | None, snapshot: Snapshot) -> tuple[Filter, str] | None:
    if claim is None:
        return "claims", "which does not exist"
    if claim.lost:
        return "binding", f"which has lost its volume {claim.volume}"
    if claim.metadata.deletion_timestamp is not None:
        return "binding", "which is being deleted"
    if not claim.bound:
        return "binding", "which is not bound"
    if ("", claim.volume) not in snapshot.pvs:
        return "volumes", f"whose volume {claim.volume} does not exist"
    if claim.for_one_pod:
        return "access", "which only one pod may use at a time (ReadWriteOncePod)"
    return None


def reaches(volumes: Volumes, node: Node) -> bool:
    """Whether the node can use every volume, as far as node affinity goes; it is asked by labels alone."""
    return all(any(term.matches("", node.labels) for term in terms) for terms in volumes.affinities)


def in_zone(volumes: Volumes, node: Node) -> bool:
    """Whether the node is in the zones and regions of the volumes; one without any such label is everywhere."""
    if not volumes.zones or not any(key in node.labels for key in _STABLE):
        return True
    return all(_value(node, key) in values for key, values in volumes.zones)


def _value(node: Node, key: str) -> str | None:
    return node.labels.get(key, node.labels.get(_STABLE[key]))
