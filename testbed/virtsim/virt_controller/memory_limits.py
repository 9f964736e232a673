"""Which amounts of guest memory can be plugged into a running VM (pkg/liveupdate/memory/memory.go). Pure."""

from typing import Any

from virtsim.objects import quantity

LEAST = 2**30
BLOCK = 2 * 2**20
BLOCK_WITH_1GI_PAGES = 2**30


def unpluggable(domain: dict[str, Any], guest: str, most: str) -> str | None:
    """Why this domain cannot have `guest` of at most `most` by hotplug, in KubeVirt's words, or None."""
    pages = ((domain.get("memory") or {}).get("hugepages") or {}).get("pageSize")
    block = BLOCK_WITH_1GI_PAGES if pages == "1Gi" else BLOCK
    if quantity.size(guest) > quantity.size(most):
        return "Guest memory is greater than the configured maxGuest memory"
    if quantity.size(guest) % block:
        return f"Guest memory must be {quantity.binary(block)} aligned"
    if quantity.size(most) % block:
        return f"MaxGuest must be {quantity.binary(block)} aligned"
    if quantity.size(guest) < LEAST:
        return "Memory hotplug is only available for VMs with at least 1Gi of guest memory"
    return None
