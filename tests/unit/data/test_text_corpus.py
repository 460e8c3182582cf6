"""One long text for next-token language modelling."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlcli.config.data import SplitSpec, Text
from dlcli.config.shapes import Sequence, Token
from dlcli.data.directories import Directories
from dlcli.data.raw import RawData
from dlcli.data.sources import text_corpus
from dlcli.data.sources.vocabulary import Vocabulary
from dlcli.errors import DataError

WHOLE = SplitSpec(valid=0, test=0)


def _spec(path: Path, **fields: Any) -> Text:
    return Text(**{"path": str(path), "split": WHOLE} | fields)


def _read(path: Path, **fields: Any) -> RawData:
    return text_corpus.read(_spec(path, **fields), Directories((), path), False)


def _vocabulary(data: RawData, **fields: Any) -> Vocabulary:
    return Vocabulary(fields.get("unit", "characters"), tuple(data.found.get("vocabulary", ())))  # type: ignore[arg-type]


@pytest.fixture
def text(tmp_path: Path) -> Path:
    """A thousand characters, of which the last hundred are others."""
    path = tmp_path / "long.txt"
    path.write_text("".join("abcd\n"[number * number % 7 % 5] for number in range(900)) + "xyz\n" * 25, encoding="utf-8")
    return path


@settings(max_examples=100, deadline=None)
@given(st.text(st.sampled_from("abc dé,\n"), min_size=2, max_size=200), st.integers(1, 12))
def test_windows_follow_each_other_and_answers_are_the_next_characters(
    tmp_path_factory: pytest.TempPathFactory, written: str, window: int
) -> None:
    """Put together again they are the text, but for what does not fill a window; each answer is the step after."""
    path = tmp_path_factory.mktemp("corpus") / "t.txt"
    path.write_text(written, encoding="utf-8")
    if len(written) < window + 1:
        with pytest.raises(DataError, match=f"has {len(written)} characters, expected at least {window + 1}"):
            _read(path, window=window)
        return
    data = _read(path, window=window)
    vocabulary, count = _vocabulary(data), (len(written) - 1) // window
    assert data.train.inputs.shape == data.train.targets.shape == (count, window)
    assert vocabulary.decode(data.train.inputs.ravel()) == written[: count * window]
    assert vocabulary.decode(data.train.targets.ravel()) == written[1 : count * window + 1]
    assert (data.train.inputs.dtype, data.train.lengths, data.valid, data.test) == (np.int64, None, None, None)


def test_splits_are_parts_of_the_text(text: Path) -> None:
    """The begin, what follows it, the end: 90/10 where the test has no share; what training has not seen is counted."""
    data = _read(text, window=10, split=SplitSpec(valid=0.1, test=0))
    whole = text.read_text(encoding="utf-8")
    assert (data.test, len(data.train)) == (None, (900 - 1) // 10)
    assert data.valid is not None
    assert _vocabulary(data).decode(data.train.inputs[0]) == whole[:10]
    assert _vocabulary(data).decode(data.valid.inputs[0]) == "\ufffd\ufffd\ufffd\n" * 2 + "\ufffd\ufffd"
    assert data.notices == ("75 of 100 characters of the valid split are not in the vocabulary",)
    parts = _read(text, window=10, split=SplitSpec(valid=0.25, test=0.2))
    assert parts.valid is not None
    assert parts.test is not None
    assert [len(part) for part in (parts.train, parts.valid, parts.test)] == [599 // 10, 199 // 10, 199 // 10]


@pytest.mark.parametrize("unit", ["characters", "words", "bytes"])
def test_facts_are_those_of_the_samples(text: Path, unit: str) -> None:
    """A class for each token, the unknown one included, at every step."""
    facts = text_corpus.facts(_spec(text, unit=unit, window=20), Directories((), text))
    data = _read(text, unit=unit, window=20)
    num_tokens = _vocabulary(data, unit=unit).num_tokens
    assert facts.input == Sequence(20, Token(num_tokens))
    assert (facts.target.num_classes, facts.target.per_step) == (num_tokens, True)
    assert data.train.inputs.max() < num_tokens
    assert num_tokens == 256 or data.train.inputs.min() == 1


def test_windows_are_views_of_the_tokens(text: Path) -> None:
    """A long text is in memory once."""
    data = _read(text, window=10)
    assert np.shares_memory(data.train.inputs, data.train.targets)


def test_a_line_ends_in_one_character(tmp_path: Path) -> None:
    """However the file writes it; bytes stay as they are."""
    path = tmp_path / "windows.txt"
    path.write_bytes(b"ab\r\nab\r\n")
    assert _read(path, window=2).found == {"vocabulary": ("\n", "a", "b")}
    assert _read(path, window=7, unit="bytes").train.inputs.tolist() == [[97, 98, 13, 10, 97, 98, 13]]


def test_bytes_need_be_no_text(tmp_path: Path) -> None:
    """Any file; as characters the line that is no UTF-8 is named."""
    path = tmp_path / "any.bin"
    path.write_bytes(b"ab\n\xff\xfe\x00")
    assert _read(path, window=5, unit="bytes").train.targets.tolist() == [[98, 10, 255, 254, 0]]
    with pytest.raises(DataError, match="any.bin:2: this line is not UTF-8"):
        _read(path, window=2)


def test_a_kept_vocabulary_reads_the_same_again(text: Path) -> None:
    """Also where the file has grown since."""
    data = _read(text, window=10)
    kept = _spec(text, window=10).model_copy(update=dict(data.found))
    text.write_text("zz" + text.read_text(encoding="utf-8") + "new", encoding="utf-8")
    again = text_corpus.read(kept, Directories((), text), False)
    assert again.found == data.found
    assert _vocabulary(data).decode(again.train.inputs[0]) == text.read_text(encoding="utf-8")[:10]


@pytest.mark.parametrize(
    ("split", "message", "help"),
    [
        (SplitSpec(valid=0.1, test=0), "the valid split has 100 characters, expected at least 151", "data.split.valid=0"),
        (SplitSpec(valid=0, test=0.1), "the test split has 100 characters, expected at least 151", "data.split.test=0"),
        (SplitSpec(valid=0, test=0.9), "the train split has 100 characters, expected at least 151", "a smaller data.window"),
    ],
)
def test_a_split_that_is_shorter_than_a_window_is_named(text: Path, split: SplitSpec, message: str, help: str) -> None:
    """With both numbers, and what would mend it."""
    with pytest.raises(DataError, match=message) as error:
        _read(text, window=150, split=split)
    assert help in (error.value.help or "")


def test_an_empty_file_and_a_folder_are_no_text(tmp_path: Path) -> None:
    """Each is said."""
    (tmp_path / "empty.txt").touch()
    with pytest.raises(DataError, match="has 0 characters"):
        _read(tmp_path / "empty.txt")
    with pytest.raises(DataError, match="is a folder, expected a file"):
        _read(tmp_path)


def test_tinyshakespeare_is_read_in_a_blink(shared_data: Path) -> None:
    """65 characters and the unknown one; 90/10 as others split it."""
    path = shared_data / "text" / "tinyshakespeare.txt"
    data = _read(path, window=100, split=SplitSpec(valid=0.1, test=0))
    assert data.valid is not None
    assert _vocabulary(data).num_tokens == 66
    assert (len(data.train), len(data.valid)) == ((1_003_855 - 1) // 100, (111_539 - 1) // 100)
    assert (
        _vocabulary(data).decode(data.train.inputs[0]).startswith("First Citizen:\nBefore we proceed any further, hear me speak.")
    )
