"""Which samples are explained: some that the network gets right and its worst mistakes, or those that somebody asks for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  # torch's own name for it

from dlcli.app.explain.answers import truth_of
from dlcli.app.explain.effort import judged_together
from dlcli.app.explain.subject import Subject
from dlcli.app.inference import checked_lengths, padded_time, score
from dlcli.app.prediction_inputs import Part, open_inputs
from dlcli.config.normalisation import FixedNormalize
from dlcli.config.shapes import has_any_time
from dlcli.data.dataset import Split, Tensors
from dlcli.data.named import each
from dlcli.data.preprocessing import Preprocessing
from dlcli.errors import DataError, UsageError
from dlcli.models.valid_steps import is_valid
from dlcli.training.target_scale import TargetScale


@dataclass(frozen=True)
class Choice:
    """What somebody asks for.

    Attributes:
        index: of a sample of the split, counted from 0.
        worst: whether the samples with the greatest loss.
        input: a file with new samples.
        split: train, valid or test.
        inverts: whether bright becomes dark in new pictures.
    """

    index: int | None = None
    worst: bool = False
    input: str | None = None
    split: str = "test"
    inverts: bool = False

    def __post_init__(self) -> None:
        given = [name for name, is_given in self._given() if is_given]
        if len(given) > 1:
            raise UsageError(f"{' and '.join(given)} were given", help="give one of them: each says which samples")
        if self.inverts and self.input is None:
            raise UsageError("--invert is for new pictures", help="name them with --input FILE, or leave it out")

    def _given(self) -> tuple[tuple[str, bool], ...]:
        return ("--index", self.index is not None), ("--worst", self.worst), ("--input", self.input is not None)


@dataclass(frozen=True)
class Sample:
    """A sample on its way to being explained.

    Attributes:
        name: what it is called: its number in the split, or its line, file or text.
        number: its number in the split, where it is from one.
        raw: as the split keeps it, a batch of 1, without padding.
        inputs: what the network reads of it, by name.
        targets: the right answers by name; empty where they are not known.
        loss: how far the answer is from the right one.
    """

    name: str
    number: int | None
    raw: Tensors
    inputs: Mapping[str, Tensor]
    targets: Mapping[str, Tensor]
    loss: float | None = None

    def raw_of(self, name: str) -> Tensor:
        """An input as the split keeps it; several views of a picture are all of that."""
        return self.raw[name] if isinstance(self.raw, dict) else self.raw


@dataclass(frozen=True)
class Judged:
    """How the network did on the first samples of a split.

    Attributes:
        losses: of each sample, (n,).
        is_right: whether all its classes were right, (n,); None where there are no classes.
        classes: the right one of each sample, (n,); None where samples have no class each.
    """

    losses: Tensor
    is_right: Tensor | None
    classes: Tensor | None


def judge(subject: Subject, split: Split, count: int) -> Judged:
    """Asks the network for the first samples of a split.

    The loss of a sample is -log of the probability of the right class, the same of yes-or-no labels, or the squared error in the
    scale that values are trained in; of answers for each step, and of several values, the mean; of several outputs the sum.

    A part after the other is asked, so that the outputs for a part are all that is kept of them.
    """
    experiment = subject.experiment
    together = judged_together(experiment.graph, padded_time(split.inputs, experiment.facts) or 1)
    parts = [_judged(subject, part_of(split, start, min(start + together, count))) for start in range(0, count, together)]
    right = [part.is_right for part in parts if part.is_right is not None]
    classes = [part.classes for part in parts if part.classes is not None]
    losses = torch.cat([part.losses for part in parts])
    return Judged(losses, torch.cat(right) if right else None, torch.cat(classes) if classes else None)


def part_of(split: Split, start: int, stop: int) -> Split:
    """The samples from one number up to another."""

    def cut(tensor: Tensor) -> Tensor:
        return tensor[start:stop]

    return Split(each(split.inputs, cut), each(split.targets, cut), None if split.lengths is None else cut(split.lengths))


def _judged(subject: Subject, split: Split) -> Judged:
    lengths = None if split.lengths is None else split.lengths.cpu()
    outputs = score(subject.network, subject.experiment, split.inputs, lengths, subject.device)
    losses, right, classes = torch.zeros(len(split)), None, None
    named = split.targets if isinstance(split.targets, dict) else {"": split.targets}
    for name in subject.outputs:
        truth = truth_of(subject, name, named)
        assert truth is not None
        errors, hits = _losses(subject, name, outputs[name].float(), truth.cpu())
        target = subject.experiment.facts.target_of(name)
        if target is not None and target.per_step and lengths is not None:
            valid = is_valid(lengths, errors.shape[1])
            errors, hits = errors * valid, None if hits is None else hits | ~valid
            losses += errors.sum(1) / lengths
        else:
            losses += errors.flatten(1).mean(1) if errors.ndim > 1 else errors
        if hits is not None:
            all_hit = hits.flatten(1).all(1) if hits.ndim > 1 else hits
            right = all_hit if right is None else right & all_hit
        if classes is None and target is not None and target.num_classes is not None and not target.per_step:
            classes = truth.cpu()
    return Judged(losses, right, classes)


def _losses(subject: Subject, output: str, scores: Tensor, truth: Tensor) -> tuple[Tensor, Tensor | None]:
    """The loss of each answer, and whether it is right, where it can be: (n,) or (n, T)."""
    judges = subject.experiment.train.objective_of(output).loss.judges
    if judges == "classes":
        chances = scores.log_softmax(-1)
        return -chances.gather(-1, truth[..., None])[..., 0], scores.argmax(-1) == truth
    if judges == "labels":
        labels = truth.reshape(scores.shape).float()
        each = F.binary_cross_entropy_with_logits(scores, labels, reduction="none")
        return each.mean(-1), ((scores > 0) == (labels > 0.5)).all(-1)
    scales = subject.experiment.data.normalize_targets
    scale = scales.get(output) if isinstance(scales, dict) else scales
    if isinstance(scale, FixedNormalize):
        truth = TargetScale(scale, truth.device).standardised(truth)
    return (scores - truth.reshape(scores.shape)).square().mean(-1), None


def chosen(judged: Judged, *, right: int, wrong: int) -> tuple[list[int], list[int]]:
    """Which samples to explain of those that were judged.

    Args:
        judged: of the split.
        right: how many at most that are right, the first of each class; where none is, or there are no classes, the
            first ones.
        wrong: how many at most of the mistakes, the worst first; where nothing is right or wrong, of the largest losses.

    Returns:
        The numbers of both.
    """
    order = judged.losses.argsort(descending=True, stable=True).tolist()
    hits = judged.is_right.tolist() if judged.is_right is not None and judged.is_right.any() else None
    candidates = [number for number in range(len(order)) if hits is None or hits[number]]
    if judged.classes is not None and hits is not None:
        first_of: dict[int, int] = {}
        for number in candidates:
            first_of.setdefault(int(judged.classes[number]), number)
        candidates = [first_of[name] for name in sorted(first_of)]
    good = candidates[:right]
    bad = [number for number in order if (number not in good if hits is None else not hits[number])][:wrong]
    return good, bad


def worst(judged: Judged, most: int) -> list[int]:
    """The samples with the greatest loss, whether they are right or not."""
    numbers: list[int] = judged.losses.argsort(descending=True, stable=True)[:most].tolist()
    return numbers


def sample_of(subject: Subject, split: Split, number: int, loss: float) -> Sample:
    """A sample of a split, of which it is known how far the answer is from the right one."""
    length = None if split.lengths is None else int(split.lengths[number])
    raw = _cut(subject, _at(split.inputs, number), length)
    targets = split.targets if isinstance(split.targets, dict) else {next(iter(subject.experiment.facts.targets)): split.targets}
    answers = {}
    for name, tensor in targets.items():
        per_step = subject.experiment.facts.targets[name].per_step
        answers[name] = tensor[number : number + 1, :length] if per_step and length is not None else tensor[number : number + 1]
    return Sample(str(number), number, raw, subject.prepared(raw), answers, loss)


def samples_of_file(
    subject: Subject, choice: Choice, data_dir: Path | None, most: int, on_notice: Callable[[str], None]
) -> tuple[list[Sample], int]:
    """The first samples of a file or a folder of pictures, and how many there are; of pictures no more than these are read.

    Raises:
        UsageError: the run reads no such files.
        DataError: the file is not there, is damaged, or its samples don't fit the network.
    """
    assert choice.input is not None
    samples: list[Sample] = []
    files, there = [choice.input], 0
    inputs = open_inputs(subject.experiment, files, data_dir=data_dir, run=subject.path, inverts=choice.inverts)
    for part in inputs.parts(lambda _, __: None, most):
        samples += _first_of(subject, part, most - len(samples))
        there += len(part.samples.names)
    for notice in inputs.notices:
        on_notice(notice)
    return samples, max(there, len(inputs.pictures))


def _first_of(subject: Subject, part: Part, most: int) -> Iterator[Sample]:
    """The first samples of a part, once all of it is known to fit the network, as `dlcli predict` asks for it."""
    experiment = subject.experiment
    preprocessing = Preprocessing(experiment.data, experiment.facts, seed=experiment.train.seed)
    try:
        checked = preprocessing.checked(part.inputs)
        lengths = checked_lengths(part.lengths, checked, experiment)
    except DataError as error:
        raise DataError(f"{part.title}: {error.message}", help=error.help) from error
    for number, name in enumerate(part.samples.names[:most]):
        raw = _cut(subject, _at(checked, number), None if lengths is None else int(lengths[number]))
        yield Sample(name, None, raw, subject.prepared(raw), {})


def _at(inputs: Tensors, number: int) -> Tensors:
    """One sample as a batch of 1."""
    return each(inputs, lambda tensor: tensor[number : number + 1])


def _cut(subject: Subject, raw: Tensors, length: int | None) -> Tensors:
    """The sample without its padding."""
    if length is None:
        return raw
    if not isinstance(raw, dict):
        return raw[:, :length]
    ragged = {name for name, shape in subject.shapes.items() if has_any_time(shape)}
    return {name: tensor[:, :length] if name in ragged else tensor for name, tensor in raw.items()}
