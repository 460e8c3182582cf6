"""The outcome of a run in a few sentences, and what a reader has to know before anything else."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final

from dlcli.app.kept_runs.record import KILLED, KeptRun, number_at, plugin_words, text_at, whole_at
from dlcli.app.pages.figures import label
from dlcli.app.pages.page import number
from dlcli.app.report.data import notices, samples_told
from dlcli.app.report.gather import Saved
from dlcli.app.report.language import perplexity
from dlcli.app.report.words import percent
from dlcli.config.words import counted, duration

if TYPE_CHECKING:
    from dlcli.training.outcomes.answers import JudgedClasses, JudgedLabels, JudgedOutput, JudgedValues

_ENDS: Final = {"early_stopping": ", when it no longer became better", "max_time": ", when its time was over", "max_steps": ""}
_SPLITS: Final = {"test": "test", "valid": "validation", "train": "training"}


def lead(saved: Saved) -> str:
    """What was trained on what, how good it is, against what, and how long it took."""
    return " ".join([_training(saved), *_results(saved)])


def _training(saved: Saved) -> str:
    record = saved.run.record
    network = "A network"
    if saved.run.parameters is not None:
        network += f" of {counted(saved.run.parameters, 'parameter')}"
    epochs = f" for {counted(saved.run.epochs, 'epoch')}" if saved.run.epochs else ""
    took = f" in {duration(saved.run.train_seconds)}" if saved.run.train_seconds else ""
    device = text_at(record, "device_title") or text_at(record, "device")
    on = f" on {label(device, 60)}" if device else ""
    ended = _ENDS.get(text_at(record, "finished") or "", "")
    return f"{network} was trained on {samples_told(saved)}{epochs}{took}{on}{ended}."


def _results(saved: Saved) -> Iterator[str]:
    judgement = saved.judgement
    if judgement is None or not judgement.outputs:
        figures = saved.figures()
        if figures:
            told = ", ".join(f"{label(name, 40)} {number(value)}" for name, value in list(figures.items())[:6])
            yield f"On the {_SPLITS[judgement.split if judgement is not None else 'test']} split: {told}."
        return
    split = f"{counted(judgement.samples, 'sample')} of the {_SPLITS[judgement.split]} split"
    for name, judged in judgement.outputs.items():
        of = f"The output {label(name, 40)}" if name else "It"
        yield f"{of} {_told(saved, judged, split, name)}"
    if judgement.split != "test":
        yield "There is no test split: these samples also decided which epoch is kept, so expect a little less on new ones."


def _told(saved: Saved, judged: JudgedOutput, split: str, name: str) -> str:
    if judged.kind == "classes":
        if saved.is_language_model:
            return _language(saved, judged, split)
        return _classes(judged, split)
    return _labels(judged, split) if judged.kind == "labels" else _values(saved, judged, split, name)


def _classes(judged: JudgedClasses, split: str) -> str:
    total = int(judged.support.sum())
    if not total:
        return f"was judged on {split}."
    accuracy, chance = int(judged.hits.sum()) / total, int(judged.support.max()) / total
    steps = f" {counted(total, 'step')} in the" if judged.per_step else ""
    return (
        f"is right on {percent(accuracy)} of the{steps} {split}; "
        f"always naming the most frequent class would be right on {percent(chance)}."
    )


def _labels(judged: JudgedLabels, split: str) -> str:
    total = judged.count * len(judged.support)
    right = int((judged.count - judged.support - judged.called + 2 * judged.hits).sum())
    chance = sum(max(int(yes), judged.count - int(yes)) for yes in judged.support)
    if not total:
        return f"was judged on {split}."
    return (
        f"answers {percent(right / total)} of the questions right about the {split}; "
        f"always saying the more frequent of yes and no would be right on {percent(chance / total)}."
    )


def _values(saved: Saved, judged: JudgedValues, split: str, name: str) -> str:
    squared, spread = float(judged.errors.squared.sum()), float(judged.spread.sum())
    loss, repeating = _loss(saved.figures(), name), number_at(saved.run.record, "baseline", "loss")
    if repeating is not None and loss is not None and repeating > 0:
        change = f"{percent(1 - loss / repeating)} less than" if loss <= repeating else "more than"
        return f"has a loss of {number(loss)} on the {split}, {change} repeating the last value ({number(repeating)})."
    error = (squared / (judged.count * len(judged.errors.squared))) ** 0.5
    if spread <= 0:
        return f"has a root mean squared error of {number(error)} on the {split}."
    deviation = (spread / (judged.count * len(judged.errors.squared))) ** 0.5
    better = f"{percent(1 - squared / spread)} of the variance is explained" if squared <= spread else "the mean would be closer"
    return (
        f"has a root mean squared error of {number(error)} on the {split}; "
        f"always answering the mean would have {number(deviation)}: {better}."
    )


def _language(saved: Saved, judged: JudgedClasses, split: str) -> str:
    loss = _loss(saved.figures(), "")
    if loss is None:
        return _classes(judged, split)
    return (
        f"expects each step of the {split} with a loss of {loss:.3f} nats, a perplexity of {number(perplexity(loss), 2)}: "
        f"who knows nothing has one of {judged.num_classes}."
    )


def _loss(figures: Mapping[str, float], name: str) -> float | None:
    return figures.get(f"{name}/loss" if name else "loss")


def banners(saved: Saved) -> list[str]:
    """What stands above all: that the run is not whole, what to do about it, and what is odd about its data."""
    told = [*_unfinished(saved.run), *notices(saved)]
    return told + [f"Some of it can't be shown: {label(problem, 300)}" for problem in saved.problems]


def _unfinished(run: KeptRun) -> Iterator[str]:
    resume = f"Go on with: {shlex.join(['dlcli', 'train', '--resume', str(run.path), *plugin_words(run.record)])}"
    error = label(text_at(run.record, "error") or "", 600)
    if run.status == "interrupted":
        yield f"This run was interrupted after {counted(whole_at(run.record, 'step') or 0, 'step')}, and saved. {resume}"
    elif run.status == KILLED:
        yield f"This run was killed. {resume}"
    elif run.status == "diverged":
        yield f"This run diverged: {error}. Train again with a lower learning rate, or with train.clip_gradients=1."
    elif run.status == "failed":
        yield f"This run failed: {error}. When that is mended: {resume[0].lower() + resume[1:]}"
    elif run.status == "running":
        yield "This run is still under way."


def key_facts(saved: Saved) -> list[tuple[str, str | int | float | None]]:
    """Figures that a reader looks for first."""
    facts: list[tuple[str, str | int | float | None]] = []
    judgement = saved.judgement
    where = "" if judgement is None or judgement.split == "test" else f" ({_SPLITS[judgement.split]})"
    for name, value in list(saved.figures().items())[:6]:
        facts.append((label(name, 40) + (where or " (test)"), value))
    run = saved.run
    if saved.best_epoch is not None and run.epochs:
        facts.append(("best epoch", f"{saved.best_epoch} of {run.epochs}"))
    if run.parameters is not None:
        facts.append(("parameters", run.parameters))
    if run.train_seconds:
        facts.append(("training", duration(run.train_seconds)))
    return facts


def title_of(run: KeptRun) -> str:
    """What the page is called."""
    return f"{label(run.name, 80)}, {run.status}" if run.status != "completed" else label(run.name, 80)
