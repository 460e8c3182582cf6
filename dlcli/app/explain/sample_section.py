"""All that a page says of one sample."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from torch import Tensor

from dlcli.app.explain.answers import Answer, Head, truth_of
from dlcli.app.explain.attributions import Explained, Explainer
from dlcli.app.explain.blocks import Block, Note, Section, Table
from dlcli.app.explain.effort import Effort
from dlcli.app.explain.forecasts import forecast_figure
from dlcli.app.explain.gates import MOST_PASSES, MOST_STEPS, gate_figures, num_passes, recurrent_calls, top_states
from dlcli.app.explain.layers import feature_maps, shown_stages, stages
from dlcli.app.explain.number_blocks import blocks_of
from dlcli.app.explain.shown import Shown
from dlcli.app.explain.steps import reach_figure
from dlcli.app.explain.surprise import surprise
from dlcli.app.explain.wording import title
from dlcli.config.data import Text
from dlcli.models.recorded_calls import Call

_MOST_QUESTIONS: Final = 4
"""Numbers of one sample that are explained: of more outputs the first."""

_MAPS: Final = (
    "What convolutions and pools made of the sample, their strongest channels first: bright where a channel found what it "
    "looks for (where a layer gives values below 0, those are blue and those above orange), on one scale for each layer. A "
    "channel that is bright need not matter for the answer."
)


@dataclass(frozen=True)
class SampleReport:
    """What is said of a sample.

    Attributes:
        section: for the page.
        answers: what the network says.
        explained: each number that was explained.
        states: of the last recurrent layer, (time, units), with its path; None where there is none.
    """

    section: Section
    answers: list[Answer]
    explained: list[Explained]
    states: tuple[str, Tensor] | None


def report_of(shown: Shown, effort: Effort) -> SampleReport:
    """Explains a sample, and puts together what the page says of it."""
    subject = shown.subject
    explainer = Explainer(subject, shown.sample, effort)
    outputs = explainer.entries.outputs
    answers = [
        Head(output, subject).answer(outputs[output], truth_of(subject, output, shown.sample.targets))
        for output in subject.outputs
    ]
    section, explained = Section(title(shown, answers)), []
    if shown.in_depth:
        section.blocks += _overview(shown, answers, outputs)
    for question in [question for answer in answers for question in answer.questions][:_MOST_QUESTIONS]:
        explained.append(explainer.explain(question))
        section.blocks += blocks_of(shown, explained[-1])
    if shown.in_depth:
        section.blocks += _layers(shown, explainer)
        section.blocks += _gates(shown, explainer, explained)
    recurrent = recurrent_calls(explainer.calls)
    states = (recurrent[-1].path, top_states(recurrent[-1])) if recurrent and _is_short(recurrent) else None
    return SampleReport(section, answers, explained, states)


def _overview(shown: Shown, answers: Sequence[Answer], outputs: dict[str, Tensor]) -> Iterator[Block]:
    """A forecast as a curve, or what else the network says, and how sure it was of each step of a text."""
    forecast = forecast_figure(shown.subject, shown.sample, outputs, name=shown.name("forecast"))
    if forecast is not None:
        yield forecast
        return
    goes_on = isinstance(shown.subject.experiment.data, Text)
    for answer in answers:
        of = f" as {answer.output}" if len(answers) > 1 else ""
        yield Table("most probable next" if goes_on else f"what the network says{of}", answer.details)
        strip = surprise(shown, answer, outputs[answer.output])
        if strip is not None:
            yield strip


def _layers(shown: Shown, explainer: Explainer) -> Iterator[Block]:
    """Feature maps."""
    found = stages(explainer.calls)
    if not found:
        return
    some = shown_stages(found)
    yield Note("Layer by layer", is_heading=True)
    yield Note(_MAPS + (f" Shown are {len(some)} of {len(found)} layers." if len(some) < len(found) else ""))
    yield from feature_maps(some, name=shown.name("maps"))


def _gates(shown: Shown, explainer: Explainer, explained: Sequence[Explained]) -> Iterator[Block]:
    """Gates, states, and how far the gradient reaches."""
    calls = recurrent_calls(explainer.calls)
    if not calls:
        return
    labels = next((labels for labels in shown.labels.values() if labels), [])
    yield Note("Gates and states", is_heading=True)
    if num_passes(calls) > MOST_PASSES:
        yield Note(f"Shown are the first {MOST_PASSES} of {num_passes(calls)} layers and directions.")
    if not _is_short(calls):
        yield Note(f"The gates of sequences of more than {MOST_STEPS:,} steps are not computed.")
    else:
        yield from gate_figures(calls, labels, name=shown.name("gates"))
    for attribution in explained[0].inputs:
        name = attribution.entry.input
        if shown.labels[name]:
            yield reach_figure(attribution.gradient, shown.labels[name], explained[0].question.step, name=shown.name("reach"))


def _is_short(calls: Sequence[Call]) -> bool:
    """Whether what goes on at all steps of these layers can be kept."""
    return all(call.inputs[0].shape[1] <= MOST_STEPS for call in calls)
