"""What the rules of migrations look at: the server's truth, not anybody's cache."""

from dataclasses import dataclass, field

from tests.unit.virtsim.world.door import Door
from tests.unit.virtsim.world.server import Server
from virtsim.objects import keys
from virtsim.objects.migrations import is_final, vmi_key
from virtsim.objects.pods import is_terminal, labels_of
from virtsim.objects.resources import PODS, VMIMS, VMIS, Object


@dataclass
class Sight:
    """What is there, in the words of the rules, and what they have to remember."""

    server: Server
    door: Door
    flips: dict[str, str] = field(default_factory=dict)

    def owner_of(self, pod: Object) -> Object:
        """The migration that made a pod, or an empty object."""
        uid = labels_of(pod).get(keys.MIGRATION_JOB_UID)
        return next((vmim for vmim in self.server.all(VMIMS) if vmim["metadata"]["uid"] == uid), {})

    def targets_of(self, uid: str) -> list[Object]:
        """The pods of a migration that have not come to their end."""
        pods = self.server.all(PODS)
        return [pod for pod in pods if labels_of(pod).get(keys.MIGRATION_JOB_UID) == uid and not is_terminal(pod)]

    def lost_creations(self, uid: str) -> int:
        """How many target pods of a migration were made without virt-controller hearing of it at once."""
        lost = [request for request in self.door.lost if request.resource is PODS and request.verb == "create"]
        return sum(labels_of(request.about).get(keys.MIGRATION_JOB_UID) == uid for request in lost)

    def active(self) -> list[Object]:
        """The migrations that have a target pod. One that lost it still holds its slot, and is about to fail."""
        vmims = [vmim for vmim in self.server.all(VMIMS) if not is_final(vmim)]
        return [vmim for vmim in vmims if self.targets_of(vmim["metadata"]["uid"])]

    def source_of(self, vmim: Object) -> str:
        """The node a migration takes its VM from."""
        vmi = self.server.find(VMIS, *vmi_key(vmim)) or {"status": {}}
        state = vmi["status"].get("migrationState") or {}
        own = state.get("migrationUid") == vmim["metadata"]["uid"]
        node: str = state["sourceNode"] if own else vmi["status"].get("nodeName", "")
        return node
