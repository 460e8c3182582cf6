"""Samples on a page: pictures, curves, rows of numbers and texts, each with what is to be said of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from dlcli.app.pages.figures import Rows, label
from dlcli.app.pages.page import picture
from dlcli.app.report.parts import Gallery, Part, Picture, Quote, Quotes, Table, Tone
from dlcli.app.report.sparklines import Line, sparkline

if TYPE_CHECKING:
    from dlcli.training.outcomes.samples import Input, Samples, Series, Texts

_MOST_LINES: Final = 6
"""Features of a series that are drawn."""
_MOST_SHOWN: Final = 200
"""Steps of a text."""
_MOST_COLUMNS: Final = 10


def sample_parts(samples: Samples, titles: Sequence[str], notes: Sequence[str], title: str, reading: str = "") -> list[Part]:
    """Samples with a title and a note each.

    Args:
        samples: these.
        titles: what each is, in a few words.
        notes: a line below.
        title: of all of them.
        reading: one sentence on how to read them.
    """
    if not len(samples):
        return []
    parts: list[Part] = []
    for name, shown in samples.inputs.items():
        heading = f"{title}: {name}" if name else title
        parts.append(_part(shown, titles, notes, heading, reading))
    return parts


def _part(shown: Input, titles: Sequence[str], notes: Sequence[str], title: str, reading: str) -> Part:
    if shown.kind == "pictures":
        sources = [picture(pixels) for pixels in shown.pixels]
        pictures = [Picture(head, note, src) for head, note, src in zip(titles, notes, sources, strict=True)]
        return Gallery(title, pictures, reading, is_wide=shown.pixels.shape[2] > 2 * shown.pixels.shape[1])
    if shown.kind == "series":
        drawings = [series(shown, row) for row in range(len(shown))]
        curves = [Picture(head, note, svg=svg) for head, note, svg in zip(titles, notes, drawings, strict=True)]
        return Gallery(title, curves, reading, is_wide=True)
    if shown.kind == "texts":
        quotes = [
            Quote(((text_of(shown, row), ""),), ", ".join(filter(None, (head, note))))
            for row, (head, note) in enumerate(zip(titles, notes, strict=True))
        ]
        return Quotes(title, quotes, reading)
    columns = [label(name) for name in shown.columns[:_MOST_COLUMNS]]
    numbers = shown.values[:, :_MOST_COLUMNS]
    head = ["sample", *(columns or [f"feature {place}" for place in range(1, numbers.shape[1] + 1)])]
    told = [f"{first}, {note}" if note else first for first, note in zip(titles, notes, strict=True)]
    rows: Rows = [[text, *(float(value) for value in row)] for text, row in zip(told, numbers, strict=True)]
    return Table([head, *rows], f"{title}. {reading}".strip())


def series(shown: Series, row: int) -> str:
    """A series as a drawing, its first features in one scale."""
    values = shown.values[row]
    lines = [Line(values[:, feature], f"series-{feature + 1}") for feature in range(min(values.shape[1], _MOST_LINES))]
    return sparkline(lines, "a series")


def text_of(shown: Texts, row: int) -> str:
    """A text, or the begin of a long one."""
    steps = shown.texts[row]
    text = shown.joint.join(steps[:_MOST_SHOWN])
    return text + (" ..." if int(shown.steps[row]) > min(len(steps), _MOST_SHOWN) else "")


def tagged(shown: Texts, row: int, is_wrong: Sequence[bool]) -> Quote:
    """A text whose wrong steps are marked."""
    pieces: list[tuple[str, Tone]] = []
    for place, step in enumerate(shown.texts[row][:_MOST_SHOWN]):
        tone: Tone = "bad" if place < len(is_wrong) and is_wrong[place] else ""
        text = (shown.joint if place else "") + step
        if pieces and pieces[-1][1] == tone:
            pieces[-1] = (pieces[-1][0] + text, tone)
        else:
            pieces.append((text, tone))
    return Quote(pieces)
