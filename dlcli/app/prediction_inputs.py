"""The samples that somebody wants predictions for, from the files, folders and texts that a command names, a part at a time."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
import torch
from torch import Tensor

from dlcli.app.configs import directories_of
from dlcli.config.data import Arrays, Csv, DataSpec, ImageFolder, Text, TextLines, Ts
from dlcli.config.experiment import Experiment
from dlcli.config.shapes import Sequence as SequenceShape
from dlcli.config.shapes import Shape, Time, Vector
from dlcli.config.words import counted
from dlcli.data import pictures
from dlcli.data.catalogue import SOURCES
from dlcli.data.dataset import Tensors
from dlcli.data.directories import Directories
from dlcli.data.named import each
from dlcli.data.raw import Array, NewSamples
from dlcli.data.sources.image_folder import notices_of
from dlcli.data.sources.located import locate
from dlcli.data.sources.new_pictures import PictureFile, PictureForm, PictureReader, form_of, pictures_in
from dlcli.data.sources.text_lines import new_samples
from dlcli.errors import DataError, UsageError
from dlcli.training.evaluation import evaluation_batch_size

STDIN: Final = "-"

_PART: Final = 1024
"""Pictures that are decoded and asked together, or one batch of them where that is more."""

_PART_BYTES: Final = 1 << 26
"""The same, in bytes."""

_KINDS: Final[Mapping[str, str]] = {
    **dict.fromkeys(pictures.SUFFIXES, "a picture"),
    **dict.fromkeys((".csv", ".tsv", ".parquet"), "a table"),
    **dict.fromkeys((".txt", ".jsonl", ".ndjson"), "a file of texts"),
    ".ts": "a file of series",
    ".npz": "a file of arrays",
}
"""What a file is by its name."""

_READ: Final[Mapping[type[DataSpec], tuple[str, Sequence[str]]]] = {
    Csv: ("a table (.csv or .parquet)", ("a table", "a file of texts")),
    Ts: ("a .ts file", ("a file of series", "a file of texts")),
    TextLines: ("a .csv, .tsv, .jsonl or .txt file, or `-` for standard input", ("a table", "a file of texts")),
    Arrays: ("an .npz file with its arrays, as x", ("a file of arrays",)),
}
"""What a run that was trained on a source reads: in words, and kinds of files."""

Progress = Callable[[int, int], None]
"""Takes how many pictures are done, and of how many."""


@dataclass(frozen=True)
class Part:
    """Samples that are asked together.

    Attributes:
        title: where they are from, for messages.
        file: the same, where a table has to say which file a sample is of.
        samples: in the order in which they are to be told.
    """

    title: str
    file: str | None
    samples: NewSamples

    @property
    def inputs(self) -> Tensors:
        """As a network is asked."""
        return each(self.samples.inputs, lambda array: torch.from_numpy(np.ascontiguousarray(array)))

    @property
    def lengths(self) -> Tensor | None:
        """Steps of each sample, (N,), where they differ."""
        return None if self.samples.lengths is None else torch.from_numpy(self.samples.lengths)


@dataclass
class Inputs:
    """What a run is to be asked.

    Attributes:
        experiment: of the run.
        files: that hold many samples each, by what they are called.
        pictures: that are files of their own.
        reader: of those.
        texts: from standard input.
        notices: what a person should know, complete once all parts were read.
    """

    experiment: Experiment
    files: list[tuple[str, Path]] = field(default_factory=list)
    pictures: list[PictureFile] = field(default_factory=list)
    reader: PictureReader | None = None
    texts: NewSamples | None = None
    notices: list[str] = field(default_factory=list)

    def parts(self, on_progress: Progress, most: int | None = None) -> Iterator[Part]:
        """Reads one part after the other, so that pictures take no more memory than a part of them.

        Args:
            on_progress: is told how many pictures are done.
            most: pictures that are read, the first; None for all.

        Raises:
            DataError: a file is damaged, or its samples don't fit the network; of pictures once all were looked at.
        """
        for part in self._read(on_progress, self.pictures[:most]):
            _check_fit(part, self.experiment)
            self.notices += part.samples.notices
            yield part
        if self.reader is not None:
            self.notices += self.reader.finish()

    def reads(self, path: Path) -> bool:
        """Whether a file is one of those that are read, by whatever name."""
        if not path.exists():
            return False
        read = [*(file for _, file in self.files), *(picture.path for picture in self.pictures)]
        return any(path.samefile(file) for file in read)

    def _read(self, on_progress: Progress, pictures: Sequence[PictureFile]) -> Iterator[Part]:
        if self.texts is not None:
            yield Part("<stdin>", None, self.texts)
        read_new = SOURCES[type(self.experiment.data)].read_new
        for name, path in self.files:
            assert read_new is not None
            yield Part(name, name if len(self.files) > 1 else None, read_new(self.experiment.data, path))
        if self.reader is None:
            return
        count = _pictures_together(self.reader.form, evaluation_batch_size(self.experiment.train))
        for start in range(0, len(pictures), count):
            on_progress(start, len(pictures))
            samples = self.reader.read(pictures[start : start + count])
            if samples is not None:
                yield Part("the pictures", None, samples)


def open_inputs(
    experiment: Experiment, inputs: Sequence[str], *, data_dir: Path | None, run: Path, inverts: bool = False
) -> Inputs:
    """Finds what a command names, before anything is read.

    Args:
        experiment: of the run.
        inputs: files, folders, or `-` for texts from standard input.
        data_dir: where files are looked for first.
        run: its folder, for messages.
        inverts: whether bright becomes dark in pictures.

    Raises:
        UsageError: the run reads no such files, or they are of two kinds.
        DataError: a file is not there, or a folder has no picture.
    """
    spec, found = experiment.data, Inputs(experiment)
    if STDIN in inputs:
        if len(inputs) > 1:
            raise UsageError("`-` is standard input, and files were given too", help="ask for one after the other")
        found.texts = _read_texts(spec)
    else:
        _check_files(spec, run)
        _find(found, inputs, directories_of({}, data_dir), run, inverts=inverts)
    if inverts and found.reader is None:
        raise UsageError("--invert is for picture files", help="leave it out")
    return found


def _check_files(spec: DataSpec, run: Path) -> None:
    """Whether anything can be read from files for a run that was trained on a source."""
    if SOURCES[type(spec)].read_new is None:
        what = (
            f"{run} was trained on `{spec.kind}`, and predictions from files are for pictures, tables, series, texts and arrays"
        )
        help = f'let it go on with a text: dlcli predict {run} --prompt "..."'
        raise UsageError(what, help=help if isinstance(spec, Text) else "in Python: dlcli.predict(RUN, ARRAY)")


def _find(found: Inputs, inputs: Sequence[str], directories: Directories, run: Path, *, inverts: bool) -> None:
    """Sorts what is there into pictures and other files."""
    form = form_of(found.experiment.data, found.experiment.facts)
    for name in inputs:
        path = locate(name, directories, "file", "give files like those of the training")
        if form is not None and path.is_dir():
            files, others = pictures_in(path)
            found.pictures += [PictureFile(file, _name(file, path, name if len(inputs) > 1 else "")) for file in files]
            found.notices += notices_of(others)
        elif form is not None and _is_picture(path):
            found.pictures.append(PictureFile(path, _printable(name)))
        else:
            _check_kind(found.experiment.data, path, name, run, reads_pictures=form is not None)
            found.files.append((_printable(name), path))
    if found.pictures and found.files:
        what = f"{found.files[0][0]} holds many samples, and {found.pictures[0].name} is a picture"
        raise UsageError(what, help="ask for one after the other")
    if form is not None and found.pictures:
        found.reader = PictureReader(form, inverts=inverts)


def _name(file: Path, folder: Path, given: str) -> str:
    """What a picture in a folder is called: by its place below the folder, or where there are several as they were given."""
    return _printable(str(Path(given) / file.relative_to(folder)))


def _printable(name: str) -> str:
    """A name of a file, of which any bytes may be part, as text that can be written."""
    return name.encode(errors="backslashreplace").decode()


def _is_picture(path: Path) -> bool:
    """By the name of a file, and where that says nothing by its first bytes."""
    kind = _KINDS.get(path.suffix.lower())
    try:
        return kind == "a picture" if kind is not None else pictures.begins_as_picture(path)
    except OSError:
        return False


def _check_kind(spec: DataSpec, path: Path, name: str, run: Path, *, reads_pictures: bool) -> None:
    """Whether a file is, by its name, of a kind that a run can read."""
    kind = _KINDS.get(path.suffix.lower())
    words, kinds = _READ.get(type(spec), _READ[Arrays])
    if isinstance(spec, ImageFolder) and not reads_pictures and kind not in kinds:
        what = f"{run} does not say how high and wide its pictures are, which it reads as pixels"
        raise UsageError(what, help=f"train with data.resize, or give {words}")
    if kind is None or kind in kinds or path.is_dir():
        return
    if reads_pictures:
        words = f"pictures, folders of them, or {words}"
    raise UsageError(f"{name} is {kind}, and {run} was trained on `{spec.kind}`", help=f"give {words}")


def _pictures_together(form: PictureForm, batch_size: int) -> int:
    """How many are decoded at once: whole batches, so that each picture is judged beside the same ones as in an evaluation."""
    bytes_of_batch = math.prod(form.size) * form.channels * batch_size
    return batch_size * max(1, min(_PART_BYTES // bytes_of_batch, _PART // batch_size))


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


def _check_fit(part: Part, experiment: Experiment) -> None:
    """Whether the samples have the sizes that the network reads.

    Raises:
        DataError: they have not.
    """
    inputs = part.samples.inputs
    for name, shape in experiment.facts.inputs.items():
        array = inputs[name] if isinstance(inputs, dict) else inputs
        item = shape.item if isinstance(shape, SequenceShape) else shape
        if isinstance(item, Vector) and array.ndim == len(shape.sizes) + 1 and array.shape[-1] != item.features:
            found = counted(array.shape[-1], "feature")
            what = f"{part.title} has samples of {found}, and the network reads {item.features}"
            raise DataError(what, help="give the same features as in training, in the same order")
        _check_steps(part, array, shape)


def _check_steps(part: Part, array: Array, shape: Shape) -> None:
    if not isinstance(shape, SequenceShape) or isinstance(shape.time, Time) or array.ndim != len(shape.sizes) + 1:
        return
    samples = part.samples
    lengths = np.full(len(array), array.shape[1]) if samples.lengths is None else samples.lengths
    wrong = np.flatnonzero(lengths != shape.time)
    if wrong.size:
        row = int(wrong[0])
        found = counted(int(lengths[row]), "step")
        what = f"{part.title}: '{samples.names[row]}' has {found}, and the network reads sequences of {shape.time}"
        raise DataError(what, help="cut the sequence or fill it up; or train on sequences of different lengths")
