"""What the sections of a report are made of. The template `sections.html.j2` shows each kind."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Final, Literal

from dlcli.app.pages.figures import Figure, Rows

_SHORT: Final = 90
"""Characters of a text of which several stand in a line."""

Tone = Literal["", "faint", "good", "bad"]


@dataclass(frozen=True)
class Note:
    """A paragraph; the `code` at its end stands there as it does in a file."""

    kind: ClassVar[str] = "note"
    text: str
    tone: Tone = ""
    code: str = ""


@dataclass(frozen=True)
class Facts:
    """Figures side by side: what, and its value."""

    kind: ClassVar[str] = "facts"
    pairs: Sequence[tuple[str, str | int | float | None]]


@dataclass(frozen=True)
class Table:
    """Rows, the head first; one that `is_long` is folded up."""

    kind: ClassVar[str] = "table"
    rows: Rows
    caption: str
    is_long: bool = False


@dataclass(frozen=True)
class Figures:
    """Drawings, side by side where there is room."""

    kind: ClassVar[str] = "figures"
    figures: Sequence[Figure]


@dataclass(frozen=True)
class Picture:
    """One of a gallery: an `<img>` by its `src`, or a drawing of dlcli's own."""

    title: str
    note: str = ""
    src: str = ""
    svg: str = ""


@dataclass(frozen=True)
class Gallery:
    """Pictures or curves of samples."""

    kind: ClassVar[str] = "gallery"
    title: str
    pictures: Sequence[Picture]
    reading: str = ""
    is_wide: bool = False


@dataclass(frozen=True)
class Quote:
    """A text in pieces, each with its tone, and what is to be said of it."""

    pieces: Sequence[tuple[str, Tone]]
    note: str = ""


@dataclass(frozen=True)
class Quotes:
    """Texts of samples."""

    kind: ClassVar[str] = "quotes"
    title: str
    quotes: Sequence[Quote]
    reading: str = ""

    @property
    def is_short(self) -> bool:
        """Whether several stand in a line."""
        return all(sum(len(text) for text, _ in quote.pieces) <= _SHORT for quote in self.quotes)


@dataclass(frozen=True)
class Code:
    """A file or commands, as they are; folded up where there is a title."""

    kind: ClassVar[str] = "code"
    text: str
    title: str = ""


@dataclass(frozen=True)
class Side:
    """Parts side by side where there is room."""

    kind: ClassVar[str] = "side"
    parts: Sequence[Figures | Table]


Part = Side | Note | Facts | Table | Figures | Gallery | Quotes | Code


@dataclass
class Section:
    """A part of the page with a heading."""

    title: str
    parts: list[Part] = field(default_factory=list)

    def figures(self) -> Iterator[Figure]:
        """All its drawings that have numbers behind them."""
        for part in self.parts:
            for inner in part.parts if isinstance(part, Side) else (part,):
                if isinstance(inner, Figures):
                    yield from inner.figures
