"""Short texts as tokens, each with a class, a value, or a class for each of its steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dlcli.config.data import TextLines
from dlcli.config.facts import DataFacts
from dlcli.config.shapes import Sequence as SequenceShape
from dlcli.config.shapes import Time, Token
from dlcli.config.tree import shortened
from dlcli.data.directories import Directories
from dlcli.data.raw import NewSamples, RawData, RawSplit
from dlcli.data.sources.growth import check_growth
from dlcli.data.sources.labels import Label, Labels, class_names, padded
from dlcli.data.sources.located import locate
from dlcli.data.sources.text_rows import FORMATS, Columns, Rows, read_rows
from dlcli.data.sources.vocabulary import UNKNOWN, Steps, Tokens, Vocabulary, joined, steps_of
from dlcli.data.splits import Indices, held_out
from dlcli.errors import DataError


@dataclass(frozen=True)
class _Texts:
    """Everything that was read, shared out.

    Attributes:
        path: where the samples of the training are from.
        test_path: where those of the test are from, if they have their own file.
        rows: of both.
        steps: the texts of the rows taken apart, and cut off at `max_length`.
        labels: of the rows.
        splits: train and, where there are such, valid and test -> which rows.
        vocabulary: that of the spec, or of the training rows.
        notices: what a person should know.
    """

    path: Path
    test_path: Path | None
    rows: Rows
    steps: Sequence[Steps]
    labels: Labels
    splits: Mapping[str, Indices]
    vocabulary: Vocabulary
    notices: tuple[str, ...]

    @cached_property
    def steps_of_all(self) -> int | Time:
        """How many steps a sample has."""
        lengths = {len(steps) for steps in self.steps}
        return lengths.pop() if len(lengths) == 1 else Time()

    @cached_property
    def classes(self) -> tuple[Label, ...]:
        """Those of the training samples."""
        return self.labels.classes(self.splits["train"])


def facts(spec: TextLines, directories: Directories) -> DataFacts:
    """From all texts: the longest and the rarest character can be anywhere.

    Raises:
        DataUnavailableError: there is no such file.
        DataError: it is damaged, or is not what the config says.
    """
    texts = _opened(spec, directories)
    shape = SequenceShape(texts.steps_of_all, Token(texts.vocabulary.num_tokens))
    if texts.labels.kind == "values":
        return DataFacts.of(shape, num_targets=1)
    return DataFacts.of(shape, num_classes=len(texts.classes), per_step=texts.labels.kind == "tags")


def read(spec: TextLines, directories: Directories, _: bool) -> RawData:
    """Reads all texts. The vocabulary is that of the training samples, so all splits are made here.

    Raises:
        DataUnavailableError: there is no such file.
        DataError: it is damaged, is not what the config says, or a text or a label can't be used.
    """
    texts = _opened(spec, directories)
    notices = list(texts.notices)
    splits = {name: _split(spec, texts, name, notices) for name in texts.splits}
    found: dict[str, object] = {} if spec.unit == "bytes" else {"vocabulary": texts.vocabulary.entries}
    if texts.test_path is not None:
        found["test"] = str(texts.test_path)
    names = None if texts.labels.kind == "values" else class_names(texts.classes)
    valid, test = splits.get("valid"), splits.get("test")
    return RawData(splits["train"], valid, test, names, str(texts.path), tuple(notices), found)


def read_new(spec: TextLines, path: Path) -> NewSamples:
    """Reads texts to predict the labels of: a file as for training, whose labels may be there or not.

    Args:
        spec: that of a run.
        path: of the file or folder.

    Raises:
        DataError: the file can't be read, or the run knows nothing of what a text is made of.
    """
    columns = Columns(spec.text, None)
    if path.is_dir() or path.suffix.lower() == ".txt":
        columns = Columns(None, None)
    rows = read_rows(path, columns, with_labels=False)
    return _new_samples(spec, rows.texts, rows.places)


def new_samples(spec: TextLines, texts: Sequence[str]) -> NewSamples:
    """Samples of texts that are given directly, such as the lines of standard input.

    Args:
        spec: that of a run.
        texts: at least one.

    Raises:
        DataError: one is empty, or the run knows nothing of what it is made of.
    """
    places = [f"text {number}" for number in range(1, len(texts) + 1)]
    for text, place in zip(texts, places, strict=True):
        if not text.strip():
            raise DataError(f"{place} is empty", help="write a text in each line")
    return _new_samples(spec, texts, places)


def _new_samples(spec: TextLines, texts: Sequence[str | tuple[str, ...]], places: Sequence[str]) -> NewSamples:
    vocabulary = Vocabulary.of(spec)
    steps, notices = _cut([_steps(text, spec, place) for text, place in zip(texts, places, strict=True)], spec)
    lengths = _lengths(steps)
    inputs = _tokens(steps, lengths, vocabulary)
    unknown = _all_unknown(inputs, vocabulary)
    if unknown.size:
        if spec.unit == "characters":  # as in training
            raise _nothing_known(places[unknown[0]], texts[unknown[0]], spec)
        notices.append(f"{unknown.size:,} of {len(texts):,} texts have no known word, the first in {places[unknown[0]]}")
    names = tuple(shortened(_as_text(text)) for text in texts)
    return NewSamples(inputs, lengths if len(set(lengths.tolist())) > 1 else None, names, notices=tuple(notices))


def _opened(spec: TextLines, directories: Directories) -> _Texts:
    help = f"give {FORMATS}"
    path = locate(spec.path, directories, "texts", help)
    test_path = locate(spec.test, directories, "texts", help) if spec.test is not None else None
    columns = Columns(spec.text, spec.label)
    parts = [read_rows(part, columns, with_labels=True) for part in (path, test_path) if part is not None]
    rows = _together(parts)
    assert rows.labels is not None
    labels = Labels.read(rows.labels, rows.places, are_cells=rows.are_cells)
    own = np.arange(len(parts[0].places))
    splits = _shared_out(spec, labels, own)
    if test_path is not None:
        splits["test"] = np.arange(len(own), len(rows.places))
    steps = [_steps(text, spec, place) for text, place in zip(rows.texts, rows.places, strict=True)]
    _check_tags(labels, steps, spec)
    notices = [f"not read, since the name does not end in .txt: {other}" for other in rows.others[:1]]
    steps, cut = _cut(steps, spec)
    vocabulary = _vocabulary(spec, [steps[row] for row in splits["train"]])
    return _Texts(path, test_path, rows, steps, labels, splits, vocabulary, (*notices, *cut))


def _together(parts: Sequence[Rows]) -> Rows:
    """The rows of the training's file and then those of the test's."""
    if len({part.are_cells for part in parts}) > 1:
        what = f"{parts[0].places[0]} and {parts[1].places[0]} write their labels in two ways, which may mean two things"
        raise DataError(what, help="write the samples of the test in the format of those of the training")
    return Rows(
        tuple(place for part in parts for place in part.places),
        tuple(text for part in parts for text in part.texts),
        tuple(label for part in parts for label in part.labels or ()),
        parts[0].are_cells,
        tuple(other for part in parts for other in part.others),
    )


def _shared_out(spec: TextLines, labels: Labels, left: Indices) -> dict[str, Indices]:
    """Which of the rows `left` each split has: as many of each class as its share."""
    groups = labels.groups()
    splits: dict[str, Indices] = {}
    wanted = [("test", spec.split.test if spec.test is None else 0), ("valid", spec.split.valid)]
    if any(share > 0 for _, share in wanted):
        labels.check_repeated(left)
    for name, share in wanted:
        if share > 0:
            left, splits[name] = held_out(spec.split, name, groups, left)
    return {"train": left, **splits}


def _steps(text: str | tuple[str, ...], spec: TextLines, place: str) -> Steps:
    """A text taken apart, at `max_length` for a new one too."""
    if not isinstance(text, str):
        if spec.unit != "words":
            help = "write the text as one, or set data.unit=words"
            raise DataError(f"{place}: the text is a list of words, and data.unit is {spec.unit}", help=help)
        return [_lower(word) for word in text] if spec.lowercase else list(text)
    return steps_of(_lower(text) if spec.lowercase else text, spec.unit)


def _lower(text: str) -> str:
    """In lower case, with as many characters: only `İ` would become two."""
    return text.replace("İ", "i").lower()


def _as_text(text: str | tuple[str, ...]) -> str:
    return text if isinstance(text, str) else " ".join(text)


def _check_tags(labels: Labels, steps: Sequence[Steps], spec: TextLines) -> None:
    if labels.kind != "tags":
        return
    for tags, of_text, place in zip(labels.labels, steps, labels.places, strict=True):
        assert isinstance(tags, tuple)
        if len(tags) != len(of_text):
            what = f"{place}: the label has {len(tags)} tags, and the text {len(of_text)} {spec.unit}"
            raise DataError(what, help="give a tag for each; words can be given one by one, as a list")


def _cut(steps: list[Steps], spec: TextLines) -> tuple[list[Steps], list[str]]:
    """The texts up to `max_length`, and a notice of how many are longer."""
    if spec.max_length is None:
        return steps, []
    longer = [len(text) for text in steps if len(text) > spec.max_length]
    if not longer:
        return steps, []
    what = f"{len(longer):,} of {len(steps):,} texts are cut off after {spec.max_length} {spec.unit}, as data.max_length says"
    return [text[: spec.max_length] for text in steps], [f"{what}; the longest has {max(longer):,}"]


def _vocabulary(spec: TextLines, training: Sequence[Steps]) -> Vocabulary:
    """That of the spec, or of the training texts."""
    if spec.vocabulary is not None or spec.unit == "bytes":
        return Vocabulary.of(spec)
    return Vocabulary.learned(joined(training, spec.unit), spec.unit, spec.max_vocabulary)


def _split(spec: TextLines, texts: _Texts, name: str, notices: list[str]) -> RawSplit:
    """The arrays of a split."""
    samples = texts.splits[name]
    steps = [texts.steps[sample] for sample in samples]
    lengths = _lengths(steps)
    inputs = _tokens(steps, lengths, texts.vocabulary, f"{texts.path}: ")
    unknown = _all_unknown(inputs, texts.vocabulary)
    if unknown.size:
        row = samples[unknown[0]]
        if spec.unit == "characters":  # other words than those of the training are nothing unusual
            raise _nothing_known(texts.rows.places[row], texts.rows.texts[row], spec)
        count = f"{unknown.size:,} of {len(samples):,} texts of the {name} split have no known word"
        notices.append(f"{count}, the first in {texts.rows.places[row]}")
    targets = texts.labels.answers(samples, texts.classes, spec.max_length)
    return RawSplit(inputs, targets, lengths if isinstance(texts.steps_of_all, Time) else None)


def _lengths(steps: Sequence[Steps]) -> NDArray[np.int64]:
    return np.array([len(text) for text in steps], dtype=np.int64)


def _tokens(steps: Sequence[Steps], lengths: NDArray[np.int64], vocabulary: Vocabulary, place: str = "") -> Tokens:
    """The tokens of texts (N, T)."""
    what = f"{place}{len(lengths):,} texts padded to {lengths.max():,} {vocabulary.unit}"
    token = np.dtype(np.int64).itemsize
    padded_size, size = (int(tokens) * token for tokens in (len(lengths) * lengths.max(), lengths.sum()))
    check_growth(what, padded_size, size, "cut long texts off with data.max_length, or give fewer")
    return padded(vocabulary.tokens(joined(steps, vocabulary.unit)), lengths)


def _all_unknown(inputs: Tokens, vocabulary: Vocabulary) -> NDArray[np.int64]:
    """Which samples are of unknown tokens alone. Padding is of the same token."""
    if vocabulary.unit == "bytes":
        return np.empty(0, dtype=np.int64)
    return np.flatnonzero(~(inputs != UNKNOWN).any(axis=1))


def _nothing_known(place: str, text: str | tuple[str, ...], spec: TextLines) -> DataError:
    what = f"{place}: none of the {spec.unit} of '{shortened(_as_text(text))}' was seen in training"
    return DataError(what, help="mend or remove the text; or train on texts that are like it")
