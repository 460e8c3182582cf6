"""Runs as lines of text: a list of them, one in full, several side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from dlcli.app.kept_runs.comparison import ABSENT, Comparison, Value, without_fields
from dlcli.app.kept_runs.epochs import curve
from dlcli.app.kept_runs.record import KeptRun, number, number_at, plugin_words, text_at, value_at, whole_at
from dlcli.app.kept_runs.story import Story
from dlcli.cli.console import data_used, table
from dlcli.cli.foreign_text import cut_in_the_middle, figure, one_line
from dlcli.cli.sparkline import sparkline
from dlcli.config.words import duration
from dlcli.config.yaml_output import inline_yaml
from dlcli.runtime.durable_files import size_text

_LIST_HEAD: Final = ["run", "status", "data", "metric", "best", "test", "time", "epochs", "started"]
_LIST_NUMBERS: Final = (4, 5, 6, 7)
_LEAST_COLUMNS: Final = 6
"""Of a list, however narrow the terminal is."""
_LEAST_NAME: Final = 20
"""Characters of a run's name in a list, however narrow the terminal is."""
_NARROW_DATA: Final = 16
"""Characters of the data's name where names are cut."""
_OLD: Final = 300 * 86_400
"""Seconds after which a date is shown with its year, and without its hour."""
_LABEL: Final = 12
_LEAST_CELL: Final = 8
_TITLES: Final = {"best_epoch": "of epoch", "train_seconds": "training", "samples_per_second": "samples/s"}
"""What results are called for a person."""
_MOST_LISTED: Final = 40
"""Rows of a list of a run's files."""


def list_lines(runs: Sequence[KeptRun], width: int, now: datetime) -> list[str]:
    """A row for each run, in so many columns: what there is no room for is left out from the right, then names are cut."""
    rows = [_LIST_HEAD, *([*_list_cells(run), _day(run.started, now)] for run in runs)]
    for kept in range(len(_LIST_HEAD), _LEAST_COLUMNS - 1, -1):
        lines = _table([row[:kept] for row in rows], _LIST_NUMBERS)
        if max(map(len, lines)) <= width:
            return lines
    behind = [[row[1], _cut(row[2], _NARROW_DATA), *row[3:_LEAST_COLUMNS]] for row in rows]
    room = width - max(map(len, _table(behind, ()))) - 2
    names = [cut_in_the_middle(row[0], max(room, _LEAST_NAME)) for row in rows]
    return _table([[name, *others] for name, others in zip(names, behind, strict=True)], _LIST_NUMBERS)


def _table(rows: list[list[str]], right: Iterable[int]) -> list[str]:
    return table(rows, right=[column for column in right if column < len(rows[0])]).splitlines()


def _list_cells(run: KeptRun) -> list[str]:
    metric = "-" if run.metric is None else one_line(run.metric, 20)
    return [
        one_line(run.name, 255),
        run.status,
        _data_used(run.record),
        metric,
        figure(run.best),
        figure(run.test),
        _seconds(run.train_seconds),
        figure(run.epochs),
    ]


def _data_used(record: Mapping[str, Any]) -> str:
    """`mnist`, or where a fallback stood in `digits for mnist`."""
    used, asked = text_at(record, "data", "used"), text_at(record, "data", "asked")
    if used is None:
        return "-"
    return one_line(used if asked in (None, used) else f"{used} for {asked}", 30)


def _seconds(seconds: float | None) -> str:
    return "-" if seconds is None or not 0 <= seconds < 1e12 else duration(seconds)


def _day(moment: datetime | None, now: datetime) -> str:
    """`27 Nov 11:26`; of long ago, or to come, `27 Nov 2025`."""
    if moment is None:
        return "-"
    is_near = 0 <= (now - moment).total_seconds() < _OLD
    return f"{moment:%d %b %H:%M}" if is_near else f"{moment:%d %b} {moment.year}"


def story_lines(story: Story, width: int) -> list[str]:
    """A run in full."""
    run = story.run
    rows = [
        ("run", [f"{one_line(run.path, 255)} ({run.status})"]),
        ("trained by", [one_line(story.trained_by)] if story.trained_by else []),
        ("problem", [one_line(problem, 400) for problem in (run.problem, text_at(run.record, "error")) if problem]),
        ("config", _config_lines(run.record)),
        ("started", _times(run)),
        ("network", _network_lines(run)),
        ("data", _data_lines(run.record)),
        ("training", _training_lines(run)),
        ("best", [_best(run)] if run.best is not None else []),
        ("test", _figures(value_at(run.record, "test"))),
        ("baseline", _figures(value_at(run.record, "baseline"))),
        ("curves", _story_curves(story, width - _LABEL)),
        ("files", _file_lines(story)),
        ("checkpoints", _checkpoint_lines(story)),
        ("plug-ins", _plugin_lines(run.record)),
        ("next", [one_line(command, 1_000) for command in story.next]),
    ]
    return [
        f"{label if not number else '':<{_LABEL}}{line}".rstrip() for label, lines in rows for number, line in enumerate(lines)
    ]


def _config_lines(record: Mapping[str, Any]) -> list[str]:
    config, overrides = text_at(record, "config"), value_at(record, "overrides")
    given = overrides if isinstance(overrides, list) else []
    return [
        *([one_line(config, 255)] if config else []),
        *(f"--set {one_line(override, 200)}" for override in given[:_MOST_LISTED]),
    ]


def _times(run: KeptRun) -> list[str]:
    resumed = value_at(run.record, "resumed")
    texts = [text for text in (text_at(run.record, "started"), text_at(run.record, "ended")) if text]
    again = f", taken up again {len(resumed)} x" if isinstance(resumed, list) and resumed else ""
    total = number_at(run.record, "total_seconds")
    whole = f", {_seconds(total)} in all" if total is not None else ""
    return [f"{', ended '.join(one_line(text[:19].replace('T', ' ')) for text in texts)}{again}{whole}"] if texts else []


def _network_lines(run: KeptRun) -> list[str]:
    outputs = value_at(run.record, "outputs")
    shown = [f"{one_line(name)}: {one_line(shape)}" for name, shape in outputs.items()] if isinstance(outputs, dict) else []
    count = [f"{run.parameters:,} parameters"] if run.parameters is not None else []
    return [*count, *shown[:_MOST_LISTED]]


def _data_lines(record: Mapping[str, Any]) -> list[str]:
    used, asked = text_at(record, "data", "used"), text_at(record, "data", "asked")
    if used is None:
        return []
    counts = {split: whole_at(record, "data", "samples", split) for split in ("train", "valid", "test")}
    samples = ", ".join(f"{count:,} {split}" for split, count in counts.items() if count)
    origin = text_at(record, "data", "origin")
    return [f"{one_line(data_used(used, asked or used))}: {samples}", *([one_line(origin, 255)] if origin else [])]


def _training_lines(run: KeptRun) -> list[str]:
    """How long and how fast it was, and on what."""
    rate, seed = number_at(run.record, "samples_per_second"), whole_at(run.record, "seed")
    finished, device = text_at(run.record, "finished"), text_at(run.record, "device_title")
    work = [
        f"{run.epochs:,} epoch{'' if run.epochs == 1 else 's'}" if run.epochs is not None else "",
        _seconds(run.train_seconds) if run.train_seconds is not None else "",
        f"{rate:,.0f} samples/s" if rate is not None else "",
        f"ended by {one_line(finished)}" if finished is not None else "",
    ]
    place = [one_line(device) if device is not None else "", f"seed {seed}" if seed is not None else ""]
    return [", ".join(filter(None, parts)) for parts in (work, place) if any(parts)]


def _best(run: KeptRun) -> str:
    epoch = whole_at(run.record, "best", "epoch")
    return f"{one_line(run.monitored)} {figure(run.best)}" + (f" (epoch {epoch})" if epoch is not None else "")


def _figures(measured: object) -> list[str]:
    """The metrics in their order, the losses behind them."""
    if not isinstance(measured, dict):
        return []
    named = sorted(measured.items(), key=lambda pair: str(pair[0]).endswith("loss"))
    return [", ".join(f"{one_line(name)} {figure(number(value))}" for name, value in named[:_MOST_LISTED])]


def _story_curves(story: Story, width: int) -> list[str]:
    keys = dict.fromkeys(["train/loss", "valid/loss", *([story.run.monitored] if story.run.monitored else [])])
    curves = {one_line(key, 30): curve(story.epochs, key, max(story.epochs, default=0)) for key in keys}
    drawn = {name: values for name, values in curves.items() if any(value is not None for value in values)}
    return [_drawn_curve(f"{name:<{max(map(len, drawn))}}", values, width) for name, values in drawn.items()]


def _drawn_curve(label: str, values: Sequence[float | None], width: int, scale: tuple[float, float] | None = None) -> str:
    """The first value, the curve and the last one behind a label."""
    there = [value for value in values if value is not None]
    first, last = (figure(there[0]), figure(there[-1])) if there else ("-", "-")
    drawn = sparkline(values, max(width - len(label) - 24, _LEAST_CELL), scale)
    return f"{label}  {first:>9}  {drawn}  {last}"


def _file_lines(story: Story) -> list[str]:
    files, size = sum(entry.files for entry in story.entries), sum(entry.size for entry in story.entries)
    rows = [[one_line(entry.name), size_text(entry.size), _num_files(entry.files)] for entry in story.entries]
    rows = [row if row[0].endswith("/") else [*row[:2], ""] for row in rows[:_MOST_LISTED]]
    return [f"{_num_files(files)}, {size_text(size)}", *(table(rows, right=(1,)).splitlines() if rows else [])]


def _num_files(count: int) -> str:
    return f"{count:,} file{'' if count == 1 else 's'}"


def _checkpoint_lines(story: Story) -> list[str]:
    rows = []
    for checkpoint in story.checkpoints[-_MOST_LISTED:]:
        marks = [word for word, holds in (("best", checkpoint.is_best), ("last", checkpoint.is_last)) if holds]
        rows.append([one_line(checkpoint.name), size_text(checkpoint.size), ", ".join(marks)])
    return table(rows, right=(1,)).splitlines() if rows else []


def _plugin_lines(record: Mapping[str, Any]) -> list[str]:
    """The files that the next commands would run, of which a stranger may have written the names and the content."""
    files = [one_line(file, 255) for file in plugin_words(record)[1::2]]
    return [*files, "These files are code, which the commands below run: read them first."] if files else []


def comparison_lines(comparison: Comparison, width: int) -> list[str]:
    """Runs side by side, each under a letter: what came of them, and behind it what their configs differ in."""
    letters = [chr(ord("A") + index) if index < 26 else str(index + 1) for index in range(len(comparison.runs))]
    lines = [f"{letter}  {one_line(run.path, 255)}" for letter, run in zip(letters, comparison.runs, strict=True)]
    results = [
        [_TITLES.get(name) or one_line(name), *map(_result(name), values)] for name, values in comparison.results().items()
    ]
    lines += ["", *_columns([["result", *letters], *results], width)]
    for key, curves in comparison.curves.items():
        lines += ["", *_compared_curves(one_line(key), curves, letters, width)]
    if comparison.differences is not None:
        rows = [[one_line(each.path, 255), *_cells(each.values)] for each in without_fields(comparison.differences)]
        lines += ["", *(_columns([["config", *letters], *rows], width) if rows else ["the configs are the same"])]
    return lines


def _cells(values: Sequence[Value]) -> list[str]:
    """Settings with short numbers, unless these look the same where the whole ones do not."""
    whole, short = (list(map(_cell, each)) for each in (values, map(_shortened, values)))
    return short if len(set(short)) == len(set(whole)) else whole


def _cell(value: Value) -> str:
    return ABSENT if value == ABSENT else one_line(inline_yaml(value), 200)


def _shortened(value: Value) -> Value:
    """The value with numbers of four digits."""
    if isinstance(value, float):
        return float(f"{value:.4g}")
    return [_shortened(item) for item in value] if isinstance(value, list) else value


def _result(name: str) -> Callable[[Any], str]:
    """How a result is shown."""
    if name == "train_seconds":
        return _seconds
    if name == "samples_per_second":
        return lambda rate: "-" if rate is None else f"{rate:,.0f}"
    return lambda value: one_line(value) if isinstance(value, str) else figure(value)


def _columns(rows: list[list[str]], width: int) -> list[str]:
    """A table whose first column is as wide as it needs to be, at most half of the width; the others share what is left."""
    first = min(max(len(row[0]) for row in rows), width // 2)
    share = max((width - first) // (len(rows[0]) - 1) - 2, _LEAST_CELL)
    fitted = [[cut_in_the_middle(row[0], first), *(_cut(cell, share) for cell in row[1:])] for row in rows]
    return table(fitted, right=range(1, len(rows[0]))).splitlines()


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 2]}.."


def _compared_curves(key: str, curves: Sequence[list[float | None]], letters: Sequence[str], width: int) -> Iterator[str]:
    """A curve for each run, all of one scale, an epoch above the same epoch."""
    there = [value for values in curves for value in values if value is not None]
    scale = min(there), max(there)
    yield key
    for letter, values in zip(letters, curves, strict=True):
        yield _drawn_curve(letter, values, width, scale)
