"""The pictures as text, kept in files: `python -m tests.unit.demo.golden` writes them anew."""

from io import StringIO
from pathlib import Path

from rich.console import Console

from demo.facts import Scene
from demo.view import picture
from tests.unit.demo.scenes import END, LIMITS, MIDDLE, NOT_ASKED

FOLDER = Path(__file__).parent / "golden"
PICTURES: dict[str, tuple[Scene, int]] = {
    "not-asked-yet": (NOT_ASKED, 110),
    "middle": (MIDDLE, 110),
    "middle-narrow": (MIDDLE, 80),
    "end": (END, 110),
}
"""Scene and width in columns, by the name of the file."""


def path(name: str) -> Path:
    return FOLDER / f"{name}.txt"


def drawn(name: str) -> str:
    """The picture without colours, and without the blanks that fill its lines."""
    scene, width = PICTURES[name]
    console = Console(file=StringIO(), width=width, color_system=None, legacy_windows=False)
    with console.capture() as capture:
        console.print(picture(scene, LIMITS, width, events=2))
    return "\n".join(line.rstrip() for line in capture.get().splitlines()) + "\n"


if __name__ == "__main__":
    for each in PICTURES:
        path(each).write_text(drawn(each))
