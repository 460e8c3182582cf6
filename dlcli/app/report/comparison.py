"""A page that lays several runs side by side: what their configs differ in, their curves and their results."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from dlcli.app.kept_runs.comparison import Comparison, Value, compare, without_fields
from dlcli.app.kept_runs.record import KeptRun, number, text_at
from dlcli.app.pages.figures import Figure, Rows, label
from dlcli.app.pages.page import number as number_text
from dlcli.app.pages.page import rendered, write
from dlcli.app.report.curves import curves
from dlcli.app.report.page import Report
from dlcli.app.report.parts import Code, Figures, Note, Section, Table
from dlcli.app.report.words import slug
from dlcli.app.runs import recorded_experiment
from dlcli.config.yaml_output import inline_yaml
from dlcli.training.run_folder import RunFolder

_MOST_RUNS: Final = 24
_MOST_DIFFERENCES: Final = 300
_MOST_EPOCHS: Final = 2000


def write_comparison(names: Sequence[str], runs: Path, output: Path | None = None) -> Report:
    """Makes the page.

    Args:
        names: folders or names of runs, at least two.
        runs: the folder of all runs.
        output: the page; without it `comparison.html` among the runs.

    Raises:
        UsageError: there is no such run.
        ResourceError: the disk does not take it.
    """
    compared = compare(names, runs)
    titles = _titles(compared.runs)
    figures = _figures(compared, titles)
    sections = [Section("Results", [_results(compared, titles)]), Section("Configs", [_differences(compared, titles)])]
    if figures:
        sections.insert(1, Section("Curves", [Figures(figures)]))
    sections.append(Section("Runs", [Code("\n".join(str(run.path) for run in compared.runs))]))
    page = rendered(
        "report.html.j2",
        title=f"{len(titles)} runs side by side",
        banners=[label(problem, 300) for problem in compared.problems],
        lead=_lead(compared, titles),
        facts=(),
        sections=sections,
    )
    path = output or runs / "comparison.html"
    write(page, path)
    return Report(path, tuple(figure.name for figure in figures), compared.problems)


def _titles(runs: Sequence[KeptRun]) -> list[str]:
    """The names of the runs; of several that are called the same, with a number."""
    titles: list[str] = []
    for run in runs:
        name = label(run.name, 40)
        again = sum(title == name or title.startswith(f"{name} (") for title in titles)
        titles.append(f"{name} ({again + 1})" if again else name)
    return titles


def _lead(compared: Comparison, titles: Sequence[str]) -> str:
    """Which run is best, where they can be compared."""
    if not _have_same_data(compared.runs):
        return "None of them is named the best: they were not judged on the same data."
    monitored = {run.monitored for run in compared.runs}
    found = [(run.best, place) for place, run in enumerate(compared.runs) if run.best is not None]
    larger = _larger_is_better(compared.runs[0])
    if len(monitored) != 1 or len(found) < 2 or larger is None:
        return "None of them is named the best: they are not all judged by the same figure."
    value, place = (max if larger else min)(found, key=lambda pair: pair[0])
    return f"The best of them is {titles[place]}, with {label(monitored.pop() or '', 40)} {number_text(value)}."


def _have_same_data(runs: Sequence[KeptRun]) -> bool:
    """Whether the names and the fingerprints of their data are the same, as far as the records say them."""
    found = [{text_at(run.record, "data", key) for run in runs} - {None} for key in ("used", "fingerprint")]
    return all(len(told) <= 1 for told in found)


def _larger_is_better(run: KeptRun) -> bool | None:
    try:
        return recorded_experiment(RunFolder(run.path)).train.larger_is_better
    except Exception:  # whatever a stranger's record makes of it: then nothing is said
        return None


def _results(compared: Comparison, titles: Sequence[str]) -> Table:
    """A row for each run."""
    found = compared.results()
    rows: Rows = [["run", *(label(name, 40).replace("_", " ") for name in found)]]
    lines: Rows = [[title, *(_cell(values[place]) for values in found.values())] for place, title in enumerate(titles)]
    return Table([*rows, *lines], "What came of each; figures of the best epoch on the validation split, and on the test split")


def _differences(compared: Comparison, titles: Sequence[str]) -> Table | Note:
    if compared.differences is None:
        return Note("Their configs can't be compared: fewer than two can be read.", "faint")
    if not compared.differences:
        return Note("Their configs are the same.")
    rows: Rows = [["setting", *titles]]
    different = without_fields(compared.differences)
    lines: Rows = [[label(each.path, 80), *map(_text, each.values)] for each in different[:_MOST_DIFFERENCES]]
    more = len(different) - len(lines)
    return Table([*rows, *lines], "Settings that differ" + (f"; {more:,} more are not shown" if more else ""))


def _figures(compared: Comparison, titles: Sequence[str]) -> list[Figure]:
    """A drawing for each curve that two runs have."""
    figures = []
    for key, lines in compared.curves.items():
        there = [(title, line) for title, line in zip(titles, lines, strict=True) if any(value is not None for value in line)][
            :_MOST_RUNS
        ]
        epochs = list(range(1, len(lines[0]) + 1))
        if len(there) > 1 and len(epochs) > 1:
            places = _spread(len(epochs))
            drawn = {title: [line[place] for place in places] for title, line in there}
            name, reading = slug(key), "Each line is a run, a point an epoch."
            figures.append(curves([epochs[place] for place in places], name, label(key, 40), reading, drawn))
    return figures


def _spread(count: int) -> list[int]:
    """The places of at most so many epochs, evenly spread."""
    if count <= _MOST_EPOCHS:
        return list(range(count))
    return [round(place * (count - 1) / (_MOST_EPOCHS - 1)) for place in range(_MOST_EPOCHS)]


def _cell(value: Value) -> str | int | float | None:
    """A result: a number or a text."""
    if value is None or isinstance(value, str):
        return value if value is None else label(value, 60)
    return value if type(value) is int else number(value)


def _text(value: Value) -> str:
    """A setting as YAML has it, in short."""
    return label(value if isinstance(value, str) else inline_yaml(value), 60)
