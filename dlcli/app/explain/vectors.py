"""What the methods say of the features of a sample that is a row of numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from dlcli.app.explain.attributions import Attribution
from dlcli.app.explain.cells import Row, rounded
from dlcli.app.pages.figures import SERIES, Figure, drawn

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

MOST_FEATURES: Final = 30


def vector_figure(attribution: Attribution, names: Sequence[str], *, noun: str, name: str, title: str) -> Figure:
    """Bars for each feature, those with the largest shares first; `noun` is what the explained number is called."""
    share, fall, gradient = (tensor.flatten().tolist() for tensor in (attribution.share, attribution.fall, attribution.gradient))
    order = sorted(range(len(share)), key=lambda place: -abs(share[place]))
    rows: list[Row] = [["feature", "integrated gradients", "occlusion", "saliency"]]
    rows += [[names[place], *(rounded(values[place]) for values in (share, fall, gradient))] for place in order]
    shown = order[:MOST_FEATURES]

    def paint(canvas: Canvas) -> None:
        axes = canvas.subplots(1, 3, sharey=True)
        for axis, (method, values) in zip(
            axes, (("integrated gradients", share), ("occlusion", fall), ("saliency", gradient)), strict=True
        ):
            own = [values[place] for place in shown]
            axis.barh(range(len(shown)), own, color=[SERIES[1] if value > 0 else SERIES[0] for value in own])
            axis.set_title(method)
            axis.tick_params(labelsize=7)
        axes[0].set_yticks(range(len(shown)), [names[place] for place in shown])
        axes[0].invert_yaxis()

    reading = (
        f"Integrated gradients: what each feature brought the {noun} up (orange) or down (blue), compared with the baseline. "
        f"Occlusion: by how much the {noun} falls where the feature is replaced by it. Saliency: the slope of the {noun} along "
        "the feature, as the network reads it."
    )
    if attribution.part[0] > 1:
        reading += f" Hidden are {attribution.part[0]} features at a time, those that stand side by side."
    if len(shown) < len(order):
        reading += f" Shown are the {len(shown)} of {len(order)} features with the largest shares."
    return drawn(name, title, reading, rows, paint, size=(5.4, 0.9 + 0.2 * len(shown)))
