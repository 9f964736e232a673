"""Can the source reach the target to migrate?

KubeVirt attaches every virt-handler to the migration network when it starts (virt-operator components/daemonsets.go).
One that cannot be attached does not start, and one that gets no address there ends at once (cmd/virt-handler,
FindMigrationIP): other checks see that. One that started before there was a network listens on its pod's address, and
can be reached from everywhere. What is left is a source that has not been restarted, and a target that has.
"""

from drover.facts.node import Node
from drover.planning.checks.check import Answer, NodeCheck, Objection
from drover.planning.demand.vmclass import VMClass


def apart(vm_class: VMClass, node: Node) -> Objection | None:
    if not vm_class.off_network or not node.networked:
        return None
    words = "listens in the migration network, which the VM's node is not in yet: nobody knows whether it is reachable"
    return Objection(words, Answer.UNKNOWN)


MIGRATION_NETWORK = NodeCheck("MigrationNetwork", "", apart, "restart virt-handler on the VM's node")
