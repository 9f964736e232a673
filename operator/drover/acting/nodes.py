"""Cordoning nodes and giving them back: only `unschedulable` and our own annotation are ever written."""

from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec

from drover.acting.outcome import Hands, NotAllowedError
from drover.acting.reading import live
from drover.facts.node import BEFORE, Before, Node, before
from drover.running.actions import Cordon, Uncordon
from drover.running.allowed import still_allowed
from drover.watching.client import FIELD_MANAGER, ApiError
from drover.watching.resources import NODES

TRIES = 3
"""The kubelet and other controllers write nodes all the time: a version that was overtaken is read and judged anew."""


async def cordon(action: Cordon, hands: Hands) -> None:
    """Cordon, and in the same request write what was there before: what a mark that is there says, if there is one."""
    await _change(action, hands, partial(_cordoned, action))


def _cordoned(action: Cordon, node: Node) -> dict[str, Any]:
    mark, was = msgspec.json.decode(action.before, type=Before), before(node)
    if was is not None:
        mark = msgspec.structs.replace(mark, unschedulable=was.unschedulable, since=was.since)
    text = msgspec.json.encode(mark).decode()
    return {"metadata": {"annotations": {BEFORE: text}}, "spec": {"unschedulable": True}}


async def uncordon(action: Uncordon, hands: Hands) -> None:
    """Take our mark off, and make the node as it was before."""
    spec = {"unschedulable": True if action.unschedulable else None}
    await _change(action, hands, lambda _: {"metadata": {"annotations": {BEFORE: None}}, "spec": spec})


async def _change(action: Cordon | Uncordon, hands: Hands, change: Callable[[Node], dict[str, Any]]) -> None:
    """Read, judge and patch; the patch holds only for the version that was judged."""
    for last in (False,) * (TRIES - 1) + (True,):
        node = await _checked(action, hands)
        try:
            await _patch(node, change(node), hands)
            return
        except ApiError as error:
            if error.status != 409 or last:
                raise


async def _checked(action: Cordon | Uncordon, hands: Hands) -> Node:
    node = await live(NODES, ("", action.node), hands)
    refusal = still_allowed(action, hands.store.snapshot(hands.clock()))
    if node is None or refusal is not None:
        raise NotAllowedError(refusal or "the node is gone")
    return node


async def _patch(node: Node, change: dict[str, Any], hands: Hands) -> None:
    version = {"resourceVersion": node.metadata.resource_version, "uid": node.metadata.uid}
    body = {**change, "metadata": {**change["metadata"], **version}}
    answer = await hands.client.merge_patch(NODES.item(("", node.name)), body, FIELD_MANAGER)
    hands.store.put(NODES, NODES.decode(answer))
