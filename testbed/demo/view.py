"""The live picture: a pure function from a scene to what rich draws."""

from collections import defaultdict
from collections.abc import Iterable

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from demo.facts import MOVING, STEPS, Event, Goal, Move, Node, Scene, Waiting
from demo.fleet import Limits

_STYLES = {
    "Queued": "yellow",
    "PreparingTarget": "cyan",
    "PreCopy": "bold cyan",
    "Switchover": "bold magenta",
    "Verifying": "magenta",
    "Done": "green",
    "Blocked": "bold red",
    "Failed": "bold red",
}
_BAR = 40
_WIDE = 100
"""Columns from which there is room for bars and dots."""
_LONGEST_STEP = max(map(len, STEPS)) + len(STEPS)
"""With its dots: so wide all the time, or the table would jump."""


def picture(scene: Scene, limits: Limits, width: int, events: int) -> RenderableType:
    """Nodes, moves, who waits and why, who is blocked and what to do, and the last `events` events.

    `width` is in columns, as wide as it will be drawn.
    """
    wide = width >= _WIDE
    body = Table.grid(padding=(0, 3, 0, 0))
    body.add_row(_nodes(scene.nodes, wide), _moves(scene, wide))
    parts = [_head(scene, limits), Text(""), body, Text(""), _reasons(scene.moves), *_events(scene.events, events)]
    return Padding(Group(*parts), (0, 1))


def _head(scene: Scene, limits: Limits) -> RenderableType:
    clock = f"{int(scene.elapsed) // 60}:{int(scene.elapsed) % 60:02d}"
    allowed = f"{limits.total} in all, {limits.per_source} out of a node, {limits.per_target} into a node"
    first = Text.assemble(("Drover", "bold"), f"  {clock}  ")
    flights = Text(f"{scene.in_flight} migrations in flight; allowed: {allowed}", "dim")
    if scene.goal is None:
        return Group(first.append("no NodeMaintenance"), flights)
    return Group(first.append_text(_goal(scene.goal)), _bar(scene.goal), flights)


def _goal(goal: Goal) -> Text:
    style = "bold red" if goal.phase == "Blocked" else "bold cyan"
    phase = (f"{goal.phase} {goal.reason}" if goal.phase else "new", style)
    return Text.assemble((f"NodeMaintenance/{goal.node}", "bold"), "  ", phase)


def _bar(goal: Goal) -> Text:
    full = _BAR * goal.percent // 100
    filled, empty = ("━" * full, "green"), ("─" * (_BAR - full), "dim")
    return Text.assemble(filled, empty, f" {goal.percent} %, {goal.done} of {goal.total} VMs are done")


def _nodes(nodes: Iterable[Node], wide: bool) -> Table:
    table = Table("NODE", "VMS", box=None, pad_edge=False, header_style="dim")
    for node in nodes:
        style = "yellow" if node.cordoned else "blue"
        bar = "■" * min(node.vms, 15) + " " if wide and node.vms else ""
        cordon = " cordoned" if node.cordoned else ""
        table.add_row(Text(node.name, "yellow" if node.cordoned else ""), Text(f"{bar}{node.vms}{cordon}", style))
    return table


def _moves(scene: Scene, wide: bool) -> Table:
    table = Table("VM", "STEP", "TARGET", "", box=None, pad_edge=False, header_style="dim")
    for move in scene.moves:
        style = _STYLES.get(move.step, "")
        step = Text(f"{dots(move.step)} {move.step}" if wide else move.step, style)
        table.add_row(Text(move.vm), step, Text(move.target), _note(move, scene, wide))
    for column in table.columns:
        column.no_wrap = True
    table.columns[1].min_width = _LONGEST_STEP if wide else None
    return table


def dots(step: str) -> str:
    """How far a move is, a dot for each step that it has reached after the queue."""
    reached = STEPS.index(step) if step in STEPS else 0
    return "●" * reached + "○" * (len(STEPS) - 1 - reached)


def _note(move: Move, scene: Scene, wide: bool) -> Text:
    if move.step == "Done" and move.began is not None and move.ended is not None:
        return Text(f"took {(move.ended - move.began).total_seconds():.0f} s", "dim")
    if move.waiting is not None and wide:
        return Text(move.waiting.reason, _STYLES.get(move.step, ""))
    if move.step in MOVING and move.began is not None:
        return Text(f"{max(0.0, (scene.now - move.began).total_seconds()):.0f} s")
    return Text("")


def _reasons(moves: Iterable[Move]) -> Table:
    """Why VMs do not move and what would end it, those with the same words together."""
    groups: dict[tuple[str, Waiting], list[str]] = defaultdict(list)
    for move in moves:
        if move.waiting is not None:
            groups[move.step, move.waiting].append(move.vm)
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column()
    for (step, waiting), vms in groups.items():
        who = vms[0] if len(vms) == 1 else f"{len(vms)} VMs"
        fix = f"\n→ {waiting.suggestion}" if waiting.suggestion else ""
        advice = (fix, "yellow" if step in ("Blocked", "Failed") else "dim")
        table.add_row(Text(who, _STYLES.get(step, "")), Text.assemble(f"{waiting.reason}: {waiting.message}", advice))
    return table


def _events(events: tuple[Event, ...], count: int) -> Iterable[Text]:
    if count <= 0 or not events:
        return
    yield Text("")
    for event in events[-count:]:
        line = Text.assemble((f"{event.at:%H:%M:%S}  ", "dim"), f"{event.reason:16}  {event.message}")
        line.no_wrap, line.overflow = True, "ellipsis"
        line.stylize("yellow" if event.warning else "")
        yield line
