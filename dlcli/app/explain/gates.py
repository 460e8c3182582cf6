"""What goes on inside a recurrent layer: its gates and states step by step, and the way that its state takes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final

import numpy as np
import torch
from torch import Tensor

from dlcli.app.explain.cells import Row, rounded
from dlcli.app.explain.colours import Numbers, heat, signed
from dlcli.app.explain.steps import MOST_DRAWN, label_steps
from dlcli.app.pages.figures import FAINT, Figure, drawn
from dlcli.models.gate_values import Pass, gate_values
from dlcli.models.recorded_calls import Call
from dlcli.models.recurrent import Recurrent

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

MOST_UNITS: Final = 64
MOST_PASSES: Final = 4
"""Layers and directions that are drawn, of all recurrent layers together."""
MOST_STEPS: Final = 10_000
"""Of a sequence whose gates are computed: all of them are kept at once."""

_SHOWN: Final[Mapping[str, tuple[str, ...]]] = {
    "LSTM": ("input", "forget", "output", "cell", "hidden"),
    "GRU": ("reset", "update", "hidden"),
    "RNN_TANH": ("hidden",),
    "RNN_RELU": ("hidden",),
}
_TITLES: Final[Mapping[str, str]] = {
    "input": "input gate: how much of the new is let in",
    "forget": "forget gate: how much of the cell is kept",
    "output": "output gate: how much of the cell is shown",
    "cell": "cell: the memory itself",
    "reset": "reset gate: how much of the old state the new candidate sees",
    "update": "update gate: how much of the old state is kept",
    "hidden": "hidden state: what the layer gives",
}
_STATES: Final = ("cell", "hidden")
_READINGS: Final[Mapping[str, str]] = {
    "LSTM": (
        "Each row is a unit, each column a step. Gates are dark where they are closed (0) and bright where they are open (1); "
        "a unit whose forget gate stays bright remembers, and where its input gate flares it takes up something new. Cell and "
        "hidden state are orange above 0 and blue below. A bright gate says that much passes, not that it matters for the "
        "answer."
    ),
    "GRU": (
        "Each row is a unit, each column a step. Gates are dark at 0 and bright at 1; in torch's formula a bright update gate "
        "keeps the old state and a dark one takes the new candidate. The hidden state is orange above 0 and blue below. A "
        "bright gate says that much passes, not that it matters for the answer."
    ),
    "RNN_TANH": (
        "Each row is a unit, each column a step, orange above 0 and blue below. There are no gates: every step rewrites every "
        "unit, so stripes that go on over many steps are what the network manages to keep."
    ),
}


def recurrent_calls(calls: Sequence[Call]) -> list[Call]:
    """The calls of recurrent layers that read the sample as one sequence, and not each of its steps as one."""
    return [call for call in calls if isinstance(call.module, Recurrent) and len(call.inputs[0]) == 1]


def gate_figures(calls: Sequence[Call], labels: Sequence[str], *, name: str) -> Iterator[Figure]:
    """A figure for each layer and direction, the first `MOST_PASSES`.

    Args:
        calls: of recurrent layers.
        labels: of the steps of the sample, for layers that read as many.
        name: of the files.
    """
    number = 0
    for call in calls:
        layer = call.module
        assert isinstance(layer, Recurrent)
        for one in gate_values(layer, call.inputs[0]):
            number += 1
            if number > MOST_PASSES:
                return
            title = _title(call.path, layer, one)
            yield _gate_figure(one, layer.mode, _labels_for(one, labels), name=f"{name}-{number}", title=title)


def num_passes(calls: Sequence[Call]) -> int:
    """How many layers and directions there are."""
    layers = [call.module for call in calls if isinstance(call.module, Recurrent)]
    return sum(layer.num_layers * (1 + layer.bidirectional) for layer in layers)


def top_states(call: Call) -> Tensor:
    """What the last layer of a recurrent layer's stack gives at each step, reading from the begin, (time, units)."""
    layer = call.module
    assert isinstance(layer, Recurrent)
    passes = gate_values(layer, call.inputs[0])
    return next(one for one in passes if one.layer == passes[-1].layer).values["hidden"][0]


def _title(path: str, layer: Recurrent, one: Pass) -> str:
    words = [f"Inside {path}"]
    if layer.num_layers > 1:
        words.append(f"layer {one.layer + 1} of {layer.num_layers}")
    if layer.bidirectional:
        words.append("reading from the end" if one.is_reverse else "reading from the begin")
    return ", ".join(words)


def _labels_for(one: Pass, labels: Sequence[str]) -> Sequence[str]:
    time = one.values["hidden"].shape[1]
    return labels if len(labels) == time else [str(step + 1) for step in range(time)]


def _gate_figure(one: Pass, mode: str, labels: Sequence[str], *, name: str, title: str) -> Figure:
    together = -(-len(labels) // MOST_DRAWN)
    units, of = _lively(one.values["hidden"][0]), one.values["hidden"].shape[2]
    shown = {}
    for gate in _SHOWN[mode]:
        values = one.values[gate][0]
        own = units if values.shape[1] == of else _lively(values)
        shown[gate] = torch.stack([group.mean(0) for group in values[:, own].split(together)], 1).cpu().numpy()
    thinned = [f"the {len(units)} of {of} units that change most"] if len(units) < of else []
    thinned += [f"each column is the mean of {together} steps"] if together > 1 else []
    reading = _READINGS["RNN_TANH" if mode == "RNN_RELU" else mode] + (f" Shown are {', and '.join(thinned)}." if thinned else "")
    heights = [max(0.7, min(len(values), 40) * 0.034) for values in shown.values()]

    def paint(canvas: Canvas) -> None:
        axes = canvas.subplots(len(shown), 1, sharex=True, squeeze=False, height_ratios=heights)[:, 0]
        for axis, (gate, values) in zip(axes, shown.items(), strict=True):
            top = float(np.abs(np.nan_to_num(values)).max()) or 1.0
            pixels = signed((values / top).astype(np.float32)) if gate in _STATES else heat(values)
            axis.imshow(pixels, aspect="auto", interpolation="none")
            axis.set_title(_TITLES[gate])
            axis.set_yticks([])
            axis.grid(visible=False)
            _colour_bar(axis, gate, top if gate in _STATES else None)
        label_steps(axes[-1], labels[::together], together)

    return drawn(
        name, title, reading, _rows(shown, units, labels[::together]), paint, size=(5.0, sum(heights) + 0.42 * len(shown) + 0.4)
    )


def _colour_bar(axis: Axes, gate: str, top: float | None) -> None:
    """Beside a map: of a gate from 0 to 1 whatever its values are, of a state from -top to top."""
    bar, ends = axis.inset_axes((1.015, 0, 0.02, 1)), np.linspace(1, 0 if top is None else -1, 64, dtype=np.float32)[:, None]
    pixels = heat(ends) if top is None else signed(ends)
    picture = bar.imshow(pixels, aspect="auto", extent=(0, 1, 0, 1), interpolation="none")
    picture.set_gid(f"scale-{gate}")  # else it would have the same id as others like it
    bar.set_xticks([])
    bar.yaxis.tick_right()
    ticks = ("0", "0.5", "1") if top is None else (f"{-top:.2g}", "0", f"{top:.2g}")
    bar.set_yticks((0, 0.5, 1), ticks, fontsize=7)
    bar.grid(visible=False)


def _lively(states: Tensor) -> list[int]:
    """The units of (time, units) that change most over the steps, in their order."""
    if states.shape[1] <= MOST_UNITS:
        return list(range(states.shape[1]))
    return sorted((states.amax(0) - states.amin(0)).topk(MOST_UNITS).indices.tolist())


def _rows(shown: Mapping[str, Numbers], units: Sequence[int], labels: Sequence[str]) -> list[Row]:
    rows: list[Row] = [["step", "label", "unit", *shown]]
    for step, label in enumerate(labels):
        for row in range(max(map(len, shown.values()))):
            values = [rounded(values[row, step]) if row < len(values) else None for values in shown.values()]
            rows.append([step + 1, label, units[row] if row < len(units) else row, *values])
    return rows


def way_figure(states: Mapping[str, Tensor], path: str, *, name: str) -> Figure | None:
    """The states (time, units) of one or more samples in two dimensions, by what each sample is called; None for single steps.

    The two dimensions are those of the largest variance of all states together (principal components, by singular values).
    """
    states = {title: values.double().cpu().nan_to_num(posinf=0, neginf=0) for title, values in states.items()}
    together = torch.cat(list(states.values()))
    if len(together) < 3 or together.shape[1] < 2:
        return None
    mean = together.mean(0)
    _, strengths, directions = torch.linalg.svd(together - mean, full_matrices=False)
    share = float(strengths[:2].square().sum() / strengths.square().sum().clamp_min(1e-30))
    ways = {title: ((values - mean) @ directions[:2].T).numpy() for title, values in states.items()}
    rows: list[Row] = [["sample", "step", "first", "second"]]
    for title, way in ways.items():
        rows += [[title, step + 1, rounded(x), rounded(y)] for step, (x, y) in enumerate(way)]

    def paint(canvas: Canvas) -> None:
        axis = canvas.subplots()
        for title, way in ways.items():
            [line] = axis.plot(way[:, 0], way[:, 1], linewidth=1, alpha=0.8)
            axis.plot(*way[0], marker="o", markersize=4, color=line.get_color(), markerfacecolor="none")
            axis.plot(*way[-1], marker="s", markersize=6, color=line.get_color())
            axis.annotate(title, way[-1], xytext=(5, 3), textcoords="offset points", fontsize=8, color=line.get_color())
        axis.set_xlabel("first principal component")
        axis.set_ylabel("second")
        axis.tick_params(colors=FAINT)

    reading = (
        "Each line is a sample, from its first step (circle) to its last (square), in the two directions in which the states "
        f"differ most; they hold {100 * share:.0f} % of the variance, and what the others hold is not seen. Samples that the "
        "layer tells apart end in different places."
    )
    return drawn(name, f"The way of the state of {path}", reading, rows, paint, size=(5.0, 4.4))
