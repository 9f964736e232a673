"""Two fleets and what a real cluster said of them: may this VM go to that node?

Recorded from KubeVirt 1.9.0 and kube-scheduler 1.36.4: for every VM and every other node a migration was pinned to the
node, and the scheduler's answer read from the target pod. `roomy` is decided by labels, taints, affinity and spread,
`tight` more often by room. The objects are there as far as the operator projects them.
"""

import gzip
from dataclasses import dataclass
from pathlib import Path

import msgspec

from drover.facts.kubevirt import VMI, KubeVirt
from drover.facts.namespace import Namespace
from drover.facts.node import Node
from drover.facts.pod import Pod
from drover.facts.snapshot import Snapshot
from drover.facts.wire import key_of

DATA = Path(__file__).parent / "data"


class Verdict(msgspec.Struct, frozen=True):
    """What the scheduler said of a VM on a node. `message` counts over all nodes; the others all fail on the pin."""

    vm: str
    node: str
    fits: bool
    message: str


class _File(msgspec.Struct, frozen=True):
    nodes: list[Node]
    pods: list[Pod]
    vmis: list[VMI]
    kubevirts: list[KubeVirt]
    namespaces: list[Namespace]
    verdicts: list[Verdict]


@dataclass(frozen=True)
class Recording:
    """A fleet and its verdicts."""

    snapshot: Snapshot
    vms: dict[str, VMI]
    verdicts: list[Verdict]


def recording(name: str) -> Recording:
    """One of the two, by its name."""
    read = msgspec.json.decode(gzip.decompress((DATA / f"{name}.json.gz").read_bytes()), type=_File)
    snapshot = Snapshot(
        nodes={key_of(each): each for each in read.nodes},
        pods={key_of(each): each for each in read.pods},
        vmis={key_of(each): each for each in read.vmis},
        kubevirts={key_of(each): each for each in read.kubevirts},
        namespaces={key_of(each): each for each in read.namespaces},
    )
    return Recording(snapshot, {vmi.metadata.name: vmi for vmi in read.vmis}, read.verdicts)
