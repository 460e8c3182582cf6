"""An output that tells classes: which it takes for which, how well each is told, and how far its confidence can be trusted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from dlcli.app.pages.figures import FAINT, GRID, INK, PAPER, SERIES, Figure, Rows, drawn, label
from dlcli.app.report.class_scores import Array, Scores, expected_calibration_error, macro, scores
from dlcli.app.report.parts import Figures, Note, Part, Side, Table
from dlcli.app.report.words import percent
from dlcli.config.words import counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

    from dlcli.training.outcomes.answers import Calibration, JudgedClasses

_NUMBERED: Final = 12
"""Up to so many classes the cells of a confusion matrix have numbers."""
_MOST_DRAWN: Final = 120
"""Classes of a confusion matrix that can be drawn."""
_SHADES: Final = 10
_GAP: Final = 0.03
_DARKEST: Final = 0.5
"""Of a cell: a number on it has to be read in the light and in the dark."""
_MOST_ROWS: Final = 30
"""Classes of a table that is not folded up."""
_MOST_LISTED: Final = 500
"""Classes of a table."""
_MOST_CONFUSIONS: Final = 12


def class_parts(judged: JudgedClasses, names: Sequence[str], prefix: str) -> list[Part]:
    """What there is to show of an output.

    Args:
        judged: what was counted.
        names: of the classes.
        prefix: of the names of its figures.
    """
    parts: list[Part] = []
    figures = []
    if judged.confusion is not None and 1 < judged.num_classes <= _MOST_DRAWN:
        figures.append(confusion_figure(judged.confusion, names, prefix))
    if judged.calibration.counts.sum():
        figures.append(calibration_figure(judged.calibration, prefix, per_step=judged.per_step))
    parts.append(Figures(figures))
    confusions = _confusions(judged, names)
    tables = [_table(judged, names), *([Table(confusions, "What was confused most often")] if len(confusions) > 1 else [])]
    parts.append(Side(tables))
    if judged.called[-1]:
        beyond = counted(int(judged.called[-1]), "answer")
        parts.append(Note(f"The network has scores for more classes than the data: {beyond} named one of those.", "bad"))
    return parts


def confusion_figure(confusion: Array, names: Sequence[str], prefix: str) -> Figure:
    """A confusion matrix: numbers where they can be read, shades by the share of the row's class."""
    shown, columns = _shown(confusion, names)
    size = len(confusion)
    with_numbers = size <= _NUMBERED

    def paint(canvas: Canvas) -> None:
        axes = canvas.subplots()
        _shade(axes, shown)
        axes.set_xlim(0, len(columns))
        axes.set_ylim(size, 0)
        axes.set_aspect("equal" if size > 2 else "auto")
        axes.grid(visible=False)
        if with_numbers:
            _write_numbers(axes, shown)
        if size <= 40:
            ticks = [label(name, 12) for name in columns]
            turned = 90 if max(map(len, ticks)) > 3 else 0
            axes.set_xticks(np.arange(len(columns)) + 0.5, ticks, rotation=turned, fontsize=8 if size <= 25 else 6)
            axes.set_yticks(np.arange(size) + 0.5, ticks[:size], fontsize=8 if size <= 25 else 6)
        axes.tick_params(length=0)
        axes.set_xlabel("called")
        axes.set_ylabel("is")

    table: Rows = [["is", *(f"called {name}" for name in columns)]]
    rows: Rows = [[name, *(int(value) for value in row)] for name, row in zip(names, shown, strict=True)]
    table = [*table, *rows]
    reading = "Rows are what samples are, columns what the network called them; on the diagonal it is right."
    side = 4.6 if size <= 25 else 6.4
    return drawn(f"{prefix}confusion", "Confusion matrix", reading, table, paint, size=(side, side * 0.92))


def _shown(confusion: Array, names: Sequence[str]) -> tuple[Array, list[str]]:
    """The matrix without the column of other classes, where nothing was called one, and the names of its columns."""
    if confusion[:, -1].any():
        return confusion, [*names, "other"]
    return confusion[:, :-1], list(names)


def _shade(axes: Axes, confusion: Array) -> None:
    """Cells in shades of the share that they are of their row, wrong ones in another colour; all cells of one are one shape."""
    from matplotlib.patches import PathPatch  # noqa: PLC0415  # matplotlib: only once there is something to draw
    from matplotlib.path import Path  # noqa: PLC0415

    shares = confusion / np.maximum(confusion.sum(1, keepdims=True), 1)
    shades = np.ceil(np.sqrt(shares) * _SHADES).astype(int)  # else nobody would see what is rare
    is_right = np.eye(*confusion.shape) > 0
    for where, colour in ((is_right, SERIES[0]), (~is_right, SERIES[1])):
        for shade in range(1, _SHADES + 1):
            corners = _corners(*np.nonzero((shades == shade) & where))
            if corners:
                codes = [Path.MOVETO, Path.LINETO, Path.LINETO, Path.LINETO, Path.CLOSEPOLY] * (len(corners) // 5)
                strength = _DARKEST * shade / _SHADES
                axes.add_patch(PathPatch(Path(corners, codes), facecolor=colour, alpha=strength, edgecolor="none"))


def _corners(rows: Array, columns: Array) -> list[tuple[float, float]]:
    """Of each of these cells, one after the other, with a gap between them."""
    corners: list[tuple[float, float]] = []
    for row, column in zip(rows.tolist(), columns.tolist(), strict=True):
        left, right, top, bottom = column + _GAP, column + 1 - _GAP, row + _GAP, row + 1 - _GAP
        corners += [(left, top), (right, top), (right, bottom), (left, bottom), (left, top)]
    return corners


def _write_numbers(axes: Axes, confusion: Array) -> None:
    for row, values in enumerate(confusion):
        for column, value in enumerate(values):
            if value:
                text = f"{value}" if value < 100_000 else f"{value:.0e}"
                axes.text(column + 0.5, row + 0.5, text, ha="center", va="center", fontsize=7, color=INK)


def calibration_figure(calibration: Calibration, prefix: str, *, per_step: bool = False) -> Figure:
    """A reliability diagram with its expected calibration error."""
    counts, bins = calibration.counts, len(calibration.counts)
    there = counts > 0
    accuracy = np.divide(calibration.hits, counts, out=np.zeros(bins), where=there)
    confidence = np.divide(calibration.confidence, counts, out=np.zeros(bins), where=there)
    error = expected_calibration_error(calibration)
    lefts = np.arange(bins) / bins

    def paint(canvas: Canvas) -> None:
        axes, below = canvas.subplots(2, 1, sharex=True, height_ratios=(3, 1))
        axes.bar(lefts[there], accuracy[there], 1 / bins, align="edge", color=SERIES[0], edgecolor=PAPER, label="right")
        axes.plot([0, 1], [0, 1], color=FAINT, linestyle="--", linewidth=1, label="as sure as right")
        axes.plot(confidence[there], accuracy[there], "o", markersize=3, color=SERIES[1], label="mean confidence")
        axes.set_ylim(0, 1)
        axes.set_ylabel("share right")
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3, fontsize=8)
        below.bar(lefts, counts / counts.sum(), 1 / bins, align="edge", color=GRID, edgecolor=FAINT, linewidth=0.5)
        below.set_xlim(0, 1)
        below.set_ylabel("of all")
        below.set_xlabel("confidence")

    head = ["from confidence", "to confidence", "answers", "mean confidence", "share right"]
    rows = zip(lefts, lefts + 1 / bins, counts, confidence, accuracy, strict=True)
    table: Rows = [head, *([float(low), float(high), int(n), float(c), float(a)] for low, high, n, c, a in rows)]
    what = "steps" if per_step else "samples"
    reading = (
        f"Of the {what} of which the network is so sure, so many are right: on the dashed line its confidence can be taken at "
        f"its word. Expected calibration error {error:.4f}, in {bins} bins."
    )
    return drawn(f"{prefix}calibration", "Calibration", reading, table, paint, size=(4.6, 4.2))


def _confusions(judged: JudgedClasses, names: Sequence[str]) -> Rows:
    """The cells beside the diagonal with the most answers."""
    rows: list[list[str | int | float | None]] = [["is", "called", "times", "share of the class"]]
    if judged.confusion is None:
        return rows
    wrong = judged.confusion.astype(np.int64)
    np.fill_diagonal(wrong, 0)
    for cell in np.argsort(-wrong, axis=None, kind="stable")[:_MOST_CONFUSIONS]:
        row, column = (int(place) for place in np.unravel_index(cell, wrong.shape))
        if wrong[row, column]:
            called = names[column] if column < len(names) else "other"
            share = percent(wrong[row, column] / judged.support[row])
            rows.append([label(names[row], 40), label(called, 40), int(wrong[row, column]), share])
    return rows


def _table(judged: JudgedClasses, names: Sequence[str]) -> Table:
    """Precision, recall and F1 of each class, and their means."""
    found: Scores = scores(judged.hits, judged.called[:-1], judged.support)
    counts = (judged.support, judged.called[:-1])
    what = "steps" if judged.per_step else "samples"
    rows: list[list[str | int | float | None]] = [["class", what, "called", "precision", "recall", "F1"]]
    for place in _listed(judged.support):
        numbers = (int(judged.support[place]), int(judged.called[place]))
        scored = (float(score[place]) for score in (found.precision, found.recall, found.f1))
        rows.append([label(names[place], 40), *numbers, *scored])
    total = int(judged.support.sum())
    means = (macro(score, counts) for score in (found.precision, found.recall, found.f1))
    mean: list[str | int | float | None] = ["mean", total, int(judged.called[:-1].sum()), *means]
    caption = "Precision: of those called so, the share that is. Recall: of those that are, the share called so."
    if len(names) > _MOST_ROWS:
        rows.insert(1, mean)
        return Table(rows, f"Precision, recall and F1 of {len(names):,} classes", is_long=True)
    return Table([*rows, mean], caption)


def _listed(support: Array) -> list[int]:
    """The places of the classes in a table: all of them, or of very many the most frequent."""
    if len(support) <= _MOST_LISTED:
        return list(range(len(support)))
    places: list[int] = np.argsort(-support.astype(np.int64), kind="stable")[:_MOST_LISTED].tolist()
    return places
