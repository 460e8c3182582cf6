"""Figures drawn by matplotlib as SVG, in the colours of the page they stand on, with the numbers behind them."""

from __future__ import annotations

import io
import logging
import os
import re
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from dlcli.app.spreadsheet import Cell, as_csv
from dlcli.config.hidden_characters import visible
from dlcli.config.tree import shortened
from dlcli.errors import ResourceError
from dlcli.runtime.durable_files import disk_errors, write_durably

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

INK: Final = "#1c1e21"
FAINT: Final = "#6a6f77"
GRID: Final = "#dfe2e6"
PAPER: Final = "#fdfdfe"
RAISED: Final = "#f2f4f7"
SERIES: Final = ("#0b61c3", "#c2410d", "#0a7a55", "#8c3fb3", "#966400", "#b0245f", "#4d5ccf", "#53690f")
"""Colours of lines, bars and points, in the order in which they are taken: told apart by colour-blind readers too, in twos."""

_VARIABLES: Final[Mapping[str, str]] = {
    INK: "--ink",
    FAINT: "--faint",
    GRID: "--grid",
    PAPER: "--paper",
    RAISED: "--raised",
    **{colour: f"--series-{number}" for number, colour in enumerate(SERIES, start=1)},
}
"""What a page calls each colour: it has another value for each in the dark."""

_FONT: Final = "DejaVu Sans"

_LARGEST: Final = 1.55
"""Pixels of a page that a point of a figure may take: 9 points are then 14 pixels."""

_MOST_LABEL: Final = 200
"""Characters of a text that are looked at for a label."""

_STYLE: Final[Mapping[str, Any]] = {
    "axes.axisbelow": True,
    "axes.edgecolor": FAINT,
    "axes.facecolor": "none",
    "axes.grid": True,
    "axes.labelcolor": INK,
    "axes.prop_cycle": "cycler('color', [" + ", ".join(f"'{colour}'" for colour in SERIES) + "])",
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlecolor": INK,
    "axes.titlelocation": "left",
    "axes.titlesize": 10,
    "figure.constrained_layout.use": True,
    "figure.facecolor": "none",
    "font.family": _FONT,  # the one that comes with matplotlib: nothing of the machine changes a figure
    "font.size": 9,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "image.cmap": "viridis",
    "image.interpolation": "nearest",
    "legend.frameon": False,
    "legend.labelcolor": INK,
    "lines.linewidth": 1.6,
    "savefig.facecolor": "none",
    "svg.fonttype": "none",
    "text.color": INK,
    "text.parse_math": False,  # a `$` in the name of a class is a dollar
    "xtick.color": FAINT,
    "xtick.labelcolor": INK,
    "ytick.color": FAINT,
    "ytick.labelcolor": INK,
}

Rows = Sequence[Sequence[Cell]]
"""The cells of a table, its head first."""


@dataclass(frozen=True)
class Figure:
    """A figure as it stands on a page.

    Attributes:
        name: of its files, in lower case with dashes.
        title: what it shows.
        reading: one sentence on how to read it.
        svg: the drawing, to be put into HTML as it is.
        numbers: what was drawn, as a table.
    """

    name: str
    title: str
    reading: str
    svg: str
    numbers: Rows

    @property
    def file(self) -> str:
        """The drawing as a file of its own, in the colours of a light page on white."""
        colours = {variable: colour for colour, variable in _VARIABLES.items()}
        text = re.sub(r"var\((--[a-z0-9-]+)\)", lambda found: colours[found[1]], self.svg)
        background = f'<rect width="100%" height="100%" fill="{PAPER}"/>'
        return re.sub(r"(<svg[^>]*>)", lambda found: found[1] + background, text, count=1)

    @property
    def csv(self) -> str:
        """The numbers as a file for a spreadsheet."""
        return as_csv(self.numbers)


def drawn(
    name: str,
    title: str,
    reading: str,
    numbers: Rows,
    paint: Callable[[Canvas], None],
    *,
    size: tuple[float, float] = (6.4, 3.2),
) -> Figure:
    """Draws a figure.

    Args:
        name: of its files, in lower case with dashes.
        title: what it shows; the page writes it above, the drawing need not.
        reading: one sentence on how to read it.
        numbers: what is drawn, as a table.
        paint: draws on an empty matplotlib figure, in the colours of this module; texts of others it has from `label`.
        size: width and height in inches; a page scales it to its width.
    """
    with _style(name) as canvas_of:
        canvas = canvas_of(size)
        paint(canvas)
        file = io.StringIO()
        canvas.savefig(file, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    return Figure(name, title, reading, _inline(file.getvalue(), name, title), numbers)


def label(text: object, most: int = 24) -> str:
    """A text as it may stand in a figure: in one line, shortened, and with nothing in it that hides or reorders others."""
    return shortened(" ".join(visible(str(text)[:_MOST_LABEL]).split()), most)


@contextmanager
def _style(name: str) -> Iterator[Callable[[tuple[float, float]], Canvas]]:
    """Matplotlib with the look of the pages and without what it says of fonts."""
    import_matplotlib()
    import matplotlib as mpl  # noqa: PLC0415  # half a second that only a page costs
    from matplotlib.backends.backend_svg import FigureCanvasSVG  # noqa: PLC0415
    from matplotlib.figure import Figure as Canvas  # noqa: PLC0415

    def canvas_of(size: tuple[float, float]) -> Canvas:
        canvas = Canvas(figsize=size)
        FigureCanvasSVG(canvas)
        return canvas

    settings: dict[Any, Any] = {**mpl.rcParamsDefault, **_STYLE, "svg.hashsalt": name}
    with mpl.rc_context(settings), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a script is not among its own fonts: whoever looks at the page has others
        yield canvas_of


def import_matplotlib() -> None:
    """Imports matplotlib so that it starts no program to ask for fonts, and leaves none of its files behind.

    It knows its own fonts then, which are the only ones in use, and lists them anew each time: 0.2 s. Whoever imports what
    imports it calls this before.
    """
    if "matplotlib" in sys.modules:
        return
    names = ("MPLCONFIGDIR", "MPL_IGNORE_SYSTEM_FONTS")
    before = {name: os.environ.get(name) for name in names}
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory(prefix="dlcli-matplotlib-") as folder:
        os.environ.update(zip(names, (folder, "1"), strict=True))
        try:
            import_module("matplotlib.backends.backend_svg")
        finally:
            for name, value in before.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value


_OFFSIDE: Final = re.compile(r"[^\n\x20-\x7e]")
"""Characters of which some may not stand in a drawing."""


def _inline(svg: str, name: str, title: str) -> str:
    """What matplotlib writes, as an element of a page: its names unique, its colours those of the page, its size free."""
    svg = svg[svg.index("<svg") :]
    width, height = (float(found) for found in re.findall(r'(?:width|height)="([\d.]+)pt"', svg)[:2])
    svg = opening(width, height, title) + svg[svg.index(">") + 1 :]
    svg = re.sub(r"<metadata>.*?</metadata>|<defs>\s*<style.*?</style>\s*</defs>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'\bid="', f'id="{name}-', svg)
    svg = re.sub(r'((?:xlink:)?href="#|url\(#)', lambda found: f"{found[1]}{name}-", svg)
    for colour, variable in _VARIABLES.items():
        svg = svg.replace(colour, f"var({variable})")
    svg = svg.replace(f"font-family: '{_FONT}'", f"font-family: '{_FONT}', sans-serif")
    svg = _OFFSIDE.sub(lambda found: escape(visible(found[0])), svg)
    return re.sub(r"\n\s*", "\n", svg)


def opening(width: float, height: float, title: str) -> str:
    """The begin of a drawing, which may be as wide as its page, but not so wide that its letters are larger than others.

    Args:
        width: in points.
        height: in points.
        title: for those who can't see it.
    """
    return (
        f'<svg viewBox="0 0 {width:g} {height:g}" style="max-width:{_LARGEST * width:g}px;stroke-linejoin:round" role="img" '
        f'aria-label="{escape(visible(title))}" xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink">'
    )


def save(figures: Iterable[Figure], folder: Path) -> None:
    """Writes each figure as NAME.svg and its numbers as NAME.csv.

    Raises:
        ResourceError: the disk does not take them, or the folder is a link to another.
    """
    with disk_errors(folder):
        folder.mkdir(exist_ok=True)
    if folder.is_symlink():
        raise ResourceError(f"{folder} is a link, and no figures are written elsewhere", help="remove it")
    for figure in figures:
        write_durably(folder / f"{figure.name}.svg", figure.file.encode(errors="replace"))
        write_durably(folder / f"{figure.name}.csv", figure.csv.encode(errors="replace"))
