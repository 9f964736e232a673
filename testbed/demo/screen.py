"""Where scenes go: a live picture on a terminal, lines in a log, one picture in a file."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path

from rich.console import Console, RenderableType
from rich.live import Live

from controlplane.errors import ControlPlaneError
from demo.facts import Scene
from demo.fleet import Limits
from demo.lines import changes
from demo.view import picture

_WIDTH = 110
_EVENTS = 6
_ABOVE_EVENTS = 14
"""Lines of a picture that are neither moves nor events, about."""
_FONTS = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace"
_SVG = f"""\
<svg class="rich-terminal" viewBox="0 0 {{width}} {{height}}" xmlns="http://www.w3.org/2000/svg">
<style>
.{{unique_id}}-matrix {{{{ font-family: {_FONTS}; font-size: {{char_height}}px; line-height: {{line_height}}px;
font-variant-east-asian: full-width; }}}}
.{{unique_id}}-title {{{{ font-size: 18px; font-weight: bold; font-family: {_FONTS}; }}}}
{{styles}}
</style>
<defs>
<clipPath id="{{unique_id}}-clip-terminal">
<rect x="0" y="0" width="{{terminal_width}}" height="{{terminal_height}}" />
</clipPath>
{{lines}}
</defs>
{{chrome}}
<g transform="translate({{terminal_x}}, {{terminal_y}})" clip-path="url(#{{unique_id}}-clip-terminal)">
{{backgrounds}}
<g class="{{unique_id}}-matrix">
{{matrix}}
</g>
</g>
</svg>
"""
"""rich's own (rich/_export_format.py) without the font it fetches from the network."""


Screen = Callable[[Scene], None]
"""Somebody who is shown every scene."""


def nobody(scene: Scene) -> None:
    """A Screen that shows nothing."""


class Lines:
    """What changed, in lines with the seconds since the maintenance was asked for."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._before: Scene | None = None

    def show(self, scene: Scene) -> None:
        for line in changes(self._before, scene):
            self._say(f"{scene.elapsed:6.1f} s  {line}")
        self._before = scene


class Snapshot:
    """Writes one picture from the middle: several VMs move, some have moved, some wait and some are blocked."""

    def __init__(self, file: Path, limits: Limits) -> None:
        self._file = file
        self._limits = limits
        self.taken = False

    def show(self, scene: Scene) -> None:
        if not self.taken and is_middle(scene):
            self._file.parent.mkdir(parents=True, exist_ok=True)
            self._file.write_text(svg(scene, self._limits))
            self.taken = True


def is_middle(scene: Scene) -> bool:
    """Whether a scene shows everything at once."""
    least = {"PreCopy": 2, "Done": 3, "Queued": 2, "Blocked": 2}
    steps = Counter(move.step for move in scene.moves)
    return all(steps[step] >= count for step, count in least.items())


def svg(scene: Scene, limits: Limits) -> str:
    """The picture as an SVG that needs nothing else to be drawn."""
    console = Console(record=True, file=StringIO(), width=_WIDTH, force_terminal=True, color_system="truecolor")
    console.print(picture(scene, limits, _WIDTH, _EVENTS))
    return console.export_svg(title="make demo", code_format=_SVG, unique_id="demo")


@contextmanager
def shown_on(console: Console, limits: Limits, file: Path | None = None) -> Iterator[Screen]:
    """A live picture where there is a terminal, lines where there is none; one from the middle into the file.

    Raises ControlPlaneError at the end if there was no such moment.
    """
    snapshot = Snapshot(file, limits) if file is not None else None
    with _screen(console, limits) as screen:
        yield screen if snapshot is None else _both(screen, snapshot.show)
    if snapshot is not None and not snapshot.taken:
        raise ControlPlaneError(f"{file} was not written: there was no moment that shows everything at once")


def _both(one: Screen, other: Screen) -> Screen:
    def show(scene: Scene) -> None:
        one(scene)
        other(scene)

    return show


@contextmanager
def _screen(console: Console, limits: Limits) -> Iterator[Screen]:
    if not console.is_terminal:
        yield Lines(lambda line: console.print(line, highlight=False, markup=False, soft_wrap=True)).show
        return
    with Live(console=console, auto_refresh=False) as live:
        yield lambda scene: live.update(_fitting(scene, limits, *console.size), refresh=True)


def _fitting(scene: Scene, limits: Limits, width: int, height: int) -> RenderableType:
    """The picture with as many events as there is room for: they come last."""
    return picture(scene, limits, width, min(_EVENTS, height - len(scene.moves) - _ABOVE_EVENTS))
