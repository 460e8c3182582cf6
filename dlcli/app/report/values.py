"""An output that predicts values, or the next steps of a series: how large its errors are, and what it made of some samples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from dlcli.app.pages.figures import FAINT, INK, SERIES, Figure, Rows, drawn, label
from dlcli.app.report.curves import SIZE
from dlcli.app.report.parts import Figures, Gallery, Part, Picture, Table
from dlcli.app.report.shown_samples import sample_parts
from dlcli.app.report.sparklines import Line, sparkline
from dlcli.app.report.words import slug

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

    from dlcli.training.outcomes.answers import Errors, JudgedValues, ShownValues
    from dlcli.training.outcomes.samples import Series

_MOST_ROWS: Final = 30
_MOST_DRAWN: Final = 4
_LARGEST: Final = 1e30

Array = NDArray[Any]


def value_parts(judged: JudgedValues, prefix: str) -> list[Part]:
    """What there is to show of an output.

    Args:
        judged: what was summed.
        prefix: of the names of its figures.
    """
    parts: list[Part] = [_table(judged)]
    figures = []
    if judged.horizon > 1:
        figures.append(horizon_figure(judged, prefix))
    elif judged.scatter is not None and len(judged.scatter[0]):
        figures += _scatters(judged, prefix)
    curves = _curves(judged, judged.examples)
    figures += [
        _curve_figure(curve, f"{prefix}example-{place}", place) for place, curve in enumerate(curves[:_MOST_DRAWN], start=1)
    ]
    parts.append(Figures(figures))
    return [*parts, *_worst(judged)]


def _table(judged: JudgedValues) -> Table:
    """Errors of each column, over all steps of a forecast."""
    errors, repeating = _by_column(judged, judged.errors), judged.repeating
    spread = judged.spread.reshape(judged.horizon, -1).sum(0)
    explained = np.divide(errors.squared, spread, out=np.full(len(spread), np.nan), where=spread > 0)
    total = judged.count * judged.horizon
    head = ["value", "MAE", "RMSE", "R²"]
    columns = [errors.absolute / total, np.sqrt(errors.squared / total), 1 - explained]
    if repeating is not None:
        found = _by_column(judged, repeating)
        head += ["MAE of repeating", "RMSE of repeating"]
        columns += [found.absolute / total, np.sqrt(found.squared / total)]
    rows: Rows = [
        [label(name, 40), *(float(column[place]) if np.isfinite(column[place]) else None for column in columns)]
        for place, name in enumerate(judged.columns[:500])
    ]
    caption = (
        "Mean absolute error and root mean squared error, in the units of the data. R²: the share of the variance that is "
        "explained; 0 for who always says the mean."
    )
    if repeating is not None:
        caption += " At the right the errors of who repeats the last value."
    return Table([head, *rows], caption, is_long=len(rows) > _MOST_ROWS)


@dataclass(frozen=True)
class _Sums:
    absolute: Array
    squared: Array


def _by_column(judged: JudgedValues, errors: Errors) -> _Sums:
    return _Sums(*(sums.reshape(judged.horizon, -1).sum(0) for sums in (errors.absolute, errors.squared)))


def horizon_figure(judged: JudgedValues, prefix: str) -> Figure:
    """The error at each step of a forecast; of several columns in units of their deviations, so that they can be put together."""
    deviation = np.sqrt(judged.spread / judged.count) if len(judged.columns) > 1 else np.ones(len(judged.spread))
    scale = np.where(deviation > 0, deviation, 1.0)

    def by_step(errors: Errors) -> Array:
        squared: Array = (errors.squared / judged.count / scale**2).reshape(judged.horizon, -1).mean(1)
        return np.sqrt(squared)

    own = by_step(judged.errors)
    repeating = by_step(judged.repeating) if judged.repeating is not None else None
    steps = np.arange(1, judged.horizon + 1)

    def paint(canvas: Canvas) -> None:
        axes = canvas.subplots()
        if repeating is not None:
            axes.plot(steps, repeating, color=FAINT, linestyle="--", label="repeating the last value")
        axes.plot(steps, own, color=SERIES[0], label="network")
        axes.set_xlabel("steps ahead")
        axes.set_ylabel("root mean squared error")
        axes.set_ylim(bottom=0)
        axes.legend(fontsize=8)

    head = ["steps ahead", "network", *(["repeating the last value"] if repeating is not None else [])]
    lines = [own] if repeating is None else [own, repeating]
    rows: Rows = [[int(step), *(float(line[place]) for line in lines)] for place, step in enumerate(steps)]
    unit = ", in units of each column's standard deviation" if len(judged.columns) > 1 else ""
    reading = f"How the error grows with the distance of what is forecast{unit}; below the dashed line the network is of use."
    return drawn(f"{prefix}horizon", "Error by horizon", reading, [head, *rows], paint, size=SIZE)


def _scatters(judged: JudgedValues, prefix: str) -> list[Figure]:
    assert judged.scatter is not None
    target, predicted = judged.scatter
    return [
        scatter_figure(target[:, place], predicted[:, place], name, f"{prefix}predicted-{place + 1}")
        for place, name in enumerate(judged.columns[: min(_MOST_DRAWN, target.shape[1])])
    ]


def scatter_figure(target: Array, predicted: Array, column: str, name: str) -> Figure:
    """Predicted against true values."""
    there = (np.abs(target) < _LARGEST) & (np.abs(predicted) < _LARGEST)
    target, predicted = target[there].astype(float), predicted[there].astype(float)
    ends = [float(target.min(initial=np.inf)), float(target.max(initial=-np.inf))] if len(target) else [0.0, 1.0]

    def paint(canvas: Canvas) -> None:
        axes = canvas.subplots()
        axes.plot(ends, ends, color=FAINT, linestyle="--", linewidth=1)
        axes.plot(target, predicted, "o", markersize=2.5, alpha=0.5, markeredgewidth=0, color=SERIES[0])
        axes.set_xlabel(f"{label(column)}, as it is")
        axes.set_ylabel("predicted")

    rows: Rows = [[float(first), float(second)] for first, second in zip(target, predicted, strict=True)]
    reading = f"{len(rows)} samples; on the dashed line the prediction is right."
    title = f"Predicted {label(column, 40)}" if column != "value" else "Predicted values"
    return drawn(name, title, reading, [["as it is", "predicted"], *rows], paint, size=SIZE)


@dataclass(frozen=True)
class _Curve:
    """A column of one sample: what was read of it, what was to be predicted, and what was."""

    column: str
    sample: int
    read: Array
    read_at: Array
    at: Array
    target: Array
    predicted: Array


def _curves(judged: JudgedValues, shown: ShownValues, *, in_turn: bool = True) -> list[_Curve]:
    """The samples as curves, each of one column: in turn, or the worst; nothing where there is only one step to predict."""
    if judged.horizon == 1 and not judged.per_step:
        return []
    series = next((given for given in shown.samples.inputs.values() if given.kind == "series"), None)
    curves = []
    for row in range(len(shown.target)):
        place = row % len(judged.columns) if in_turn else _worst_column(judged, shown, row)
        target, predicted = (rows[row, place :: len(judged.columns)].astype(float) for rows in (shown.target, shown.predicted))
        read = _read(series, row, judged.columns[place], per_step=judged.per_step)
        ahead = np.arange(1, len(target) + 1)
        steps = int(series.steps[row]) if series is not None else 0
        behind = np.linspace(1, steps, len(read)) if judged.per_step else np.linspace(1 - steps, 0, len(read))
        curves.append(_Curve(judged.columns[place], int(shown.samples.numbers[row]), read, behind, ahead, target, predicted))
    return curves


def _worst_column(judged: JudgedValues, shown: ShownValues, row: int) -> int:
    """The column with the largest error, in units of its deviation."""
    columns = len(judged.columns)
    deviation = np.sqrt(judged.spread.reshape(judged.horizon, -1).sum(0) / (judged.count * judged.horizon))
    errors = np.abs(shown.predicted[row].astype(float) - shown.target[row])
    means = [np.nan_to_num(errors[place::columns], nan=0, posinf=_LARGEST).mean() for place in range(columns)]
    return int((np.array(means) / np.where(deviation > 0, deviation, 1)).argmax())


def _read(series: Series | None, row: int, column: str, *, per_step: bool) -> Array:
    """What the network read of the column; of a series without names its only feature."""
    if series is None:
        return np.empty(0)
    names = list(series.columns)
    if column in names:
        values = series.values[row, :, names.index(column)]
    elif per_step and series.values.shape[2] == 1:
        values = series.values[row, :, 0]
    else:
        return np.empty(0)
    return values[np.isfinite(values)].astype(float)


def _curve_figure(curve: _Curve, name: str, place: int) -> Figure:
    lines = ((curve.read_at, curve.read), (curve.at, curve.target), (curve.at, curve.predicted))
    shown = [(at, np.where(np.abs(values) < _LARGEST, values, np.nan)) for at, values in lines]

    def paint(canvas: Canvas) -> None:
        axes = canvas.subplots()
        for (at, values), colour, title, style in zip(
            shown, (FAINT, INK, SERIES[1]), ("read", "as it is", "predicted"), ("-", "-", "--"), strict=True
        ):
            if len(values):
                axes.plot(at, values, color=colour, linestyle=style, linewidth=1.3, label=title)
        axes.set_xlabel("step")
        axes.set_ylabel(label(curve.column))
        axes.legend(fontsize=8)

    rows: Rows = [
        *([float(at), float(value), None, None] for at, value in zip(curve.read_at, curve.read, strict=True)),
        *([float(at), None, float(t), float(p)] for at, t, p in zip(curve.at, curve.target, curve.predicted, strict=True)),
    ]
    reading = f"{label(curve.column, 40)} of sample {curve.sample}."
    head = ["step", "read", "as it is", "predicted"]
    return drawn(name, f"Example {place}", reading, [head, *rows], paint, size=SIZE)


def _worst(judged: JudgedValues) -> list[Part]:
    """The samples with the largest errors."""
    worst = judged.worst
    curves = _curves(judged, worst, in_turn=False)
    if curves:
        pictures = [Picture(f"{label(curve.column)} of sample {curve.sample}", svg=_small(curve)) for curve in curves]
        reading = "The samples with the largest errors: grey what was read, black what it is, dashed what was predicted."
        return [Gallery("Worst predictions", pictures, reading, is_wide=True)]
    titles = []
    for target, predicted in zip(worst.target, worst.predicted, strict=True):
        told = [
            f"{label(name)} {t:.4g}, predicted {p:.4g}" for name, t, p in zip(judged.columns, target, predicted, strict=False)
        ]
        titles.append("; ".join(told[:3]))
    return sample_parts(worst.samples, titles, [""] * len(titles), "Worst predictions", "The samples with the largest errors.")


def _small(curve: _Curve) -> str:
    before = len(curve.read)
    start = 0 if len(curve.read_at) and curve.read_at[0] > 0 else before
    lines = [
        Line(curve.read, "faint"),
        Line(curve.target, "ink", start),
        Line(curve.predicted, "series-2", start, is_dashed=True),
    ]
    return sparkline([line for line in lines if len(line.values)], "a prediction")


def prefix_of(name: str) -> str:
    """What the names of an output's figures begin with."""
    return f"{slug(name)}-" if name else ""
