"""One long text as windows of tokens, whose answer at each step is the next token."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

from dlcli.config.data import Text, Unit
from dlcli.config.facts import DataFacts
from dlcli.config.shapes import Sequence, Token
from dlcli.data.directories import Directories
from dlcli.data.raw import RawData, RawSplit
from dlcli.data.sources.located import locate
from dlcli.data.sources.text_file import TextFile
from dlcli.data.sources.vocabulary import UNKNOWN, Steps, Tokens, Vocabulary, steps_of
from dlcli.data.splits import rows_of_splits
from dlcli.errors import DataError

_LARGEST: Final = 10**9
"""Bytes of a file: its tokens are all in memory at once, and have 8 bytes each."""
_GIVE: Final = "give a text file in UTF-8; with data.unit=bytes any file"


@dataclass(frozen=True)
class _Corpus:
    """A text, and what is to become of it.

    Attributes:
        path: of the file.
        steps: the text taken apart.
        parts: train, valid and test -> which steps, where there are any.
        vocabulary: that of the spec, or of the training part.
    """

    path: Path
    steps: Steps
    parts: Mapping[str, slice]
    vocabulary: Vocabulary


def facts(spec: Text, directories: Directories) -> DataFacts:
    """From the text's training part: which units there are shows at its end at the earliest.

    Raises:
        DataUnavailableError: there is no such file.
        DataError: it is no text, or too short.
    """
    num_tokens = _opened(spec, directories).vocabulary.num_tokens
    return DataFacts.of(Sequence(spec.window, Token(num_tokens)), num_classes=num_tokens, per_step=True)


def read(spec: Text, directories: Directories, _: bool) -> RawData:
    """Reads the windows: those of the begin are for training, the next for validation, the last for the test.

    Raises:
        DataUnavailableError: there is no such file.
        DataError: it is no text, or too short.
    """
    corpus = _opened(spec, directories)
    notices: list[str] = []
    splits: dict[str, RawSplit] = {}
    for name, part in corpus.parts.items():
        tokens = corpus.vocabulary.tokens(corpus.steps[part])
        unknown = int((tokens == UNKNOWN).sum()) if spec.unit != "bytes" else 0
        if unknown:
            notices.append(f"{unknown:,} of {len(tokens):,} {spec.unit} of the {name} split are not in the vocabulary")
        splits[name] = _windows(tokens, spec.window)
    found: dict[str, object] = {} if spec.unit == "bytes" else {"vocabulary": corpus.vocabulary.entries}
    valid, test = splits.get("valid"), splits.get("test")
    return RawData(splits["train"], valid, test, None, str(corpus.path), tuple(notices), found)


def _opened(spec: Text, directories: Directories) -> _Corpus:
    path = locate(spec.path, directories, "text", _GIVE)
    if path.is_dir():
        raise DataError(f"{path} is a folder, expected a file", help="give one file; for short texts use `name: text_lines`")
    steps = _read_steps(TextFile.at(path), spec.unit)
    parts = {name: slice(part.start, part.stop) for name, part in rows_of_splits(spec.split, len(steps)).items()}
    for name, part in parts.items():
        _check_long_enough(path, name, part, spec)
    if spec.vocabulary is not None or spec.unit == "bytes":
        return _Corpus(path, steps, parts, Vocabulary.of(spec))
    return _Corpus(path, steps, parts, Vocabulary.learned(steps[parts["train"]], spec.unit, spec.max_vocabulary))


@lru_cache(maxsize=1)
def _read_steps(file: TextFile, unit: Unit) -> Steps:
    """A file taken apart; a line ends in one character, however it is written."""
    if file.size > _LARGEST:
        what = f"{file.path} has {file.size / 1e9:.1f} GB, and texts of at most {_LARGEST / 1e9:.0f} GB are read"
        raise DataError(what, help="give a part of it")
    if unit == "bytes":
        return file.content()
    with file.opened() as text:
        return steps_of(text.read().replace("\r\n", "\n"), unit)


def _check_long_enough(path: Path, name: str, part: slice, spec: Text) -> None:
    count, needed = part.stop - part.start, spec.window + 1
    if count < needed:
        what = f"{path}: the {name} split has {count:,} {spec.unit}, expected at least {needed:,}: a window and what follows it"
        help = "give a longer text, a smaller data.window or other shares with data.split"
        raise DataError(what, help=help if name == "train" else f"{help} (data.split.{name}=0 for no {name})")


def _windows(tokens: Tokens, window: int) -> RawSplit:
    """Inputs (N, window) and what follows each step, as views of the tokens; what does not fill a window is left out."""
    count = (len(tokens) - 1) // window
    inputs, targets = (tokens[start : start + count * window].reshape(count, window) for start in (0, 1))
    return RawSplit(inputs, targets)
