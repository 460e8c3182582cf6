"""What the methods say of the steps of a sequence: of numbers as curves and bars, of a text in its colours."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  # torch's own name for it

from dlcli.app.explain.attributions import Attribution
from dlcli.app.explain.blocks import Strip, Token
from dlcli.app.explain.cells import Row, rounded
from dlcli.app.explain.colours import Numbers, scaled, signed
from dlcli.app.explain.series import MOST_LINES, Series
from dlcli.app.pages.figures import FAINT, SERIES, Figure, drawn

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

MOST_DRAWN: Final = 400
"""Steps of a figure: of longer sequences each bar stands for several."""
MOST_TOKENS: Final = 600
"""Steps of a text that are shown."""
_MOST_TICKS: Final = 40
"""Steps up to which each has its own label."""


@dataclass(frozen=True)
class OverSteps:
    """What each method says of each step, (time,), by method.

    Attributes:
        values: by method.
        labels: what the steps are called.
        together: how many steps stand behind each value.
    """

    values: Mapping[str, Numbers]
    labels: Sequence[str]
    together: int


def over_steps(attribution: Attribution, cam: Tensor | None, labels: Sequence[str], together: int) -> OverSteps:
    """The sums of shares, the norms of gradients and the falls of each step; of Grad-CAM (1, time') the value there.

    Args:
        attribution: of a sequence.
        cam: laid over it, if any.
        labels: of its steps.
        together: how many steps become one.
    """
    time = len(labels)
    flat = [tensor.reshape(time, -1).double() for tensor in (attribution.share, attribution.fall, attribution.gradient)]
    values = {
        "integrated gradients": _grouped(flat[0].sum(1), together, "sum"),
        "occlusion": _grouped(flat[1].mean(1), together, "mean"),
        "saliency": _grouped(flat[2].norm(dim=1), together, "max"),
    }
    if cam is not None:
        at_steps = F.interpolate(cam[None], size=time, mode="linear")[0, 0].double()
        values["Grad-CAM"] = _grouped(at_steps, together, "mean")
    return OverSteps(values, labels[::together], together)


def _grouped(values: Tensor, together: int, how: str) -> Numbers:
    """(time,) -> one value for each group of steps; what is no number is 0."""
    groups = values.split(together)
    reduced = [getattr(group, "amax" if how == "max" else how)() for group in groups]
    numbers: Numbers = torch.stack(reduced).float().nan_to_num(posinf=0, neginf=0).numpy()
    return numbers


def step_figure(found: OverSteps, series: Series | None, names: Sequence[str], *, name: str, title: str, reading: str) -> Figure:
    """Curves of the series, and bars of each method below them.

    Args:
        found: what the methods say.
        series: what the network reads; None where it is shown elsewhere.
        names: of the features.
        name: of its files.
        title: of the figure.
        reading: how it is read.
    """
    lines = [] if series is None else _lines(series.values, found.together)
    head: Row = ["step", *found.values, *(names[: len(lines)])]
    rows = [head]
    for step, label in enumerate(found.labels):
        shown = [rounded(values[step]) for values in (*found.values.values(), *lines)]
        rows.append([label, *shown])

    def paint(canvas: Canvas) -> None:
        axes = canvas.subplots(len(found.values) + bool(lines), 1, sharex=True, squeeze=False)[:, 0]
        if series is not None:
            for values, feature in zip(lines, names, strict=False):
                axes[0].plot(values, label=feature, linewidth=1.2)
            axes[0].set_title(
                "what the network reads"
                + (f": the first {len(lines)} of {len(names)} features" if len(names) > len(lines) else "")
            )
            axes[0].set_ylabel(series.axis)
            if len(lines) > 1:
                axes[0].legend(fontsize=7, ncols=3)
        for axis, (method, values) in zip(axes[bool(lines) :], found.values.items(), strict=True):
            edges = np.arange(len(values) + 1) - 0.5
            above, below = SERIES[1::-1] if method in _SIGNED else (SERIES[2], SERIES[2])
            axis.stairs(values.clip(min=0), edges, fill=True, color=above)
            axis.stairs(values.clip(max=0), edges, fill=True, color=below)
            axis.set_title(method)
        label_steps(axes[-1], found.labels, found.together)

    return drawn(name, title, reading, rows, paint, size=(5.0, 1.5 * (len(found.values) + bool(lines)) + 0.3))


_SIGNED: Final = ("integrated gradients", "occlusion")


def _lines(series: Numbers, together: int) -> list[Numbers]:
    """The features that are drawn, thinned as the steps are."""
    return [
        _grouped(torch.from_numpy(series[:, feature]), together, "mean") for feature in range(min(series.shape[1], MOST_LINES))
    ]


def label_steps(axis: Axes, labels: Sequence[str], together: int) -> None:
    """Names the steps on the horizontal axis: each by its label, or where they are numbers or many by matplotlib's choice."""
    axis.set_xlim(-0.5, len(labels) - 0.5)
    if any(not label.isdecimal() for label in labels) and len(labels) <= _MOST_TICKS:
        axis.set_xticks(range(len(labels)), labels, fontsize=8, color=FAINT)
        return
    axis.set_xlabel("step" if together == 1 else f"step ({together} together at each place)")
    axis.locator_params(axis="x", integer=True)
    axis.xaxis.set_major_formatter(lambda place, _: f"{int(place) * together + 1}")


def share_map(share: Tensor, names: Sequence[str], labels: Sequence[str], *, name: str, title: str, reading: str) -> Figure:
    """The shares of each feature at each step, (time, features), as colours."""
    together = -(-len(labels) // MOST_DRAWN)
    summed = torch.stack([group.sum(0) for group in share.double().split(together)]).float().numpy()
    rows: list[Row] = [["step", *names]]
    rows += [
        [label, *(rounded(value) for value in step)] for label, step in zip(labels[::together], summed.tolist(), strict=True)
    ]

    def paint(canvas: Canvas) -> None:
        axis = canvas.subplots()
        axis.imshow(signed(scaled(summed)).transpose(1, 0, 2), aspect="auto", interpolation="none")
        axis.grid(visible=False)
        axis.set_yticks(range(len(names)), names, fontsize=8)
        label_steps(axis, labels[::together], together)

    return drawn(name, title, reading, rows, paint, size=(5.0, 0.9 + 0.17 * len(names)))


def strips(found: OverSteps, marked: int | None, *, name: str, readings: Mapping[str, str]) -> Iterator[Strip]:
    """A text once for each method.

    Args:
        found: what the methods say of its steps, each by itself.
        marked: the step whose answer is explained.
        name: of the files.
        readings: how to read each method.
    """
    labels = found.labels
    for number, (method, values) in enumerate(found.values.items(), start=1):
        shares = scaled(values)
        tokens = [
            Token(labels[step], float(shares[step]), f"{values[step]:.3g}", is_marked=step == marked)
            for step in range(*shown_tokens(len(labels), marked))
        ]
        rows: list[Row] = [["step", "text", method]]
        rows += [[at + 1, labels[at], rounded(value)] for at, value in enumerate(values)]
        reading = readings[method]
        yield Strip(f"{name}-{number}", method[0].upper() + method[1:], reading[0].upper() + reading[1:], tokens, rows)


def shown_tokens(time: int, marked: int | None) -> tuple[int, int]:
    """Which steps of a text are shown: the last, or those that end a little behind the one that is explained."""
    if time <= MOST_TOKENS:
        return 0, time
    end = time if marked is None else min(time, max(marked + 1 + MOST_TOKENS // 10, MOST_TOKENS))
    return end - MOST_TOKENS, end


def reach_figure(gradient: Tensor, labels: Sequence[str], step: int | None, *, name: str) -> Figure:
    """How large the gradient of the answer is at each step, on a logarithmic scale.

    Args:
        gradient: of the explained number, (time, ...).
        labels: what the steps are called.
        step: whose answer is explained; None for the answer of the whole sequence.
        name: of its files.
    """
    together = -(-len(gradient) // MOST_DRAWN)
    norms, labels = _grouped(gradient.reshape(len(gradient), -1).double().norm(dim=1), together, "max"), labels[::together]
    shares = norms / (norms.max(initial=0) or 1)
    rows: list[Row] = [["step", "label", "norm of the gradient", "share of the largest"]]
    for place, label in enumerate(labels):
        rows.append([place * together + 1, label, rounded(norms[place]), rounded(shares[place])])

    def paint(canvas: Canvas) -> None:
        from matplotlib.ticker import NullFormatter  # noqa: PLC0415  # only a figure costs it

        axis = canvas.subplots()
        axis.plot(np.where(shares > 0, shares, np.nan), marker=".", markersize=4)
        axis.set_yscale("log")
        axis.set_ylim(min(0.05, shares[shares > 0].min(initial=1)) / 2, 2)
        axis.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axis.yaxis.set_minor_formatter(NullFormatter())
        if step is not None:
            axis.axvline(step // together, color=FAINT, linewidth=0.8, linestyle="--")
        axis.set_ylabel("share of the largest")
        label_steps(axis, labels, together)

    at = "the answer" if step is None else f"the answer at step {step + 1} (dashed)"
    reading = (
        f"How strongly {at} still depends on each step: the norm of its gradient there, as a share of the largest, on a "
        "logarithmic scale. A curve that falls by powers of ten towards the begin is the vanishing gradient: what came before "
        "then is hardly learnt. A level one reaches back."
    )
    return drawn(name, "How far back the gradient reaches", reading, rows, paint, size=(5.0, 2.6))
