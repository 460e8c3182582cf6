"""Short texts with labels."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlcli.config.data import SplitSpec, TextLines
from dlcli.config.facts import DataFacts
from dlcli.config.shapes import Sequence, Time, Token
from dlcli.data.directories import Directories
from dlcli.data.raw import DataUnavailableError, NewSamples, RawData, RawSplit
from dlcli.data.sources import text_lines
from dlcli.errors import DataError

WHOLE = SplitSpec(valid=0, test=0)
PAIRS = [("ab", "yes"), ("ba", "no"), ("abc", "yes"), ("cab", "no")]

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Call it with a text and the name of its file; it gives the path."""

    def written(text: str, name: str = "texts.csv") -> Path:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(text.encode("utf-8", "surrogateescape"))
        return path

    return written


def _spec(path: Path, **fields: Any) -> TextLines:
    return TextLines(**{"path": str(path), "split": WHOLE} | fields)


def _read(path: Path, **fields: Any) -> RawData:
    return text_lines.read(_spec(path, **fields), Directories((), path), False)


def _facts(path: Path, **fields: Any) -> DataFacts:
    return text_lines.facts(_spec(path, **fields), Directories((), path))


def _settled(path: Path, **fields: Any) -> TextLines:
    """The spec of a run, with what its reading found."""
    return _spec(path, **fields).model_copy(update=dict(_read(path, **fields).found))


def _decoded(split: RawSplit | NewSamples, vocabulary: tuple[str, ...]) -> list[str]:
    """The texts of characters again, by hand: token 0 is `?`."""
    shown = ("?", *vocabulary)
    lengths = [split.inputs.shape[1]] * len(split.inputs) if split.lengths is None else split.lengths
    return ["".join(shown[token] for token in row[:length]) for row, length in zip(split.inputs, lengths, strict=True)]


def _csv_of(pairs: list[tuple[str, str]]) -> str:
    return "text,label\n" + "".join(f"{text},{label}\n" for text, label in pairs)


FORMATS = {
    "texts.csv": _csv_of(PAIRS),
    "texts.tsv": _csv_of(PAIRS).replace(",", "\t"),
    "texts.txt": "".join(f"{text}\t{label}\n" for text, label in PAIRS),
    "texts.jsonl": "".join(json.dumps({"label": label, "text": text, "more": 1}) + "\n" for text, label in PAIRS),
}


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("change", [lambda text: text, lambda text: text.replace("\n", "\r\n"), lambda text: f"\ufeff{text}\n\n"])
def test_every_format_gives_the_same_samples(write: Write, name: str, change: Callable[[str], str]) -> None:
    """Tables, JSON lines and lines with a tab; with other line ends, a byte order mark and blank lines at the end."""
    path = write(change(FORMATS[name]), name)
    data, facts = _read(path), _facts(path)
    assert data.found == {"vocabulary": ("a", "b", "c")}
    assert _decoded(data.train, ("a", "b", "c")) == [text for text, _ in PAIRS]
    assert (data.train.targets.tolist(), data.class_names) == ([1, 0, 1, 0], ("no", "yes"))
    assert [array.dtype for array in (data.train.inputs, data.train.targets, data.train.lengths)] == [np.int64] * 3
    assert (facts.input, facts.target.num_classes, facts.target.per_step) == (Sequence(Time(), Token(4)), 2, False)
    assert (data.origin, data.notices, data.valid, data.test) == (str(path), (), None, None)


def test_a_folder_has_a_file_for_each_class(write: Write) -> None:
    """The names are the classes, lines the samples; what is no .txt file is told."""
    write("ab\n\n  ba\n", "by_class/2.txt")
    write("a\n", "by_class/10.txt")
    folder = write("", "by_class/README.md").parent
    data = _read(folder)
    assert _decoded(data.train, ("a", "b")) == ["a", "ab", "ba"]
    assert (data.train.targets.tolist(), data.class_names) == ([0, 1, 1], ("10", "2"))
    assert "README.md" in data.notices[0]


def test_texts_of_one_length_have_no_lengths(write: Write) -> None:
    """The number of steps is then known; a longer text in the test's file makes it open for all."""
    path, longer = write(_csv_of(PAIRS[:2])), write(_csv_of(PAIRS), "other.csv")
    assert _facts(path).input == Sequence(2, Token(3))
    assert _read(path).train.lengths is None
    data = _read(path, test=str(longer))
    assert _facts(path, test=str(longer)).input == Sequence(Time(), Token(3))
    assert data.train.lengths is not None
    assert data.test is not None
    assert data.test.lengths is not None
    assert (data.train.lengths.tolist(), data.test.lengths.tolist()) == ([2, 2], [2, 2, 3, 3])
    assert data.found["test"] == str(longer)


@pytest.mark.parametrize(
    ("labels", "classes", "names"),
    [
        (["0", "2", "1", "1"], [0, 2, 1, 1], None),
        (["10", "9", "10", "9"], [1, 0, 1, 0], ("9", "10")),
        (["b", "3", "a", "b"], [2, 0, 1, 2], ("3", "a", "b")),
    ],
)
def test_texts_and_whole_numbers_are_classes(write: Write, labels: list[str], classes: list[int], names: object) -> None:
    """Sorted as texts or as numbers; named where they are not just counted from 0."""
    data = _read(write(_csv_of([("ab", label) for label in labels])))
    assert (data.train.targets.tolist(), data.class_names) == (classes, names)


@pytest.mark.parametrize("name", ["texts.csv", "texts.jsonl"])
def test_numbers_with_a_fraction_are_values(write: Write, name: str) -> None:
    """float32 (N, 1), whole numbers among them too."""
    values = [1, 2.5, -3e4]
    lines = {
        "texts.csv": _csv_of([("ab", str(value)) for value in values]),
        "texts.jsonl": "".join(json.dumps({"text": "ab", "label": value}) + "\n" for value in values),
    }
    path = write(lines[name], name)
    data, facts = _read(path), _facts(path)
    np.testing.assert_array_equal(data.train.targets, np.array([[1], [2.5], [-3e4]], dtype=np.float32))
    assert (data.train.targets.dtype, facts.target.num_targets, facts.target.num_classes) == (np.float32, 1, None)


def test_a_list_of_labels_tags_each_step(write: Write) -> None:
    """Padded like the inputs; with words the text may be a list of them."""
    rows = [{"text": ["time", "flies"], "label": ["noun", "verb"]}, {"text": "we go home", "label": ["pron", "verb", "noun"]}]
    path = write("".join(json.dumps(row) + "\n" for row in rows), "tags.jsonl")
    data, facts = _read(path, unit="words"), _facts(path, unit="words")
    assert data.class_names == ("noun", "pron", "verb")
    assert data.train.lengths is not None
    tags = [row[:length].tolist() for row, length in zip(data.train.targets, data.train.lengths, strict=True)]
    assert (tags, data.train.targets.shape) == ([[0, 2], [1, 2, 0]], (2, 3))
    assert (facts.target.num_classes, facts.target.per_step) == (3, True)


def test_only_the_training_samples_make_the_vocabulary(write: Write) -> None:
    """What only the others have is token 0, and every split keeps the shares of the classes."""
    pairs = [(f"x{chr(0x4E00 + number)}", "even" if number % 2 == 0 else "odd") for number in range(200)]
    path = write(_csv_of(pairs))
    split = SplitSpec(valid=0.25, test=0.5)
    data, facts = _read(path, split=split), _facts(path, split=split)
    assert data.valid is not None
    assert data.test is not None
    vocabulary = data.found["vocabulary"]
    assert isinstance(vocabulary, tuple)
    assert [len(part) for part in (data.train, data.valid, data.test)] == [75, 25, 100]
    assert facts.input == Sequence(2, Token(77))
    assert "?" not in "".join(_decoded(data.train, vocabulary))
    for part in (data.valid, data.test):
        assert set(_decoded(part, vocabulary)) == {"x?"}
        assert abs(np.bincount(part.targets) - len(part) / 2).max() <= 1


def test_splits_of_other_seeds_are_others_and_of_the_same_the_same(write: Write) -> None:
    """A function of the seed of the split."""
    path = write(_csv_of([(f"{number:04}", "ab"[number % 2]) for number in range(100)]))
    first, again, other = (_read(path, split=SplitSpec(seed=seed)).test for seed in (1, 1, 2))
    assert first is not None
    assert again is not None
    assert other is not None
    np.testing.assert_array_equal(first.inputs, again.inputs)
    assert first.inputs.tolist() != other.inputs.tolist()


def test_what_was_found_reads_the_same_again(write: Write) -> None:
    """From the spec that a run keeps, whatever its split says."""
    path = write(_csv_of([(f"{number:03}", "ab"[number % 2]) for number in range(100)]))
    data = _read(path, split=SplitSpec())
    kept = _spec(path, split=SplitSpec()).model_copy(update=dict(data.found))
    again = text_lines.read(kept, Directories((), path), False)
    np.testing.assert_array_equal(again.train.inputs, data.train.inputs)
    assert again.found == data.found


def test_longer_texts_are_cut_off_and_it_is_told(write: Write) -> None:
    """How many, and how long the longest is; tags are cut off with them."""
    rows = [{"text": "abcd", "label": [0, 1, 0, 1]}, {"text": "ab", "label": [1, 1]}]
    data = _read(write("".join(json.dumps(row) + "\n" for row in rows), "tags.jsonl"), max_length=3)
    assert data.train.lengths is not None
    assert (data.train.lengths.tolist(), data.train.targets[0].tolist()) == ([3, 2], [0, 1, 0])
    assert data.notices == ("1 of 2 texts are cut off after 3 characters, as data.max_length says; the longest has 4",)


def test_lower_case_keeps_the_number_of_characters(write: Write) -> None:
    """Also where Python's own would make two of one, so that tags still fit."""
    data = _read(write(json.dumps({"text": "AİÄß", "label": [0, 1, 1, 0]}) + "\n", "t.jsonl"), lowercase=True)
    assert data.found == {"vocabulary": ("a", "i", "ß", "ä")}


def test_rare_words_are_unknown_and_texts_of_them_are_told(write: Write) -> None:
    """Other words than those of the training are nothing unusual: a notice, and no error."""
    path = write(_csv_of([("to be", "a"), ("to go", "a"), ("so what", "b")]))
    data = _read(path, unit="words", max_vocabulary=1)
    assert data.train.inputs.tolist() == [[1, 0], [1, 0], [0, 0]]
    assert data.notices == (f"1 of 3 texts of the train split have no known word, the first in {path}:4",)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("new.csv", "text\nba\ncab\n"),
        ("new.csv", "label,text\nno,ba\n,cab\n"),
        ("new.jsonl", '{"text": "ba"}\n{"text": "cab", "label": null}\n'),
        ("new.txt", "ba\ncab\tno\n"),
    ],
)
def test_new_texts_are_read_without_their_labels(write: Write, name: str, content: str) -> None:
    """Labels may be there or not; the names are the texts."""
    spec = _settled(write(_csv_of(PAIRS)))
    new = text_lines.read_new(spec, write(content, name))
    assert _decoded(new, ("a", "b", "c")) == ["ba", "cab"]
    assert new.names == ("ba", "cab")
    given = text_lines.new_samples(spec, ["ba", "cab"])
    np.testing.assert_array_equal(given.inputs, new.inputs)


def test_new_texts_are_cut_off_and_in_lower_case_as_in_training(write: Write) -> None:
    """And what is unknown is token 0 among what is known."""
    spec = _settled(write(_csv_of(PAIRS)), lowercase=True, max_length=3)
    new = text_lines.new_samples(spec, ["ABba", "ax"])
    assert _decoded(new, ("a", "b", "c")) == ["abb", "a?"]
    assert new.notices == ("1 of 2 texts are cut off after 3 characters, as data.max_length says; the longest has 4",)


BAD = {
    "empty cell": (_csv_of([*PAIRS, ("", "no")]), "texts.csv", {}, "texts.csv:6: column `text` is empty"),
    "empty label": (_csv_of([*PAIRS, ("a", "")]), "texts.csv", {}, "texts.csv:6: column `label` is empty"),
    "empty text": ("a\tyes\n\tno\n", "t.txt", {}, "t.txt:2: the text is empty"),
    "no tab": ("a\tyes\nb\n", "t.txt", {}, "t.txt:2: this line has no tab"),
    "two tabs": ("a\tyes\nb\tc\tno\n", "t.txt", {}, "t.txt:2: this line has 2 tabs"),
    "nothing": ("\n", "t.txt", {}, "t.txt holds no text"),
    "column": (_csv_of(PAIRS), "texts.csv", {"label": "lable"}, "texts.csv:1: there is no column `lable`"),
    "same column": (_csv_of(PAIRS), "texts.csv", {"label": "text"}, "data.text and data.label are both `text`"),
    "column of no table": ("a\tyes\n", "t.txt", {"label": "kind"}, "t.txt has no columns"),
    "suffix": ("a", "t.doc", {}, "t.doc ends in '.doc'"),
    "no UTF-8": ("a\tyes\nb\udcff\tno\n", "t.txt", {}, "t.txt:2: this line is not UTF-8"),
    "no JSON": ('{"text": "a", "label": 1}\n{"text": "b" "label": 1}\n', "t.jsonl", {}, "t.jsonl:2:14: this line is no JSON"),
    "endless JSON": ("[" * 100_000 + "\n", "t.jsonl", {}, "t.jsonl:1: this line can't be read as JSON"),
    "no object": ("[1]\n", "t.jsonl", {}, "t.jsonl:1: this line is a list"),
    "no key": ('{"text": "a"}\n', "t.jsonl", {}, "t.jsonl:1: there is no key `label`"),
    "number for a text": ('{"text": 3, "label": 1}\n', "t.jsonl", {}, "t.jsonl:1: the text is a number"),
    "null label": ('{"text": "a", "label": null}\n', "t.jsonl", {}, "t.jsonl:1: the label is null"),
    "NaN label": ('{"text": "a", "label": 1.5}\n{"text": "a", "label": NaN}\n', "t.jsonl", {}, "t.jsonl:2: the label is nan"),
    "half a character": ('{"text": "\\ud800", "label": 1}\n', "t.jsonl", {}, "t.jsonl:1: the text holds '\\ud800'"),
    "list of characters": ('{"text": ["a"], "label": 1}\n', "t.jsonl", {}, "t.jsonl:1: the text is a list of words"),
    "word with a space": (
        '{"text": ["a b"], "label": 1}\n',
        "t.jsonl",
        {"unit": "words"},
        "t.jsonl:1: a word of the text is 'a b'",
    ),
    "few tags": ('{"text": "ab", "label": ["x"]}\n', "t.jsonl", {}, "t.jsonl:1: the label has 1 tags, and the text 2 characters"),
    "tag with a fraction": ('{"text": "a", "label": [0.5]}\n', "t.jsonl", {}, "t.jsonl:1: a tag is the number 0.5"),
    "tags and a label": (
        '{"text": "a", "label": ["x"]}\n{"text": "a", "label": "x"}\n',
        "t.jsonl",
        {},
        "t.jsonl:2: the label is 'x', expected a tag for each step, as in",
    ),
    "text and number": (
        '{"text": "a", "label": 1}\n{"text": "a", "label": "x"}\n',
        "t.jsonl",
        {},
        "t.jsonl:2: the label is 'x', expected a number, as in",
    ),
    "odd cell": (
        _csv_of([("a", "1.5"), ("b", "2.5"), ("c", "x")]),
        "texts.csv",
        {},
        "texts.csv:4: the label is 'x', expected a number",
    ),
    "one of a class": (
        _csv_of([*PAIRS, ("a", "maybe")]),
        "texts.csv",
        {"split": SplitSpec()},
        "texts.csv:6: the class 'maybe' has this one sample",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_files_are_named_with_the_line(write: Write, case: str) -> None:
    """What was found and what to do, for the facts as for the samples."""
    content, name, fields, message = BAD[case]
    path = write(content, name)
    for call in (_facts, _read):
        with pytest.raises(DataError) as error:
            call(path, **fields)
        assert message in error.value.message
        assert error.value.help


def test_a_label_that_is_never_seen_in_training_is_named(write: Write) -> None:
    """In the file of the test, as a class and as a tag."""
    path, test = write(_csv_of(PAIRS)), write(_csv_of([("ab", "yes"), ("ab", "perhaps")]), "test.csv")
    with pytest.raises(DataError, match=r"test.csv:3: the label 'perhaps' is never seen in training, which has: no, yes"):
        _read(path, test=str(test))
    tags, others = (write(f'{{"text": "ab", "label": ["x", "{tag}"]}}\n', f"{tag}.jsonl") for tag in ("y", "z"))
    with pytest.raises(DataError, match=r"z.jsonl:1: the tag 'z' is never seen"):
        _read(tags, test=str(others))


def test_a_text_of_unknown_characters_alone_is_named(write: Write) -> None:
    """In the test's file, and in new ones; of unknown words alone a text may be in both, which is told."""
    path, test = write(_csv_of(PAIRS)), write(_csv_of([("ab", "yes"), ("xyz", "no")]), "test.csv")
    with pytest.raises(DataError, match=r"test.csv:3: none of the characters of 'xyz' was seen in training"):
        _read(path, test=str(test))
    with pytest.raises(DataError, match=r"test.csv:3: none of the characters"):
        text_lines.read_new(_settled(path), test)
    new = text_lines.new_samples(_settled(path, unit="words"), ["ab", "xyz"])
    assert new.notices == ("1 of 2 texts have no known word, the first in text 2",)


def test_new_texts_that_are_empty_or_without_their_column_are_named(write: Write) -> None:
    """As in training."""
    spec = _settled(write(_csv_of(PAIRS)))
    with pytest.raises(DataError, match="text 2 is empty"):
        text_lines.new_samples(spec, ["ab", "  "])
    with pytest.raises(DataError, match=r"new.csv:1: there is no column `text`"):
        text_lines.read_new(spec, write("words\nab\n", "new.csv"))


def test_a_folder_without_texts_and_a_path_that_leads_nowhere(tmp_path: Path) -> None:
    """The one is an error, the other what a fallback answers."""
    with pytest.raises(DataError, match="holds no .txt file"):
        _read(tmp_path)
    with pytest.raises(DataUnavailableError):
        _read(tmp_path / "none.csv")


def test_many_texts_with_a_long_one_among_them_are_not_padded_into_the_memory(write: Write) -> None:
    """Which text is too long to be meant is said, and how to cut it off."""
    path = write("a\tx\n" * 30_000 + f"{'a' * 100_000}\tx\n", "t.txt")
    with pytest.raises(DataError, match="30,001 texts padded to 100,000 characters would take 22.4 GiB of memory") as error:
        _read(path)
    assert "data.max_length" in (error.value.help or "")


def test_quoted_texts_may_hold_delimiters_and_line_ends(tmp_path: Path) -> None:
    """As the csv module writes them; lines are still counted right."""
    path = tmp_path / "quoted.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("text", "label"), ('a, "b"\nc', "x"), ("d", "y"), ("", "y")])
    with pytest.raises(DataError, match="quoted.csv:5: column `text` is empty"):
        _read(path)
