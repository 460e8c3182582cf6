"""Tables in .csv and .parquet files, and series in .ts files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, cast

from dlcli.app.commented_yaml import printable
from dlcli.app.survey.found import Field, Survey, answers_of, facts_of, few_fields, kind_of, raw_of
from dlcli.config.data import Csv, SplitSpec, Ts
from dlcli.config.data.tables import ALL
from dlcli.data.sources.columns import Column, Table
from dlcli.data.sources.table import read_header, read_table, table_file
from dlcli.data.sources.time_column import read_times
from dlcli.errors import DataError

_TIME: Final = re.compile(r"(date|time|timestamp)s?$|^(date|time)")
_TARGETS: Final = ("target", "label", "class", "y", "outcome")
"""Names that say which column is to be predicted; else it is the last."""
_COUNTERS: Final = ("id", "index", "row", "no")
"""Names of columns that only count the rows: a network learns them by heart."""
_MOST_WINDOW: Final = 64
_MOST_LISTED: Final = 8
_TO_PREDICT: Final = "the column to predict"


def survey_ts(path: Path) -> Survey:
    """Reads the series.

    Raises:
        DataError: a file is damaged, or holds what the source can't read.
    """
    spec = Ts(path=str(path))
    raw, facts = raw_of(spec), facts_of(spec)
    samples = len(raw.train)
    found = f"{samples:,} {kind_of(facts.input)} for training, with {answers_of(facts, raw.class_names)}"
    return Survey(Ts.kind, path, facts, samples, found, few_fields(samples), raw.notices)


def survey_csv(path: Path) -> Survey:
    """Reads the table: with a column of time its rows follow one another and are forecast, else each is a sample.

    Raises:
        DataError: the file is damaged, or holds what the source can't read.
    """
    file = table_file(path)
    names = read_header(file)
    table = read_table(file, (), names)
    time = next((name for name in names if _is_time(name, table.columns[name])), None)
    rows = len(table.lines)
    fields = _windows(table, time, rows) if time is not None else _rows(table)
    spec = Csv.model_validate({"path": str(path)} | {key: _given(key, value) for key, value, _ in fields})
    raw, facts = raw_of(spec), facts_of(spec)
    columns = cast("Mapping[str, tuple[str, ...]]", raw.found)
    read = {*columns["features"], *columns["target"]}
    found = f"{rows:,} rows of {len(names):,} columns: {kind_of(facts.input)}, with {answers_of(facts, raw.class_names)}"
    cautions = (*_unread([name for name in names if name not in {*read, time}]), *_time_caution(table, time, spec))
    return Survey(Csv.kind, path, facts, len(raw.train), found, fields, cautions)


def _given(key: str, value: Any) -> Any:
    return SplitSpec(**value) if key == "split" else value


def _written_target(name: str) -> Any:
    """A column that is called as all columns are stands in a list."""
    return [name] if name == ALL else name


def _is_time(name: str, column: Column) -> bool:
    """By its name, and by values that are almost all different: a duration that repeats is a feature."""
    assert column.texts is not None
    is_named = _TIME.search(name.lower()) is not None
    return is_named and len(set(column.texts)) > 0.9 * len(column.texts)


def _windows(table: Table, time: str, rows: int) -> tuple[Field, ...]:
    """A forecast of the next rows: of the named target, or of the last column of numbers that is not the time."""
    numeric = [name for name, column in table.columns.items() if column.is_numeric and name != time]
    if not numeric:
        raise DataError(f"{table.path} has no column of numbers beside `{time}`", help="a forecast needs one to predict")
    target = next((name for name in numeric if name.lower() in _TARGETS), numeric[-1])
    few = few_fields(rows)
    share = few[0][1]["valid"] if few else SplitSpec().valid
    held_out = int(share * (1 - SplitSpec().test) * rows)
    window = min(_MOST_WINDOW, 1 << max(1, (held_out // 2).bit_length() - 1))
    why = "; `all` for all columns of numbers" if len(numeric) > 1 else ""
    fields: list[Field] = [("target", _written_target(target), f"{_TO_PREDICT}{why}")]
    if _why_no_order(table, time) is None:
        why = "" if table.columns[time].is_numeric else "; `date_features: [hour, weekday, month]` reads its cycles"
        fields.append(("time", time, f"puts the rows in order; is no feature{why}"))
    elif table.columns[time].is_numeric:
        fields.append(("features", numeric, "not the time"))
    fields += [
        ("window", window, "rows that the network reads; try half and twice as many"),
        ("horizon", max(1, window // 4), "rows after them that it predicts"),
    ]
    return (*fields, *few)


def _why_no_order(table: Table, time: str) -> str | None:
    """Why the source can't take the column for `time`; None where it can."""
    try:
        moments = read_times(table, time).moments
    except DataError:
        return "holds no dates like 2016-07-01 12:30"
    return "holds a time twice" if len(set(moments.tolist())) < len(moments) else None


def _time_caution(table: Table, time: str | None, spec: Csv) -> tuple[str, ...]:
    if time is None or spec.time is not None:
        return ()
    return (f"`{printable(time)}` {_why_no_order(table, time)}, so the rows have to stand in their order already",)


def _rows(table: Table) -> tuple[Field, ...]:
    names = list(table.columns)
    target = next((name for name in names if name.lower() in _TARGETS), names[-1])
    fields: list[Field] = [("target", _written_target(target), _TO_PREDICT)]
    features = [name for name in names if name != target and table.columns[name].is_numeric]
    kept = [name for name in features if name.lower() not in _COUNTERS]
    if kept and len(kept) < len(features):
        fields.append(("features", kept, "without what only numbers the rows"))
    return (*fields, *few_fields(len(table.lines)))


def _unread(names: list[str]) -> tuple[str, ...]:
    """What is to be said of columns that no network reads."""
    if not names:
        return ()
    listed = ", ".join(f"`{printable(name)}`" for name in names[:_MOST_LISTED]) + (", ..." if len(names) > _MOST_LISTED else "")
    return (f"not read: {listed}. Text can't be; write a category as columns of 0 and 1",)
