"""From a run and what somebody asks for to the samples that are explained."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dlcli.app.experiments import open_experiment, recorded_data_dir
from dlcli.app.explain.effort import Effort, effort_for, judged_samples
from dlcli.app.explain.pictures import is_picture
from dlcli.app.explain.samples import Choice, Sample, chosen, judge, part_of, sample_of, samples_of_file, worst
from dlcli.app.explain.subject import Subject
from dlcli.app.inference import padded_time
from dlcli.app.resume import check_same_classes, has_other_values
from dlcli.app.runs import Run, read_checked_record, recorded_experiment
from dlcli.app.use import find_checkpoint, restored
from dlcli.config.experiment import Experiment
from dlcli.config.shapes import has_any_time
from dlcli.data.dataset import Split
from dlcli.errors import UsageError
from dlcli.runtime.device import choose_device

_RIGHT_PICTURES, _WRONG_PICTURES = 10, 3
_RIGHT_OTHERS, _WRONG_OTHERS = 3, 3
_ASKED: Final = 6
"""Samples that are explained of those with the greatest loss, and of a file."""
_IN_DEPTH: Final = 2


@dataclass(frozen=True)
class Chosen:
    """What a page is about.

    Attributes:
        subject: whose network.
        samples: in the order of the page.
        in_depth: which of them, by their place, with all layers and gates.
        effort: how much is computed.
        source: where the samples are from, in words.
    """

    subject: Subject
    samples: list[Sample]
    in_depth: frozenset[int]
    effort: Effort
    source: str


class Chooser:
    """Finds samples for a run.

    Args:
        run: the run.
        checkpoint: best, last or the number of a step.
        device: as for `--device`.
        data_dir: where data is looked for first.
        notify: takes a line about what a person should know.

    Raises:
        DlcliError: checkpoint or device is not there.
    """

    def __init__(self, run: Run, checkpoint: str, device: str, data_dir: Path | None, notify: Callable[[str], None]) -> None:
        self._run = run
        self._device = choose_device(device)
        self._found = find_checkpoint(run.folder, checkpoint)
        self._data_dir = data_dir
        self._notify = notify

    def choose(self, choice: Choice) -> Chosen:
        """The samples that are asked for.

        Raises:
            DlcliError: split, sample, file or data is not there.
        """
        return self._of_file(choice, choice.input) if choice.input is not None else self._of_split(choice)

    def _of_file(self, choice: Choice, file: str) -> Chosen:
        subject = self._subject(recorded_experiment(self._run.folder))
        graph = subject.experiment.graph
        most = effort_for(graph, 1, _ASKED).samples  # of one step each: of longer ones perhaps fewer
        samples, there = samples_of_file(subject, choice, self._data_dir, most, self._notify)
        steps = max(_time(subject, sample) for sample in samples)
        effort = effort_for(graph, steps, len(samples))
        samples = samples[: effort.samples]
        if there > len(samples):
            self._notify(f"the first {len(samples)} of {there:,} samples are explained")
        return Chosen(subject, samples, frozenset(range(_IN_DEPTH)), effort, Path(file).name)

    def _of_split(self, choice: Choice) -> Chosen:
        folder = self._run.folder
        experiment, dataset = open_experiment(folder.resolved_config, (), recorded_data_dir(folder, self._data_dir), self._notify)
        record = read_checked_record(folder)
        check_same_classes(record, dataset)
        if has_other_values(record, dataset):
            self._notify(f"{dataset.origin} has other values than when the run began")
        subject, split = self._subject(experiment), dataset.splits().get(choice.split)
        if split is None:
            there = ", ".join(name for name, samples in dataset.splits().items() if samples is not None)
            raise UsageError(f"the data has no split `{choice.split}`", help=f"there are: {there}")
        source = f"{choice.split} ({len(split):,})"
        if choice.index is None:
            return self._judged(choice, subject, split, source)
        if not 0 <= choice.index < len(split):
            what = f"the {choice.split} split has {len(split):,} samples, and none of the number {choice.index}"
            raise UsageError(what, help=f"numbers are 0 to {len(split) - 1}")
        loss = float(judge(subject, part_of(split, choice.index, choice.index + 1), 1).losses[0])
        sample = sample_of(subject, split, choice.index, loss)
        return Chosen(subject, [sample], frozenset({0}), effort_for(experiment.graph, _time(subject, sample), 1), source)

    def _judged(self, choice: Choice, subject: Subject, split: Split, source: str) -> Chosen:
        """Samples of a split by how the network did on them."""
        graph, steps = subject.experiment.graph, _longest(subject, split)
        right, wrong = _RIGHT_OTHERS, _WRONG_OTHERS
        if any(is_picture(subject, name) for name in subject.shapes):
            right, wrong = _RIGHT_PICTURES, _WRONG_PICTURES
        if choice.worst:
            right, wrong = 0, _ASKED
        effort = effort_for(graph, steps, right + wrong)
        if effort.samples < right + wrong:
            wrong = max(effort.samples // 2, 1)
            right = effort.samples - wrong if right else 0
            self._notify(f"{effort.samples} of the usual samples are explained: the network is large")
        count = len(split) if choice.worst else judged_samples(graph, steps, len(split))
        if count < len(split):
            self._notify(f"the samples are chosen among the first {count:,} of {len(split):,}")
        judged = judge(subject, split, count)
        good, bad = ([], worst(judged, wrong)) if choice.worst else chosen(judged, right=right, wrong=wrong)
        samples = [sample_of(subject, split, number, float(judged.losses[number])) for number in (*good, *bad)]
        in_depth = frozenset({0, len(good)} if good else range(_IN_DEPTH))
        return Chosen(subject, samples, in_depth, effort, source)

    def _subject(self, experiment: Experiment) -> Subject:
        network = restored(experiment, self._found).to(self._device).eval()
        return Subject(self._run, self._found.path.name, network, experiment, self._device)


def _longest(subject: Subject, split: Split) -> int:
    """The steps of the longest sample, where samples differ; else 1, since the network knows its steps."""
    if split.lengths is not None:
        return int(split.lengths.max())
    return padded_time(split.inputs, subject.experiment.facts) or 1


def _time(subject: Subject, sample: Sample) -> int:
    """The same for one sample."""
    return max((sample.inputs[name].shape[1] for name, shape in subject.shapes.items() if has_any_time(shape)), default=1)
