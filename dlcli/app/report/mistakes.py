"""The samples that a network got most wrong."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from dlcli.app.pages.figures import label
from dlcli.app.report.parts import Part, Quote, Quotes
from dlcli.app.report.shown_samples import sample_parts, tagged
from dlcli.app.report.words import percent

if TYPE_CHECKING:
    from dlcli.training.outcomes.answers import ClassMistakes, LabelMistakes, StepMistakes

_MOST_TEXTS: Final = 12
_MOST_NAMED: Final = 4


def class_mistakes(mistakes: ClassMistakes | StepMistakes, names: Sequence[str]) -> list[Part]:
    """Wrong answers with the samples that they are about.

    Args:
        mistakes: these, the worst first.
        names: of the classes.
    """
    if mistakes.target.ndim > 1:
        return _of_steps(mistakes, names)  # type: ignore[arg-type]  # the only ones with an answer for each step
    titles, notes = [], []
    sure = zip(mistakes.confidence, mistakes.of_target, strict=True)  # type: ignore[union-attr]  # the same
    for target, predicted, (confidence, of_target) in zip(mistakes.target, mistakes.predicted, sure, strict=True):
        titles.append(f"{_name(names, target)}, called {_name(names, predicted)}")
        notes.append(f"{percent(float(confidence))} sure; {percent(float(of_target))} for {_name(names, target)}")
    reading = "What a sample is, and what the network called it, the answers with the largest loss first."
    return sample_parts(mistakes.samples, titles, notes, "Worst mistakes", reading)


def _of_steps(mistakes: StepMistakes, names: Sequence[str]) -> list[Part]:
    titles, notes = [], []
    for row, share in enumerate(mistakes.wrong):
        titles.append(f"{percent(float(share))} of its steps wrong")
        notes.append(_confused(mistakes.target[row], mistakes.predicted[row], names))
    reading = "Sequences with a wrong answer, those with the largest loss first."
    parts, wrong = list[Part](), mistakes.target != mistakes.predicted
    shown = sample_parts(mistakes.samples, titles, notes, "Worst mistakes", reading)
    for part, given in zip(shown, mistakes.samples.inputs.values(), strict=False):
        if given.kind != "texts":
            parts.append(part)
            continue
        marked = [tagged(given, row, wrong[row]) for row in range(min(len(given), _MOST_TEXTS))]
        quotes = [Quote(quote.pieces, f"{head}: {note}") for quote, head, note in zip(marked, titles, notes, strict=False)]
        title = part.title if isinstance(part, Quotes) else ""
        parts.append(Quotes(title, quotes, f"{reading} Steps that were told wrong are underlined."))
    return parts


def _confused(target: np.ndarray, predicted: np.ndarray, names: Sequence[str]) -> str:
    """Which classes were taken for which in a sequence, the most frequent first."""
    wrong = target != predicted
    pairs, counts = np.unique(np.stack((target[wrong], predicted[wrong])), axis=1, return_counts=True)
    order = np.argsort(-counts, kind="stable")[:_MOST_NAMED]
    told = (f"{_name(names, pairs[0, place])} called {_name(names, pairs[1, place])}" for place in order)
    return ", ".join(told) + (", ..." if len(counts) > _MOST_NAMED else "")


def label_mistakes(mistakes: LabelMistakes, names: Sequence[str]) -> list[Part]:
    """Samples with wrong labels.

    Args:
        mistakes: these, the worst first.
        names: of the labels.
    """
    titles, notes = [], []
    for target, probability in zip(mistakes.target, mistakes.probability, strict=True):
        wrong = np.flatnonzero((target > 0) != (probability > 0.5))[:_MOST_NAMED]
        titles.append(", ".join(f"{'' if target[place] else 'not '}{_name(names, place)}" for place in wrong))
        notes.append(", ".join(f"called {_name(names, place)} with {percent(float(probability[place]))}" for place in wrong))
    reading = "Labels that were told wrong, and the probability that the network gave them; the largest loss first."
    return sample_parts(mistakes.samples, titles, notes, "Worst mistakes", reading)


def _name(names: Sequence[str], place: int) -> str:
    return label(names[place], 24) if place < len(names) else "another class"
