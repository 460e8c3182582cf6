"""Texts as tokens."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlcli.config.data import Unit
from dlcli.config.diagnostics import Report, Source
from dlcli.config.tree import plain
from dlcli.config.yaml_output import as_yaml
from dlcli.config.yaml_source import parse
from dlcli.data.sources.vocabulary import Vocabulary, joined, steps_of

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)


def _learned(text: str, unit: Unit, most: int = 1000) -> Vocabulary:
    return Vocabulary.learned(steps_of(text, unit), unit, most)


@pytest.mark.parametrize(
    ("unit", "expected"),
    [
        ("characters", ["D", "o", "n", "'", "t", ",", " ", "é", "!"]),
        ("words", ["Don't", ",", "é", "!"]),
        ("bytes", [68, 111, 110, 39, 116, 44, 32, 195, 169, 33]),
    ],
)
def test_a_text_is_taken_apart_into_units(unit: Unit, expected: list[str | int]) -> None:
    """Punctuation marks are words, apostrophes are parts of words; bytes are those of UTF-8."""
    assert list(steps_of("Don't, é!", unit)) == expected


def test_words_of_scripts_with_vowel_signs_and_without_spaces_around_marks() -> None:
    """Hindi words stay whole; Chinese and Spanish marks stand alone."""
    assert steps_of("हिन्दी भाषा। 你好。世界。", "words") == ["हिन्दी", "भाषा", "।", "你好", "。", "世界", "。"]
    assert steps_of("¿Qué? e-mail", "words") == ["¿", "Qué", "?", "e-mail"]


@settings(max_examples=200, deadline=None)
@given(TEXTS, st.sampled_from(["characters", "words"]))
def test_the_most_frequent_come_first(text: str, unit: Unit) -> None:
    """As Python's own counter has it, equally frequent ones in the order of their code points."""
    counts = Counter(steps_of(text, unit))
    assert list(_learned(text, unit).entries) == sorted(counts, key=lambda entry: (-counts[entry], entry))
    assert _learned(text, unit, 2).entries == _learned(text, unit).entries[:2]


@settings(max_examples=200, deadline=None)
@given(TEXTS, TEXTS)
def test_characters_come_back_and_unknown_ones_as_such(known: str, other: str) -> None:
    """What was learned decodes to itself; the rest is token 0, shown as a replacement character."""
    vocabulary = _learned(known, "characters")
    assert vocabulary.decode(vocabulary.encode(known)) == known
    tokens = vocabulary.encode(other)
    assert [token == 0 for token in tokens] == [character not in known for character in other]
    assert vocabulary.decode(tokens) == "".join(character if character in known else "\ufffd" for character in other)
    assert vocabulary.num_tokens == len(set(known)) + 1


@settings(max_examples=100, deadline=None)
@given(TEXTS)
def test_bytes_come_back(text: str) -> None:
    """Whatever the text: 256 tokens, none of them unknown."""
    vocabulary = Vocabulary("bytes", ())
    assert vocabulary.encode(text).tolist() == list(text.encode())
    assert (vocabulary.decode(vocabulary.encode(text)), vocabulary.num_tokens) == (text, 256)


def test_bytes_that_are_no_text_are_shown_as_such() -> None:
    """A sample of a network need not be UTF-8."""
    assert Vocabulary("bytes", ()).decode([65, 255, 66]) == "A\ufffdB"


def test_words_come_back_between_spaces() -> None:
    """Unknown ones are named."""
    vocabulary = _learned("to be or not to be", "words")
    assert vocabulary.entries == ("be", "to", "not", "or")
    assert vocabulary.encode("to sleep , to be").tolist() == [2, 0, 0, 2, 1]
    assert vocabulary.decode([2, 0, 1]) == "to <unknown> be"


def test_halves_of_surrogate_pairs_are_unknown() -> None:
    """The command line makes them of bytes that are no UTF-8."""
    assert _learned("ab", "characters").encode("a\udcff").tolist() == [1, 0]
    assert len(Vocabulary("bytes", ()).encode("a\udcff")) > 1


@pytest.mark.parametrize("unit", ["characters", "words", "bytes"])
def test_texts_one_after_the_other_are_their_steps_one_after_the_other(unit: Unit) -> None:
    """Nothing grows together where one ends and the next begins."""
    parts = [steps_of(text, unit) for text in ("one two", "three", "ü")]
    assert list(joined(parts, unit)) == [step for part in parts for step in part]


@settings(max_examples=200, deadline=None)
@given(st.lists(TEXTS, min_size=1))
def test_a_vocabulary_can_be_kept_in_a_config(texts: list[str]) -> None:
    """Whatever the characters are: control characters, quotes, numbers, line ends."""
    entries = list(_learned("".join(texts), "characters").entries)
    report = Report()
    node = parse(Source("kept.yaml", as_yaml({"vocabulary": entries})), report)
    assert node is not None
    assert (plain(node), report.diagnostics) == ({"vocabulary": entries}, [])
