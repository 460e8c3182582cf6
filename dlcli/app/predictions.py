"""What a run's network says of the samples in a file, as rows of a table."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from dlcli.app.configs import directories_of
from dlcli.app.inference import infer
from dlcli.app.runs import Run, open_run, recorded_experiment
from dlcli.app.use import find_checkpoint, restored
from dlcli.config.data import Csv, DataSpec, Text, TextLines
from dlcli.config.experiment import Experiment
from dlcli.config.shapes import Sequence, Shape, Time, Vector
from dlcli.data.catalogue import SOURCES
from dlcli.data.dataset import Tensors
from dlcli.data.named import each
from dlcli.data.raw import Array, NewSamples
from dlcli.data.sources.located import locate
from dlcli.data.sources.text_lines import new_samples
from dlcli.errors import DataError, UsageError
from dlcli.runtime.device import choose_device
from dlcli.runtime.durable_files import write_durably

STDIN: Final = "-"
CSV: Final = ".csv"
JSON_LINES: Final = ".jsonl"
_FORMULA_STARTS: Final = tuple("=+-@\t\r")
"""A spreadsheet takes a cell that begins so for a formula (OWASP, CSV injection)."""

Record = dict[str, Any]
"""One row: texts and numbers by column, and mappings of numbers, which a table leaves out."""


@dataclass(frozen=True)
class Predictions:
    """What `dlcli predict RUN FILE` found.

    Attributes:
        run: the run's folder.
        checkpoint: the name of the checkpoint that was asked.
        file: whose samples they are.
        samples: how many.
        records: the rows: one for each sample, for each step of each sample, or for each step of a forecast.
    """

    run: Path
    checkpoint: str
    file: str
    samples: int
    records: list[Record]

    def as_json(self) -> Record:
        """What `predict --json` prints."""
        found = {"run": str(self.run), "checkpoint": self.checkpoint, "file": self.file, "samples": self.samples}
        return {**found, "predictions": self.records}

    def cells(self) -> list[list[str | int | float]]:
        """The rows of a table, its head first."""
        columns = [name for name, value in self.records[0].items() if not isinstance(value, Mapping)]
        return [list(columns), *([record[name] for name in columns] for record in self.records)]

    def as_text(self, format: str) -> str:
        """The rows as a file of the format CSV or JSON_LINES."""
        if format == JSON_LINES:
            return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in self.records)
        file = io.StringIO()
        csv.writer(file, lineterminator="\n").writerows([_harmless(cell) for cell in row] for row in self.cells())
        return file.getvalue()


def predict_file(
    run: Run | str | Path | None, file: str, *, checkpoint: str, device: str, runs: Path, data_dir: Path | None
) -> Predictions:
    """Asks a run's network for the samples of a file.

    Args:
        run: a run, its folder, its name, or None for the newest.
        file: written as those of the training are, with its answers left out or left unread; `-` for texts from standard
            input, one a line.
        checkpoint: best, last or the number of a step.
        device: as for `--device`.
        runs: the folder of all runs.
        data_dir: where the file is looked for first.

    Raises:
        UsageError: there is no such run or checkpoint, or the run reads no such files.
        DataError: the file is not there, is damaged, or its samples don't fit the network.
    """
    chosen = choose_device(device)
    opened = open_run(run, runs)
    experiment = recorded_experiment(opened.folder)
    found = find_checkpoint(opened.folder, checkpoint)
    title, samples = _read_samples(experiment.data, file, data_dir, opened.path)
    _check_fit(title, samples, experiment)
    network = restored(experiment, found).to(chosen).eval()
    lengths = None if samples.lengths is None else torch.from_numpy(samples.lengths)
    try:
        answers = infer(network, experiment, _tensors(samples.inputs), lengths, chosen)
    except DataError as error:
        raise DataError(f"{title}: {error.message}", help=error.help) from error
    records = [*_records(samples, answers, experiment, opened.record["data"].get("classes"))]
    return Predictions(opened.path, found.path.name, title, len(samples.names), records)


def check_output(output: Path, file: str) -> None:
    """Whether predictions can be written there.

    Raises:
        UsageError: they can't.
    """
    help = "choose another with --output FILE"
    if output.suffix.lower() not in (CSV, JSON_LINES):
        raise UsageError(
            f"'{output}' ends neither in {CSV} nor in {JSON_LINES}", help=f"write for example --output predictions{CSV}"
        )
    if output.is_dir():
        raise UsageError(f"{output} is a folder", help=help)
    if not output.absolute().parent.is_dir():
        raise UsageError(f"there is no folder {output.parent}", help="make it first, or write elsewhere")
    if output.exists() and Path(file).exists() and output.samefile(file):
        raise UsageError(f"{output} is the file that is to be read", help=help)


def write_predictions(predictions: Predictions, output: Path) -> None:
    """Writes them, whole or not at all, in the format that the name of the file ends in.

    Raises:
        ResourceError: the file system refuses.
    """
    content = predictions.as_text(output.suffix.lower()).encode(errors="replace")
    write_durably(output, content, help="give another file: --output FILE")


def _read_samples(spec: DataSpec, file: str, data_dir: Path | None, run: Path) -> tuple[str, NewSamples]:
    """What the file is called, and its samples."""
    if file == STDIN:
        return "<stdin>", _read_texts(spec)
    read_new = SOURCES[type(spec)].read_new
    if read_new is None:
        what = f"{run} was trained on `{spec.kind}`, and predictions from a file are for tables, series, texts and arrays"
        help = f'let it go on with a text: dlcli predict {run} --prompt "..."'
        raise UsageError(what, help=help if isinstance(spec, Text) else "in Python: dlcli.predict(RUN, ARRAY)")
    path = locate(file, directories_of({}, data_dir), "file", "give a file like those of the training")
    return file, read_new(spec, path)


def _read_texts(spec: DataSpec) -> NewSamples:
    """Those of standard input, one a line."""
    if not isinstance(spec, TextLines):
        raise UsageError(f"`-` reads texts, and the run was trained on `{spec.kind}`", help="give a file")
    content = sys.stdin.buffer.read() if sys.stdin is not None else b""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError("standard input is not UTF-8 text", help="give texts in UTF-8, one a line") from error
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    if not lines[-1]:
        del lines[-1]
    if not lines:
        raise DataError("standard input is empty", help="give texts, one a line")
    return new_samples(spec, lines)


def _tensors(arrays: Array | dict[str, Array]) -> Tensors:
    return each(arrays, lambda array: torch.from_numpy(np.ascontiguousarray(array)))


def _check_fit(title: str, samples: NewSamples, experiment: Experiment) -> None:
    """Whether the samples have the sizes that the network reads.

    Raises:
        DataError: they have not.
    """
    for name, shape in experiment.facts.inputs.items():
        inputs = samples.inputs
        if isinstance(inputs, dict) and name not in inputs:
            continue  # a second view of one picture
        array = inputs[name] if isinstance(inputs, dict) else inputs
        item = shape.item if isinstance(shape, Sequence) else shape
        if isinstance(item, Vector) and array.ndim == len(shape.sizes) + 1 and array.shape[-1] != item.features:
            what = f"{title} has samples of {_counted(array.shape[-1], 'feature')}, and the network reads {item.features}"
            raise DataError(what, help="give the same features as in training, in the same order")
        _check_steps(title, samples, array, shape)


def _check_steps(title: str, samples: NewSamples, array: Array, shape: Shape) -> None:
    if not isinstance(shape, Sequence) or isinstance(shape.time, Time) or array.ndim != len(shape.sizes) + 1:
        return
    lengths = np.full(len(array), array.shape[1]) if samples.lengths is None else samples.lengths
    wrong = np.flatnonzero(lengths != shape.time)
    if wrong.size:
        row = int(wrong[0])
        found = _counted(int(lengths[row]), "step")
        what = f"{title}: '{samples.names[row]}' has {found}, and the network reads sequences of {shape.time}"
        raise DataError(what, help="cut the sequence or fill it up; or train on sequences of different lengths")


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


@dataclass(frozen=True)
class _Head:
    """How the answers of an output are told.

    Attributes:
        prefix: of the columns.
        judges: classes, labels or values.
        names: of the classes, or of the labels or values; where there are too few the rest are numbered.
        per_step: whether there is an answer for each step.
    """

    prefix: str
    judges: str
    names: tuple[str, ...]
    per_step: bool

    @classmethod
    def of(cls, output: str, experiment: Experiment, classes: list[str] | None) -> _Head:
        spec, target = experiment.data, experiment.facts.target_of(output)
        assert target is not None
        judges = experiment.train.objective_of(output).loss.judges
        prefix = f"{output}/" if len(experiment.graph.outputs) > 1 else ""
        if target.num_classes is not None:
            fitting = classes is not None and len(classes) == target.num_classes
            return cls(prefix, "classes", tuple(map(str, classes or ())) if fitting else (), target.per_step)
        names = tuple(spec.target or ()) if isinstance(spec, Csv) else ()
        return cls(prefix, judges, names, target.per_step)

    def record(self, numbers: Array) -> Record:
        """The columns of one sample or one step, from its answers (K,)."""
        if self.judges == "classes":
            return self._of_class(_plain(numbers if len(numbers) > 1 else np.append(1 - numbers, numbers)))
        values = _plain(numbers)
        names = [f"{self.prefix}{name}" for name in self._value_names(len(values))]
        if self.judges == "values":
            return dict(zip(names, values, strict=True))
        found: Record = {}
        for name, value in zip(names, values, strict=True):
            found |= {name: int(value > 0.5), f"{name}_probability": value}
        return found

    def _of_class(self, probabilities: list[float]) -> Record:
        best = max(range(len(probabilities)), key=probabilities.__getitem__)
        names = [*self.names[: len(probabilities)], *range(len(self.names), len(probabilities))]
        return {
            f"{self.prefix}class": names[best],
            f"{self.prefix}probability": probabilities[best],
            f"{self.prefix}probabilities": {str(name): value for name, value in zip(names, probabilities, strict=True)},
        }

    def _value_names(self, count: int) -> tuple[str, ...]:
        if len(self.names) == count:
            return self.names
        noun = "value" if self.judges == "values" else "label"
        return (noun,) if count == 1 else tuple(f"{noun}_{number}" for number in range(1, count + 1))


def _records(samples: NewSamples, answers: Tensors, experiment: Experiment, classes: list[str] | None) -> Iterator[Record]:
    outputs = experiment.graph.outputs
    heads = [_Head.of(output, experiment, classes) for output in outputs]
    named = answers if isinstance(answers, dict) else {outputs[0]: answers}
    arrays = [named[output].numpy() for output in outputs]
    spec = experiment.data
    if isinstance(spec, Csv) and spec.window is not None:
        assert samples.steps is not None
        yield from _forecast(spec, samples.steps, heads, arrays)
        return
    has_steps = any(head.per_step for head in heads)
    for row, name in enumerate(samples.names):
        for step in range(_steps_of(samples, row, experiment) if has_steps else 1):
            leading: Record = {"sample": name, "step": step + 1} if has_steps else {"sample": name}
            answer: Record = {}
            for head, array in zip(heads, arrays, strict=True):
                answer |= head.record(array[row, step] if head.per_step else array[row])
            yield _with(leading, answer)


def _forecast(spec: Csv, steps: tuple[str, ...], heads: list[_Head], arrays: list[Array]) -> Iterator[Record]:
    """A row for each step after the window; of a class, which is that of the last step, one row."""
    column = spec.time or "step"
    if heads[0].judges == "classes":  # then all are: a table has one target
        steps = steps[-1:]
    for row in range(len(arrays[0])):
        answers = [array[row].reshape(len(steps), -1) for array in arrays]
        for place, step in enumerate(steps):
            answer: Record = {}
            for head, numbers in zip(heads, answers, strict=True):
                answer |= head.record(numbers[place])
            yield _with({column: step}, answer)


def _with(leading: Record, answer: Record) -> Record:
    """Both side by side; what leads to an answer makes way for a target that is called the same."""
    found: Record = {}
    for name, value in leading.items():
        free = name
        while free in answer:
            free += "_"
        found[free] = value
    return found | answer


def _steps_of(samples: NewSamples, row: int, experiment: Experiment) -> int:
    """The steps of a sample that are there."""
    if samples.lengths is not None:
        return int(samples.lengths[row])
    inputs, shapes = samples.inputs, experiment.facts.inputs
    if not isinstance(inputs, dict):
        return int(inputs.shape[1])
    return next(int(inputs[name].shape[1]) for name, shape in shapes.items() if isinstance(shape, Sequence))


def _plain(numbers: Array) -> list[float]:
    """The shortest numbers that mean these 32-bit values: 0.1 and not 0.10000000149."""
    return [float(str(number)) for number in numbers]


def _harmless(cell: str | int | float) -> str | int | float:
    if isinstance(cell, str) and cell.startswith(_FORMULA_STARTS) and not _is_number(cell):
        return f"'{cell}"
    return cell


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
