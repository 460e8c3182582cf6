"""What a terminal shows of a training: the epochs so far, curves, and a bar over the epoch under way."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any, Final, NamedTuple

from dlcli.cli.live_region import Line, Span
from dlcli.cli.sparkline import sparkline
from dlcli.config.diagnostics import MAX_WIDTH
from dlcli.config.words import duration
from dlcli.runtime.durable_files import size_text
from dlcli.training.progress import Progress

BLOCKS: Final = "▁█━─"
"""What is drawn with, where the terminal has it."""

_BOLD, _DIM, _BEST, _BAR, _GOOD = "1", "2", "1;32", "36", "32"
_MOST_ROWS: Final = 10
_CURVE: Final = 40
"""Columns of a curve at most."""
_BAR_AT_MOST: Final = 40
_LEAST_FOR_CURVES: Final = 11
"""Lines of a terminal that has room for curves beside a bar, a table of two rows and the gaps."""
_MOST_POINTS: Final = 512
_EMPTY: Final[Line] = ()
_LOSSES: Final = "step loss, log"
_TINY: Final = 1e-12
"""The least loss whose logarithm is drawn."""
_LONGEST: Final = 24
"""Columns of a name; of a longer one the end is shown, where names differ."""
_GAP: Final = "  "
_HELD: Final = "\N{NO-BREAK SPACE}"


class Curve:
    """Points of a curve, each the mean of equally many values; where they get too many, each two become one.

    Attributes:
        points: from the first to the newest.
        last: the newest value; None before there is one.
    """

    def __init__(self) -> None:
        self.points: list[float] = []
        self.last: float | None = None
        self._values_each = 1
        self._waiting: list[float] = []

    def add(self, value: float) -> None:
        """Goes on with a value."""
        self.last = value
        self._waiting.append(value)
        if len(self._waiting) < self._values_each:
            return
        self.points.append(fmean(self._waiting))
        self._waiting.clear()
        if len(self.points) == _MOST_POINTS:
            self.points = [fmean(pair) for pair in zip(self.points[::2], self.points[1::2], strict=True)]
            self._values_each *= 2


@dataclass
class Course:
    """What was seen of a training.

    Attributes:
        epochs: that it may take.
        steps_per_epoch: steps of each.
        total_steps: that it may take.
        monitored: the key of the value that decides which epoch is best.
        records: of the epochs that were seen to end.
        best: the number of the best of them.
        losses: of the steps that were looked at.
        memory: bytes, by what they are called.
    """

    epochs: int
    steps_per_epoch: int
    total_steps: int
    monitored: str
    records: list[dict[str, Any]] = field(default_factory=list)
    best: int | None = None
    losses: Curve = field(default_factory=Curve)
    memory: Mapping[str, int] = field(default_factory=dict)


class _Column(NamedTuple):
    """A column of the table.

    Attributes:
        title: its head.
        cell: what an epoch has in it.
        width: its columns on the terminal.
    """

    title: str
    cell: Callable[[Mapping[str, Any]], str]
    width: int


def frame(course: Course, progress: Progress | None, columns: int, lines: int, *, has_blocks: bool) -> list[Line]:
    """The lines for a terminal of a size.

    Args:
        course: what was seen.
        progress: where the training stands; None once it is left, and there is no bar any more.
        columns: of the terminal.
        lines: of the terminal.
        has_blocks: whether it can show `BLOCKS`; without them there are no curves.
    """
    width = min(columns - 1, MAX_WIDTH)
    curves = list(_curves(course, width)) if has_blocks and lines >= _LEAST_FOR_CURVES else []
    bar: list[Line] = []
    if progress is not None:
        loss = None if curves else course.losses.last
        bar = [_bar(course, progress, width, has_blocks=has_blocks), *_figures(course, progress, loss, width)]
    room = lines - 1 - len(bar) - len(curves) - 1 - bool(bar) - bool(curves)
    table = _table(course, width, min(room, _MOST_ROWS))
    parts = [part for part in (table, curves, bar) if part]
    shown = [line for part in parts for line in (*part, _EMPTY)]
    return shown[:-1] if bar else shown


def _table(course: Course, width: int, rows: int) -> list[Line]:
    """The head and the last epochs; the best stands above them where it is none of these."""
    if not course.records or rows < 1:
        return []
    columns = _columns(course, width)
    shown = course.records[-rows:]
    best = next((record for record in course.records if record["epoch"] == course.best), None)
    if best is not None and rows > 1 and best not in shown:
        shown = [best, *shown[1:]]
    head = _GAP.join(column.title[-column.width :].rjust(column.width) for column in columns)
    table: list[Line] = [[Span(head, _BOLD)]]
    for record in shown:
        row, is_best = _GAP.join(column.cell(record).rjust(column.width) for column in columns), record is best
        table.append([Span(row, _GOOD), Span(f"{_GAP}best", _BEST)] if is_best else [Span(row)])
    return table


def _columns(course: Course, width: int) -> list[_Column]:
    """Those that there is room for: of the epoch and the monitored value, of losses, of other metrics, and of the time."""
    last = course.records[-1]
    metrics = [key for key in last if key.startswith("valid/") and key not in (course.monitored, "valid/loss")]
    time = _Column("time", lambda record: duration(record["train_seconds"]), 9)
    epoch = _Column("epoch", lambda record: str(record["epoch"]), max(5, len(str(course.epochs))))
    values = {key: _value_column(key) for key in ("train/loss", "valid/loss", course.monitored, *metrics) if key in last}
    wanted = [course.monitored, "train/loss", "valid/loss", "time", *metrics]
    left, chosen = width - epoch.width - len(f"{_GAP}best"), set[str]()
    for key in wanted:
        column = time if key == "time" else values.get(key)
        if column is not None and key not in chosen and (not chosen or column.width + len(_GAP) <= left):
            chosen.add(key)
            left -= column.width + len(_GAP)
    return [epoch, *(column for key, column in values.items() if key in chosen), *([time] if "time" in chosen else [])]


def _value_column(key: str) -> _Column:
    return _Column(key, lambda record: _number(record.get(key)), min(max(len(key), 9), _LONGEST))


def _number(value: Any) -> str:
    """With four places, or in powers of ten where these say nothing."""
    if not isinstance(value, int | float):
        return "-"
    return f"{value:.4f}" if value == 0 or 1e-3 <= abs(value) < 1e5 else f"{value:.3e}"


def _curves(course: Course, width: int) -> Iterator[Line]:
    """The losses of steps, and the monitored value of each epoch."""
    values = [record.get(course.monitored) for record in course.records]
    losses = [math.log(max(loss, _TINY)) for loss in course.losses.points]
    drawn: dict[str, Sequence[float | None]] = {_LOSSES: losses, course.monitored: values}
    there = {name: points for name, points in drawn.items() if len(points) > 1}
    label = min(max(map(len, there), default=0), _LONGEST)
    for name, points in there.items():
        curve = sparkline(points, max(1, min(width - label - 2 * len(_GAP) - 10, _CURVE)))
        last = course.losses.last if name == _LOSSES else points[-1]
        yield [Span(name[-label:].ljust(label) + _GAP), Span(curve, _BAR), Span(f"{_GAP}{_number(last)}")]


def _bar(course: Course, progress: Progress, width: int, *, has_blocks: bool) -> Line:
    """How much of the epoch is done, and how long the rest takes."""
    share = 1 if progress.finished else progress.step_in_epoch / course.steps_per_epoch
    seconds = progress.epoch_seconds / progress.step_in_epoch if progress.step_in_epoch else None
    rest = "evaluating" if share == 1 else _left(_steps_left_in_epoch(course, progress), seconds)
    head = f"epoch {min(progress.epoch + 1, course.epochs)}/{course.epochs}"
    tail = f"{int(100 * share):3}%{_GAP}{rest}"
    room = max(0, min(_BAR_AT_MOST, width - len(head) - len(tail) - 2 * len(_GAP)))
    done = round(share * room)
    filled, empty = ("━" * done, "─" * (room - done)) if has_blocks else ("#" * done, "-" * (room - done))
    return [Span(head, _BOLD), Span(_GAP), Span(filled, _BAR), Span(empty, _DIM), Span(_GAP + tail)]


def _figures(course: Course, progress: Progress, loss: float | None, width: int) -> Iterator[Line]:
    """Where the training stands, in a line or two, with the loss where no curve shows it."""
    per_step = progress.elapsed_seconds / progress.step if progress.step else None
    rate = progress.samples / progress.epoch_seconds if progress.epoch_seconds else None
    parts = [
        f"step {progress.step:,}/{course.total_steps:,}",
        *([f"loss {_number(loss)}"] if loss is not None else []),
        *([f"in all {_left(_steps_left(course, progress), per_step)}"] if course.epochs > 1 else []),
        *([f"{rate:,.0f} samples/s"] if rate else []),
        *(f"{name} {size_text(size)}" for name, size in course.memory.items()),
    ]
    for line in textwrap.wrap(_GAP.join(part.replace(" ", _HELD) for part in parts), width, drop_whitespace=True)[:2]:
        yield [Span(line.replace(_HELD, " "), _DIM)]


def _steps_left(course: Course, progress: Progress) -> int:
    """Steps that the training still takes, if nothing ends it early."""
    return max(0, course.total_steps - progress.step)


def _steps_left_in_epoch(course: Course, progress: Progress) -> int:
    return min(course.steps_per_epoch - progress.step_in_epoch, _steps_left(course, progress))


def _left(steps: int, seconds_per_step: float | None) -> str:
    return "-" if seconds_per_step is None else f"{duration(steps * seconds_per_step)} left"
