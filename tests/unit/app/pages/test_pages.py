"""The frame of all pages: what is put into it is text, and can be read in the light and in the dark."""

from __future__ import annotations

import base64
import io
import math
import re
from pathlib import Path
from typing import Final

import numpy as np
import pytest
from jinja2 import UndefinedError
from PIL import Image

from dlcli.app.pages import page as module
from dlcli.app.pages.figures import FAINT, PAPER, SERIES
from dlcli.app.pages.page import check_output, number, picture, rendered, write
from dlcli.app.report.parts import Code, Facts, Gallery, Note, Picture, Quote, Quotes, Section, Side, Table
from dlcli.errors import ResourceError, UsageError
from tests.unit.app.pages.markup import Markup
from tests.unit.app.pages.test_figures import HOSTILE, figure

CSS: Final = (Path(module.__file__).parent / "templates" / "page.css").read_text()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "\N{EN DASH}"),
        (60_000, "60,000"),
        (True, "1"),
        (0.0, "0.0000"),
        (0.98734, "0.9873"),
        (1234.567, "1,234.6"),
        (-0.5, "-0.5000"),
        (1.23e-5, "1.23e-05"),
        (2e6, "2.00e+06"),
        (math.nan, "nan"),
        (-math.inf, "-inf"),
    ],
)
def test_numbers_as_people_read_them(value: float | None, text: str) -> None:
    """Few digits, but as many as say something."""
    assert number(value) == text


def test_a_page_goes_where_a_page_can_be(tmp_path: Path) -> None:
    """Into a new file or over a page, whatever the case of its ending; over nothing else."""
    (tmp_path / "old.HTML").write_text("old")
    (tmp_path / "folder.html").mkdir()
    (tmp_path / "mine.txt").write_text("mine")
    check_output(tmp_path / "new.html")
    check_output(tmp_path / "old.HTML")
    for name, told in (
        ("mine.txt", "does not end in .html"),
        ("no_ending", "does not end in .html"),
        ("folder.html", "is a folder"),
        ("nowhere/new.html", "there is no folder"),
        ("mine.txt/new.html", "there is no folder"),
    ):
        with pytest.raises(UsageError, match=told):
            check_output(tmp_path / name)
    with pytest.raises(ResourceError):
        check_output(tmp_path / f"{'a' * 300}.html")


@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 1), (5, 7, 3)])
def test_a_picture_is_the_same_picture(shape: tuple[int, ...]) -> None:
    """Pixel by pixel, as a PNG inside the page."""
    pixels = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)
    head, _, data = picture(pixels).partition(",")
    assert head == "data:image/png;base64"
    back = np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))
    assert (back == (pixels[:, :, 0] if shape[2:] == (1,) else pixels)).all()


def hostile_page() -> str:
    """A report that has the hostile text in every place where a text can be."""
    parts = [
        Note(HOSTILE, "bad"),
        Facts([(HOSTILE, HOSTILE), (HOSTILE, 1.5), (HOSTILE, None)]),
        Side([Table([[HOSTILE], [HOSTILE], [None], [2.5]], HOSTILE), Table([[HOSTILE]], HOSTILE, is_long=True)]),
        Gallery(HOSTILE, [Picture(HOSTILE, HOSTILE, picture(np.zeros((2, 2), np.uint8)))], HOSTILE),
        Gallery(HOSTILE, [Picture(HOSTILE, svg=figure().svg)], is_wide=True),
        Quotes(HOSTILE, [Quote([(HOSTILE, ""), (HOSTILE, "bad")], HOSTILE)], HOSTILE),
        Code(HOSTILE),
        Code(HOSTILE, HOSTILE),
    ]
    content = {"title": HOSTILE, "banners": [HOSTILE], "lead": HOSTILE, "facts": [(HOSTILE, HOSTILE)]}
    return rendered("report.html.j2", sections=[Section(HOSTILE, parts)], **content)  # type: ignore[arg-type]  # parts of all kinds


def test_nothing_that_is_put_into_a_page_is_active() -> None:
    """Only elements and attributes that our templates have; nothing leads elsewhere; marks of direction are shown."""
    page = hostile_page()
    markup = Markup(page)
    assert markup.odd == []
    assert "<script>alert(1)</script>" in markup.text
    assert "{{ 7 * 7 }}" in markup.text
    assert not {"\u202e", "\x00", "\x1b", "\ud800"} & set(page)
    assert "<U+202E>" in markup.text


def test_a_page_asks_for_nothing(tmp_path: Path) -> None:
    """Its policy lets a browser load what is inside it alone; the file is UTF-8 whatever is in it."""
    page = hostile_page()
    assert "default-src 'none'; style-src 'unsafe-inline'; img-src data:" in page
    write(page, tmp_path / "page.html")
    assert (tmp_path / "page.html").read_text(encoding="utf-8") == page


def test_what_a_template_is_not_given_is_an_error() -> None:
    """And no empty place on a page."""
    with pytest.raises(UndefinedError):
        rendered("report.html.j2", title="a")


def colours(*, dark: bool) -> dict[str, str]:
    """The page's colours by their names."""
    light, _, rest = CSS.partition("@media screen and (prefers-color-scheme: dark)")
    return dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", rest if dark else light))


def luminance(colour: tuple[float, ...]) -> float:
    """Relative luminance (WCAG 2.2) of red, green and blue from 0 to 1."""
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in colour]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def rgb(colour: str) -> tuple[float, ...]:
    return tuple(int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))


def contrast(first: tuple[float, ...], second: tuple[float, ...]) -> float:
    """The contrast ratio (WCAG 2.2)."""
    low, high = sorted((luminance(first), luminance(second)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("dark", [False, True])
def test_every_text_can_be_read(dark: bool) -> None:
    """A contrast of 4.5 at least (WCAG 2.2, AA), on paper and on what is raised from it; lines of figures have 3."""
    found = colours(dark=dark)
    assert len(found) >= 12
    for ground in ("paper", "raised"):
        for text in ("ink", "faint", "good", "bad", "series-1"):
            assert contrast(rgb(found[text]), rgb(found[ground])) >= 4.5, (text, ground)
        for place in range(1, len(SERIES) + 1):
            assert contrast(rgb(found[f"series-{place}"]), rgb(found[ground])) >= 3, (place, ground)


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("colour", ["series-1", "series-2"])
def test_numbers_on_the_cells_of_a_confusion_matrix_can_be_read(dark: bool, colour: str) -> None:
    """Also on the darkest shade."""
    from dlcli.app.report.classes import _DARKEST

    found = colours(dark=dark)
    cell = tuple(
        _DARKEST * over + (1 - _DARKEST) * under for over, under in zip(rgb(found[colour]), rgb(found["paper"]), strict=True)
    )
    assert contrast(rgb(found["ink"]), cell) >= 4.5


def test_texts_of_a_drawing_in_a_file_can_be_read() -> None:
    """On the paper that it has there."""
    assert contrast(rgb(FAINT), rgb(PAPER)) >= 4.5
    assert f'fill="{PAPER}"' in figure().file


def test_every_colour_of_a_page_has_another_value_in_the_dark() -> None:
    """Else something would stay black on black."""
    light, dark = colours(dark=False), colours(dark=True)
    assert light.keys() == dark.keys()
    assert all(light[name] != dark[name] for name in light)
