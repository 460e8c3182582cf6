"""Sentences about a sample and about what was found."""

from __future__ import annotations

from collections.abc import Sequence

from dlcli.app.explain.answers import Answer
from dlcli.app.explain.attributions import Attribution, Explained
from dlcli.app.explain.shown import Shown
from dlcli.app.pages.page import number
from dlcli.config.normalisation import FixedNormalize
from dlcli.models.attribution.methods import COMPLETE


def title(shown: Shown, answers: Sequence[Answer]) -> str:
    """The sample, and what the network says of it."""
    sample = shown.sample
    told = "; ".join(_told(answer, named=len(answers) > 1) for answer in answers)
    loss = sample.loss if all(answer.is_right is None for answer in answers) else None
    what = f"Sample {sample.name}" if sample.number is not None else sample.name
    return f"{what}: {told}" + (f", loss {number(loss)}{_scale(shown)}" if loss is not None else "")


def _scale(shown: Shown) -> str:
    """What a loss is of, where it is not of the values beside it."""
    scales = shown.subject.experiment.data.normalize_targets
    every = scales.values() if isinstance(scales, dict) else [scales]
    return " (of standardised values)" if any(isinstance(scale, FixedNormalize) for scale in every) else ""


def _told(answer: Answer, *, named: bool) -> str:
    says = f"{answer.output}: {answer.says}" if named else answer.says
    if answer.step is not None:
        says = f"{says} at step {answer.step + 1}"
    if answer.is_right:
        return f"{says}, right"
    if answer.truth is None:
        return says
    return f"{says}, {'wrong: it is' if answer.is_right is False else 'right would be'} {answer.truth}"


def heading(explained: Explained) -> str:
    """What is explained."""
    question = explained.question
    at = f" at step {question.step + 1}" if question.step is not None else ""
    return f"{question.what[0].upper()}{question.what[1:]}{at}"


def completeness(shown: Shown, explained: Explained) -> str:
    """The number, that of the baseline, and how far the shares of integrated gradients add up to the difference."""
    found = explained.integrated
    if found is None:
        return f"It is {number(explained.value)}. The network reads nothing that could be changed bit by bit."
    baselines = " and ".join(dict.fromkeys(shown.baseline(attribution.entry.input) for attribution in explained.inputs))
    told = (
        f"It is {number(explained.value)}, and {number(explained.value - found.difference)} for {baselines}; the shares of "
        f"integrated gradients add up to the difference within {max(100 * found.gap, 0.01):.2f} % ({found.steps} steps)."
    )
    return told if found.gap <= COMPLETE else f"{told} That is more than {COMPLETE:.0%}: take the shares with caution."


def step_readings(shown: Shown, attribution: Attribution, noun: str) -> dict[str, str]:
    """How to read what each method says of the steps of an input.

    Args:
        shown: the sample.
        attribution: what was found of an input.
        noun: what the explained number is called.
    """
    part, name = attribution.part, attribution.entry.input
    hidden = "a step is replaced" if part[0] == 1 else f"{part[0]} steps in a row are replaced"
    if len(part) > 1:
        hidden = "windows of the step are replaced one by one, on average,"
    whose = "vector" if attribution.entry.is_embedded else "values"
    return {
        "integrated gradients": (
            f"what brought the {noun} up (above 0, orange) or down (below 0, blue), compared with {shown.baseline(name)}."
        ),
        "occlusion": f"by how much the {noun} falls where {hidden} by {shown.middle(name)}.",
        "saliency": f"how steeply the {noun} changes with the {whose} of the step: no share, small where the answer is clear.",
        "Grad-CAM": "where the last convolution found what speaks for the answer.",
    }


def sentence(text: str) -> str:
    """With a capital."""
    return text[0].upper() + text[1:]
