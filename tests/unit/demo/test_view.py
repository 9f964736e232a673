"""The picture, compared with files, and as an SVG."""

import re
from dataclasses import replace

import pytest

from demo.facts import MOVING, STEPS
from demo.screen import is_middle, svg
from demo.view import dots
from tests.unit.demo import golden
from tests.unit.demo.scenes import LIMITS, LOCAL_DISK, MIDDLE, blocked, done, moving, queued


@pytest.mark.parametrize("name", golden.PICTURES)
def test_the_picture_is_as_kept(name: str) -> None:
    assert golden.drawn(name) == golden.path(name).read_text(), "if that is meant: python -m tests.unit.demo.golden"


@pytest.mark.parametrize("name", golden.PICTURES)
def test_no_line_is_wider_than_the_terminal(name: str) -> None:
    assert max(map(len, golden.drawn(name).splitlines())) <= golden.PICTURES[name][1]


@pytest.mark.parametrize("name", ["middle", "middle-narrow"])
def test_every_vm_that_does_not_move_has_its_reason_and_the_way_out(name: str) -> None:
    words = " ".join(golden.drawn(name).split())
    for waiting in {move.waiting for move in MIDDLE.moves if move.waiting is not None}:
        assert f"{waiting.reason}: {waiting.message} → {waiting.suggestion}" in words


def test_dots_grow_with_the_steps() -> None:
    assert [dots(step).count("●") for step in STEPS] == list(range(len(STEPS)))
    assert {dots(step).count("●") for step in ("Blocked", "Failed", "a step of tomorrow")} == {0}
    assert {len(dots(step)) for step in (*STEPS, "Blocked")} == {len(MOVING) + 1}


def test_the_svg_needs_nothing_else() -> None:
    drawing = svg(MIDDLE, LIMITS)
    assert set(re.findall(r"\w+://[^\"' )]+", drawing)) == {"http://www.w3.org/2000/svg"}, "only the name of SVG itself"
    assert not re.search(r"@import|url\((?!#)|href", drawing)
    assert "shop/licence" in drawing
    assert len(drawing) < 200_000


EVERYTHING = (
    moving("a/1", "PreCopy", "b", 0),
    moving("a/2", "PreCopy", "b", 0),
    *(done(f"a/{n}", "b", 0, 1) for n in (3, 4, 5)),
    *(queued(f"a/{n}", "b") for n in (6, 7)),
    *(blocked(f"a/{n}", LOCAL_DISK) for n in (8, 9)),
)


def test_the_picture_for_the_readme_shows_everything_at_once() -> None:
    assert is_middle(replace(MIDDLE, moves=EVERYTHING))


@pytest.mark.parametrize("lacking", range(len(EVERYTHING)))
def test_the_picture_for_the_readme_waits_for_everything(lacking: int) -> None:
    assert not is_middle(replace(MIDDLE, moves=(*EVERYTHING[:lacking], *EVERYTHING[lacking + 1 :])))
