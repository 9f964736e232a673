"""Cordoning nodes and giving them back: only `unschedulable` and our own annotation are ever written."""

from typing import Any

from drover.acting.outcome import Hands, NotAllowedError
from drover.acting.reading import live
from drover.facts.node import BEFORE, Node
from drover.running.actions import Cordon, Uncordon
from drover.running.allowed import still_allowed
from drover.watching.client import FIELD_MANAGER
from drover.watching.resources import NODES


async def cordon(action: Cordon, hands: Hands) -> None:
    """Cordon, and in the same request write what was there before. A mark that is there is left as it is."""
    node = await _checked(action, hands)
    annotation = {} if node.metadata.annotations.before else {"annotations": {BEFORE: action.before}}
    await _patch(node, {"metadata": annotation, "spec": {"unschedulable": True}}, hands)


async def uncordon(action: Uncordon, hands: Hands) -> None:
    """Take our mark off, and make the node as it was before."""
    node = await _checked(action, hands)
    spec: dict[str, Any] = {"unschedulable": True} if action.unschedulable else {"unschedulable": None}
    await _patch(node, {"metadata": {"annotations": {BEFORE: None}}, "spec": spec}, hands)


async def _checked(action: Cordon | Uncordon, hands: Hands) -> Node:
    node = await live(NODES, ("", action.node), hands)
    refusal = still_allowed(action, hands.store.snapshot(hands.clock()), {})
    if node is None or refusal is not None:
        raise NotAllowedError(refusal or "the node is gone")
    return node


async def _patch(node: Node, change: dict[str, Any], hands: Hands) -> None:
    """A merge patch that holds only for the version we read."""
    version = {"resourceVersion": node.metadata.resource_version, "uid": node.metadata.uid}
    body = {**change, "metadata": {**change["metadata"], **version}}
    answer = await hands.client.merge_patch(NODES.item(("", node.name)), body, FIELD_MANAGER)
    hands.store.put(NODES, NODES.decode(answer))
