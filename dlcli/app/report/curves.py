"""The course of a training: losses and metrics epoch by epoch, and the learning rate."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from dlcli.app.kept_runs.record import number
from dlcli.app.pages.figures import FAINT, SERIES, Figure, Rows, drawn, label
from dlcli.app.report.gather import Saved
from dlcli.app.report.parts import Figures, Note, Section, Table
from dlcli.app.report.rates import rates_of_steps
from dlcli.app.report.words import slug

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

SIZE: Final = (4.6, 2.8)
"""Inches of a figure that stands beside another one: on a phone its letters are as large as drawn."""
_MARKED: Final = 40
"""Up to so many epochs each has a point."""
_MOST_LINES: Final = 8
_INSIDE: Final = 5
"""Up to so many lines are told beside their curves."""
_STYLES: Final = ("-", "--", ":", "-.")
"""Of the first eight lines, of the next and so on."""
_LOG: Final = 50
"""From so many times the least on, a curve is drawn on a scale of powers of ten."""

_LARGEST: Final = 1e30
"""What is larger can't be drawn."""

Lines = Mapping[str, Sequence[float | None]]
"""A value at each epoch, by the name of the line."""


def course(saved: Saved) -> Section:
    """How the training went."""
    section = Section("Training")
    if not saved.epochs:
        section.parts.append(Note("No epoch has come to its end, so there is no curve yet.", "faint"))
        return section
    if len(saved.epochs) == 1:
        section.parts.append(Table(_only(saved.epochs[0]), "What was measured in the only epoch"))
        return section
    numbers = [int(number(event.get("epoch")) or 0) for event in saved.epochs]
    figures = [curves(numbers, *plot, best=saved.best_epoch) for plot in _plots(saved)]
    section.parts.append(Figures([*figures, *_rate(saved, numbers)]))
    return section


def _rate(saved: Saved, numbers: Sequence[int]) -> list[Figure]:
    """The learning rate: of each step, where the schedule tells it."""
    name, title, rate = "learning-rate", "Learning rate", _line(saved.epochs, "lr")
    if all(value is None for value in rate):
        return []
    by_step = rates_of_steps(saved)
    if by_step is None:
        reading = "The rate of each epoch's first step; within the epoch it may go on changing."
        return [curves(numbers, name, title, reading, {"learning rate": rate})]
    return [curves(by_step[0], name, title, "The rate of each step.", {"learning rate": by_step[1]}, along="step")]


def _only(event: Mapping[str, Any]) -> Rows:
    """What was measured in an epoch: with one alone there is no curve."""
    found = [(key, number(value)) for key, value in list(event.items())[:100] if key not in ("epoch", "step")]
    rows: Rows = [[label(key, 40), value] for key, value in found if value is not None]
    return [["what", "value"], *rows]


def _plots(saved: Saved) -> list[tuple[str, str, str, Lines]]:
    epochs = saved.epochs
    losses = {key: _line(epochs, key) for key in ("train/loss", "valid/loss")}
    reading = "Lower is better. A gap that grows between the two says that the network learns its samples by heart."
    plots: list[tuple[str, str, str, Lines]] = [("loss", "Loss", reading, losses)]
    kinds: dict[str, dict[str, Sequence[float | None]]] = {}
    for key in dict.fromkeys(key for event in epochs for key in event if key.startswith("valid/") and key != "valid/loss"):
        kinds.setdefault(key.rpartition("/")[2], {})[key] = _line(epochs, key)
    for kind, lines in list(kinds.items())[:12]:
        plots.append((slug(f"valid-{kind}"), _title(kind), "On the validation split.", lines))
    norms = _line(epochs, "train/gradient_norm")
    if any(value is not None for value in norms):
        reading = "Mean over the steps of an epoch, before it is bounded."
        plots.append(("gradient-norm", "Norm of the gradients", reading, {"gradient norm": norms}))
    return [(name, title, reading, _there(lines)) for name, title, reading, lines in plots if _there(lines)]


def _title(kind: str) -> str:
    """What a metric is called above its curve."""
    known = {"loss": "Loss of each output", "mae": "Mean absolute error", "rmse": "Root mean squared error", "r2": "R²"}
    title = label(kind, 40).replace("_", " ")
    return known.get(kind, title[:1].upper() + title[1:])


def _line(epochs: Sequence[Mapping[str, Any]], key: str) -> list[float | None]:
    values = (number(event.get(key)) for event in epochs)
    return [value if value is not None and abs(value) < _LARGEST else None for value in values]


def _there(lines: Lines) -> Lines:
    """Those with a value, as many as can be told apart."""
    found = [(name, line) for name, line in lines.items() if any(value is not None for value in line)]
    return dict(found[:_MOST_LINES])


def curves(
    numbers: Sequence[int], name: str, title: str, reading: str, lines: Lines, *, best: int | None = None, along: str = "epoch"
) -> Figure:
    """Lines over epochs, or over steps.

    Args:
        numbers: of the epochs.
        name: of the figure's files.
        title: what it shows.
        reading: how to read it.
        lines: at least one with a value.
        best: an epoch that is marked.
        along: what the numbers are of.
    """
    marked = best if best in numbers else None

    def paint(canvas: Canvas) -> None:
        from matplotlib.ticker import MaxNLocator  # noqa: PLC0415  # matplotlib: only once there is something to draw

        axes = canvas.subplots()
        for place, (line, values) in enumerate(lines.items()):
            shown = [math.nan if value is None else value for value in values]
            marker = "o" if len(numbers) <= _MARKED else ""
            colour, style = SERIES[place % len(SERIES)], _STYLES[place // len(SERIES) % len(_STYLES)]
            axes.plot(numbers, shown, marker=marker, markersize=3, color=colour, linestyle=style, label=label(line))
        _mark(axes, marked)
        _scale(axes, lines)
        axes.set_xlabel(along)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        if len(lines) > _INSIDE:
            axes.legend(loc="upper left", bbox_to_anchor=(0, -0.2), ncols=2, fontsize=8)
        elif len(lines) > 1 or marked is not None:
            axes.legend(loc="best", fontsize=8)

    table: Rows = [[along, *lines], *([place, *(line[row] for line in lines.values())] for row, place in enumerate(numbers))]
    size = SIZE if len(lines) <= _INSIDE else (SIZE[0], SIZE[1] + 0.1 * len(lines))
    return drawn(name, title, reading, table, paint, size=size)


def _mark(axes: Axes, best: int | None) -> None:
    if best is not None:
        axes.axvline(best, color=FAINT, linewidth=1, linestyle=":", label=f"best epoch ({best})")


def _scale(axes: Axes, lines: Lines) -> None:
    values = [value for line in lines.values() for value in line if value is not None]
    if min(values) > 0 and max(values) / min(values) > _LOG:
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")  # its own writes powers as mathematics
        axes.yaxis.set_minor_formatter(lambda *_: "")
