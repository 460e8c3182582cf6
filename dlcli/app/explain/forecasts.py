"""A forecast beside what it was made from and what came."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor

from dlcli.app.explain.cells import Row
from dlcli.app.explain.samples import Sample
from dlcli.app.explain.subject import Subject, name_of
from dlcli.app.inference import in_units
from dlcli.app.pages.figures import FAINT, SERIES, Figure, drawn
from dlcli.config.data import Csv

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas


def forecast_figure(subject: Subject, sample: Sample, outputs: dict[str, Tensor], *, name: str) -> Figure | None:
    """The first column to predict, in the units of the data; None where the run makes no forecast of a column that it reads."""
    spec, horizon = subject.experiment.data, subject.horizon
    if not isinstance(spec, Csv) or horizon is None or not isinstance(sample.raw, Tensor) or len(outputs) > 1:
        return None
    targets, features = spec.target or (), spec.features or ()
    if targets[0] not in features:
        return None
    before = sample.raw[0, :, features.index(targets[0])].numpy()
    forecast = next(iter(in_units({key: value.cpu() for key, value in outputs.items()}, subject.experiment, None).values()))
    after = forecast[0].reshape(horizon, -1)[:, 0].detach().numpy()
    truth = next(iter(sample.targets.values()), None)
    came = truth[0].reshape(horizon, -1)[:, 0].numpy() if truth is not None else None
    column, window = name_of(targets[0]), len(before)
    rows: list[Row] = [["step", column, "forecast"]]
    rows += [[step - window + 1, float(value), None] for step, value in enumerate(before)]
    rows += [[step + 1, None if came is None else float(came[step]), float(value)] for step, value in enumerate(after)]

    def paint(canvas: Canvas) -> None:
        axis = canvas.subplots()
        axis.plot(np.arange(1 - window, 1), before, color=FAINT, label="what the network reads")
        if came is not None:
            axis.plot(np.arange(1, horizon + 1), came, color=SERIES[0], label="what came", marker="." if horizon == 1 else "")
        axis.plot(np.arange(1, horizon + 1), after, color=SERIES[1], label="forecast", marker="." if horizon == 1 else "")
        axis.set_xlabel("step (0: the last that is known)")
        axis.legend(fontsize=8)

    reading = "The window that the network reads, its forecast, and what came, in the units of the data."
    return drawn(name, f"The forecast of {column}", reading, rows, paint, size=(5.0, 2.6))
