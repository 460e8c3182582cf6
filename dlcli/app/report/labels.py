"""An output that answers yes-or-no questions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dlcli.app.pages.figures import label
from dlcli.app.report.class_scores import scores
from dlcli.app.report.classes import calibration_figure
from dlcli.app.report.mistakes import label_mistakes
from dlcli.app.report.parts import Figures, Part, Table

if TYPE_CHECKING:
    from dlcli.training.outcomes.answers import JudgedLabels

_MOST_ROWS = 30
_MOST_LISTED = 500


def label_parts(judged: JudgedLabels, names: Sequence[str], prefix: str) -> list[Part]:
    """What there is to show of an output.

    Args:
        judged: what was counted.
        names: of the labels.
        prefix: of the names of its figures.
    """
    found = scores(judged.hits, judged.called, judged.support)
    right = judged.count - judged.support - judged.called + 2 * judged.hits
    rows: list[list[str | int | float | None]] = [["label", "yes", "called yes", "share right", "precision", "recall", "F1"]]
    for place, name in enumerate(names[:_MOST_LISTED]):
        counts = (int(judged.support[place]), int(judged.called[place]))
        numbers = (right[place] / max(judged.count, 1), found.precision[place], found.recall[place], found.f1[place])
        rows.append([label(name, 40), *counts, *map(float, numbers)])
    caption = f"Of {judged.count:,} answers each. Precision: of those called yes, the share that is; recall: the other way round."
    if len(names) > _MOST_LISTED:
        caption += f" The first {_MOST_LISTED} of {len(names):,} labels."
    parts: list[Part] = [Table(rows, caption, is_long=len(rows) > _MOST_ROWS)]
    if judged.calibration.counts.sum():
        parts.append(Figures([calibration_figure(judged.calibration, prefix, per_step=judged.per_step)]))
    return parts + (label_mistakes(judged.mistakes, names) if judged.mistakes is not None else [])


def label_names(count: int, class_names: Sequence[str]) -> tuple[str, ...]:
    """What labels are called: the only one of two classes as the second of them, others by their numbers."""
    if count == 1 and len(class_names) == 2:
        return (class_names[1],)
    return ("label",) if count == 1 else tuple(f"label {number}" for number in range(1, count + 1))
