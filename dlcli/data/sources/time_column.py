"""The column of a table that says when each row was: its order, its cycles, and how it goes on."""

from __future__ import annotations

import re
import statistics
from calendar import monthrange
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dlcli.config.data.tables import DateFeature
from dlcli.config.tree import shortened
from dlcli.data.sources.columns import Table
from dlcli.errors import DataError

_MONTH: Final = re.compile(r"[0-9]{4}-[0-9]{2}")
_COMPACT: Final = re.compile(r"[0-9]{8}")
_WHOLE: Final = re.compile(r"[+-]?[0-9]{1,18}")
_PRECISIONS: Final = ("hours", "minutes", "seconds", "milliseconds", "microseconds")
_CYCLES: Final[Mapping[DateFeature, tuple[Callable[[datetime], int], int]]] = {
    "minute": (lambda moment: moment.minute, 60),
    "hour": (lambda moment: moment.hour, 24),
    "weekday": (lambda moment: moment.weekday(), 7),
    "day": (lambda moment: moment.day - 1, 31),
    "month": (lambda moment: moment.month - 1, 12),
    "dayofyear": (lambda moment: moment.timetuple().tm_yday - 1, 366),
}
"""Where in its cycle a date lies, counted from 0, and how long the cycle is."""


@dataclass(frozen=True)
class Times:
    """When the rows of a table were.

    Attributes:
        texts: as they are written.
        moments: float64 (rows,), numbers, or seconds since 1970, in UTC where a date has no time zone.
        dates: by the clock that they are written in; None where they are numbers.
    """

    texts: tuple[str, ...]
    moments: NDArray[np.float64]
    dates: tuple[datetime, ...] | None

    def order(self) -> NDArray[np.int64]:
        """The rows in the order of time; those of the same time stay as they are."""
        return np.argsort(self.moments, kind="stable")

    def at(self, rows: NDArray[np.int64]) -> Times:
        """The times of these rows, in their order."""
        dates = self.dates
        places = rows.tolist()
        return Times(
            tuple(map(self.texts.__getitem__, places)),
            self.moments[rows],
            tuple(map(dates.__getitem__, places)) if dates is not None else None,
        )


def date_in(text: str) -> datetime | None:
    """The ISO date or month that a text is; None where it is none."""
    try:
        return datetime.fromisoformat(f"{text}-01" if _MONTH.fullmatch(text) else text)
    except ValueError:
        return None


def read_times(table: Table, name: str) -> Times:
    """The times of all rows; eight digits that are a date in each row are dates.

    Raises:
        DataError: one is neither a number nor a date.
    """
    column = table.columns[name]
    texts = column.texts
    assert texts is not None
    if column.is_numeric and not all(_COMPACT.fullmatch(text) and date_in(text) is not None for text in texts):
        return Times(texts, table.numbers(name), None)
    dates = []
    for row, text in enumerate(texts):
        moment = date_in(text)
        if moment is None:
            what = f"{table.place(row)}: column `{name}` holds '{shortened(text)}', expected a number or a date like "
            help = "write dates so; or leave data.time out, where the rows stand in their order"
            raise DataError(f"{what}2016-07-01 12:30", help=help)
        dates.append(moment)
    return Times(texts, np.array([_in_utc(moment).timestamp() for moment in dates]), tuple(dates))


def check_steps(table: Table, name: str, times: Times) -> None:
    """That no time of rows in their order is there twice: then they are no steps of one series.

    Raises:
        DataError: one is.
    """
    same = np.flatnonzero(np.diff(times.moments) == 0)
    if len(same):
        first, second = int(same[0]), int(same[0]) + 1
        what = f"{table.place(second)}: column `{name}` holds '{times.texts[second]}', which {table.counted} {table.lines[first]}"
        help = "keep one row of each time; of several series give each a file, or columns of its own"
        raise DataError(f"{what} holds too, expected each time once", help=help)


def date_features(table: Table, name: str, times: Times, wanted: Sequence[DateFeature]) -> NDArray[np.float32]:
    """Sine and cosine of where each date lies in its cycles, (rows, 2 * cycles).

    Raises:
        DataError: the times are numbers.
    """
    if times.dates is None:
        what = f"{table.path}: data.date_features reads dates, and column `{name}` holds numbers like {times.texts[0]}"
        raise DataError(what, help="write dates like 2016-07-01 12:30, or leave data.date_features out")
    values = np.empty((len(times.dates), 2 * len(wanted)), dtype=np.float32)
    for at, feature in enumerate(wanted):
        place, cycle = _CYCLES[feature]
        angles = 2 * np.pi / cycle * np.array([place(moment) for moment in times.dates])
        values[:, 2 * at], values[:, 2 * at + 1] = np.sin(angles), np.cos(angles)
    return values


def times_after(times: Times, count: int) -> tuple[str, ...]:
    """What the next times are, by the step that is the most usual, the median, and written as the last one is.

    Dates of a month each, on one day or on the last, go on by months. Where nothing shows a step they are numbered from 1.
    """
    if len(times.texts) > 1:
        if times.dates is None:
            return _numbers_after(times.texts, count)
        try:
            moments = _months_after(times.dates, count) or _moments_after(times.dates, count)
        except (OverflowError, ValueError):  # past the year 9999
            moments = []
        if moments:
            return tuple(_written_like(times.texts[-1], times.dates[-1], moment) for moment in moments)
    return numbered(count)


def numbered(count: int) -> tuple[str, ...]:
    """Steps that have no times: "1", "2", ..."""
    return tuple(str(step) for step in range(1, count + 1))


def _in_utc(moment: datetime) -> datetime:
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _numbers_after(texts: Sequence[str], count: int) -> tuple[str, ...]:
    numbers = [Decimal(text if _WHOLE.fullmatch(text) else repr(float(text))) for text in texts]
    step = statistics.median_low([later - earlier for earlier, later in pairwise(numbers)])
    return tuple(str(numbers[-1] + step * ahead) for ahead in range(1, count + 1))


def _moments_after(dates: Sequence[datetime], count: int) -> list[datetime]:
    moments = [_in_utc(moment) for moment in dates]
    step = statistics.median_low([later - earlier for earlier, later in pairwise(moments)])
    return [dates[-1] + step * ahead for ahead in range(1, count + 1)]


def _months_after(dates: Sequence[datetime], count: int) -> list[datetime]:
    """On the same day of each month, or on its last where all are; nothing where the dates are not so."""
    are_ends = all(moment.day == _days_in(moment) for moment in dates)
    if len({moment.timetz() for moment in dates}) > 1 or not (are_ends or len({moment.day for moment in dates}) == 1):
        return []
    months = [12 * moment.year + moment.month - 1 for moment in dates]
    step = statistics.median_low([later - earlier for earlier, later in pairwise(months)])
    after = []
    for ahead in range(1, count + 1):
        year, month = divmod(months[-1] + step * ahead, 12)
        first = dates[-1].replace(year=year, month=month + 1, day=1)
        after.append(first.replace(day=_days_in(first) if are_ends else min(dates[-1].day, _days_in(first))))
    return after


def _days_in(month: date) -> int:
    return monthrange(month.year, month.month)[1]


def _written_like(text: str, last: datetime, moment: datetime) -> str:
    """A date in the way that the last one is written in, where this way can write it."""
    for written, other in zip(_writings(last), _writings(moment), strict=True):
        if written == text and date_in(other) == moment:
            return other
    return moment.isoformat(" ")


def _writings(moment: datetime) -> Iterator[str]:
    day = moment.date().isoformat()
    yield from (day[:7], day, day.replace("-", ""))
    for precision in _PRECISIONS:
        for separator in " T":
            written = moment.isoformat(separator, precision)
            yield from (written, written.replace("+00:00", "Z"))
