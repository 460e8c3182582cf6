"""A language model: how well it expects what comes next, and what it writes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from dlcli.app.pages.figures import label
from dlcli.app.report.classes import calibration_figure
from dlcli.app.report.parts import Facts, Figures, Part, Quote, Quotes, Table

if TYPE_CHECKING:
    from dlcli.training.outcomes.answers import JudgedClasses
    from dlcli.training.outcomes.outcome import WrittenText

_MOST_ROWS = 40


def language_parts(
    judged: JudgedClasses, written: Sequence[WrittenText], figures: Mapping[str, float], names: Sequence[str], prefix: str
) -> list[Part]:
    """What there is to show of a language model.

    Args:
        judged: what was counted.
        written: what it wrote.
        figures: loss and metrics.
        names: of the tokens.
        prefix: of the names of its figures.
    """
    parts: list[Part] = []
    loss = figures.get("loss")
    if loss is not None:
        parts.append(Facts([("loss", f"{loss:.4f} nats"), ("perplexity", perplexity(loss)), ("bits a step", loss / math.log(2))]))
    quotes = [
        Quote(((text.prompt, "faint"), (text.text, "")), f"temperature {text.temperature:g}") for text in written if text.text
    ]
    if quotes:
        reading = "The beginning in grey is from the text; the network went on by itself. A low temperature takes likely steps."
        parts.append(Quotes("What it writes", quotes, reading))
    if judged.calibration.counts.sum():
        parts.append(Figures([calibration_figure(judged.calibration, prefix, per_step=True)]))
    parts.append(_table(judged, names))
    return parts


def perplexity(loss: float) -> float:
    """Among how many equally likely steps a guess would be as hard; infinity where that can't be told."""
    return math.exp(loss) if loss < 700 else math.inf


def _table(judged: JudgedClasses, names: Sequence[str]) -> Table:
    """The most frequent steps, and how often they were foreseen."""
    order = np.argsort(-judged.support.astype(np.int64), kind="stable")[:_MOST_ROWS].tolist()
    rows: list[list[str | int | float | None]] = [["step", "times", "called so", "recall"]]
    for place in order:
        support = int(judged.support[place])
        if support:
            rows.append(
                [label(names[place]) or repr(names[place]), support, int(judged.called[place]), int(judged.hits[place]) / support]
            )
    return Table(rows, "The most frequent steps, and the share of them that the network took for the most likely", is_long=True)
