"""What a page of explanations is put together from, beside the figures of `dlcli.app.pages.figures`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Final, Literal

from dlcli.app.explain.colours import Pixels, tint
from dlcli.app.pages.figures import Figure, Rows, opening
from dlcli.app.pages.page import picture
from dlcli.config.hidden_characters import visible

_CELL: Final = 120
"""Width and height of a picture in a file, in pixels."""
_LABEL: Final = 34
_ACROSS: Final = 5
_TOKENS_ACROSS: Final = 60
"""Characters of a line of tokens in a file."""


@dataclass(frozen=True)
class Picture:
    """One picture of several.

    Attributes:
        title: what it shows.
        note: in small letters below.
        pixels: (height, width, 3).
    """

    title: str
    note: str
    pixels: Pixels

    @property
    def src(self) -> str:
        """Where the page has it from: itself."""
        return picture(self.pixels)


@dataclass(frozen=True)
class Gallery:
    """Pictures side by side.

    Attributes:
        name: of its files.
        title: what they show.
        reading: one sentence on how to read them.
        pictures: all of them.
        numbers: what they show, as a table.
        size: of each on the page: many small ones, a few large ones, or one as wide as the page.
    """

    name: str
    title: str
    reading: str
    pictures: Sequence[Picture]
    numbers: Rows
    size: Literal["small", "large", "wide"] = "small"

    @property
    def figure(self) -> Figure:
        """The same as one drawing, for a file."""
        down = -(-len(self.pictures) // _ACROSS)
        width, height = _ACROSS * (_CELL + 8), down * (_CELL + _LABEL)
        parts = [opening(width, height, self.title)]
        for place, shown in enumerate(self.pictures):
            x, y = place % _ACROSS * (_CELL + 8), place // _ACROSS * (_CELL + _LABEL)
            parts.append(
                f'<image x="{x}" y="{y}" width="{_CELL}" height="{_CELL}" style="image-rendering: pixelated" '
                f'xlink:href="{shown.src}"/>'
            )
            parts.extend(_lines(x, y + _CELL + 12, shown.title, shown.note))
        return Figure(self.name, self.title, self.reading, "\n".join([*parts, "</svg>"]), self.numbers)


@dataclass(frozen=True)
class Token:
    """A step of a text, or a space between two.

    Attributes:
        text: as it is shown.
        value: from -1 to 1: its colour.
        note: the number behind it.
        is_marked: whether it is the one that is explained.
    """

    text: str
    value: float
    note: str = ""
    is_marked: bool = False

    @property
    def tint(self) -> str:
        """Its background."""
        return tint(self.value)


@dataclass(frozen=True)
class Strip:
    """A text whose steps have colours.

    Attributes:
        name: of its files.
        title: what it shows.
        reading: one sentence on how to read it.
        tokens: the steps.
        numbers: what they show, as a table.
    """

    name: str
    title: str
    reading: str
    tokens: Sequence[Token]
    numbers: Rows

    @property
    def figure(self) -> Figure:
        """The same as a drawing, for a file."""
        x, y, parts = 0, 4, []
        for token in self.tokens:
            width = 9 * len(token.text) + 6
            if x and x + width > 9 * _TOKENS_ACROSS:
                x, y = 0, y + 24
            parts.append(f'<rect x="{x}" y="{y}" width="{width - 1}" height="21" fill="{token.tint}"/>')
            parts.append(
                f'<text x="{x + 3}" y="{y + 15}" fill="var(--ink)" font-family="monospace" font-size="14">'
                f"{_text(token.text)}</text>"
            )
            x += width
        head = opening(9 * _TOKENS_ACROSS + 15, y + 28, self.title)
        return Figure(self.name, self.title, self.reading, "\n".join([head, *parts, "</svg>"]), self.numbers)


@dataclass(frozen=True)
class Table:
    """Numbers side by side.

    Attributes:
        caption: what they are.
        rows: the head first.
    """

    caption: str
    rows: Rows


@dataclass(frozen=True)
class Note:
    """A paragraph, or a heading inside of a section."""

    text: str
    is_heading: bool = False


Block = Figure | Gallery | Strip | Table | Note


@dataclass
class Section:
    """A part of the page with a heading.

    Attributes:
        title: the heading.
        text: what a reader has to know first.
        blocks: what follows.
    """

    title: str
    text: str = ""
    blocks: list[Block] = field(default_factory=list)

    def figures(self) -> Iterator[Figure]:
        """All that has numbers behind it, as drawings."""
        for block in self.blocks:
            if isinstance(block, Figure):
                yield block
            elif isinstance(block, Gallery | Strip):
                yield block.figure


def _lines(x: int, y: int, title: str, note: str) -> Iterator[str]:
    yield f'<text x="{x}" y="{y}" fill="var(--ink)" font-family="sans-serif" font-size="10">{_text(title)}</text>'
    if note:
        yield f'<text x="{x}" y="{y + 12}" fill="var(--faint)" font-family="sans-serif" font-size="9">{_text(note)}</text>'


def _text(text: str) -> str:
    return escape(visible(text))
