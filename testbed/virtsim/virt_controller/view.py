"""One migration as virt-controller sees it in one reconcile: the VMIM, its VMI and the pods, all from the caches."""

from dataclasses import dataclass

from virtsim.cluster.caches import Caches
from virtsim.objects.migrations import HANDED_OFF, is_being_deleted, is_final, owned_state, phase_of, vmi_key
from virtsim.objects.pods import annotations_of, is_terminal, newest
from virtsim.objects.resources import Object


@dataclass(frozen=True, slots=True)
class View:
    """What a reconcile decides on. `rival` is another live VMIM that owns the VMI's migrationState."""

    vmim: Object
    vmi: Object
    source: Object | None
    target: Object | None
    rival: Object | None

    @property
    def phase(self) -> str:
        return phase_of(self.vmim)

    @property
    def state(self) -> Object | None:
        """The VMI's migrationState if this migration owns it."""
        return owned_state(self.vmi, self.vmim)

    @property
    def deleted(self) -> bool:
        return is_being_deleted(self.vmim)

    @property
    def handed_off(self) -> bool:
        """Whether virt-handler has it: in the phase, or already in the VMI although the phase is not written yet."""
        return self.phase in HANDED_OFF or self.state is not None

    @property
    def target_is_down(self) -> bool:
        return self.target is not None and is_terminal(self.target)

    def seconds(self, annotation: str, default: float) -> float:
        """A time-out of this migration, which an annotation may override."""
        text = annotations_of(self.vmim).get(annotation, "")
        return float(text) if text.isascii() and text.isdecimal() else default


def look(caches: Caches, vmim: Object) -> View | None:
    """The view of a migration, or None if its VMI does not exist."""
    vmi = caches.vmis.get(*vmi_key(vmim))
    if vmi is None:
        return None
    target = newest(caches.pods.by("migration", vmim["metadata"]["uid"]))
    return View(vmim, vmi, caches.current_pod(vmi), target, _rival(caches, vmi, vmim))


def _rival(caches: Caches, vmi: Object, vmim: Object) -> Object | None:
    uid = ((vmi.get("status") or {}).get("migrationState") or {}).get("migrationUid")
    if not uid or uid == vmim["metadata"]["uid"]:
        return None
    others = caches.vmims.by("vmi", "/".join(vmi_key(vmim)))
    return next((other for other in others if other["metadata"]["uid"] == uid and not is_final(other)), None)
