"""YAML as people expect it: what values mean, where they stand, and what is refused, quickly and with its place."""

from __future__ import annotations

import json
import math
import time
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from dlcli.config import tree
from dlcli.config.diagnostics import Place, Source
from dlcli.config.yaml_mistakes import syntax_diagnostic
from tests.unit.config.configs import PROFILE, mistakes_in_yaml, parse, places, value_of

MEANINGS: list[tuple[str, Any]] = [
    ("0", 0),
    ("-0", 0),
    ("+3", 3),
    ("-17", -17),
    ("007", 7),
    ("0o17", 15),
    ("0x1F", 31),
    ("999999999999999999", 999_999_999_999_999_999),
    ("1e-3", 0.001),
    ("1E3", 1000.0),
    ("-1.5e+2", -150.0),
    (".5", 0.5),
    ("+.5", 0.5),
    ("1.", 1.0),
    ("2.50", 2.5),
    ("1e400", math.inf),
    (".inf", math.inf),
    ("+.Inf", math.inf),
    ("-.INF", -math.inf),
    ("true", True),
    ("True", True),
    ("TRUE", True),
    ("false", False),
    ("False", False),
    ("FALSE", False),
    ("", None),
    ("~", None),
    ("null", None),
    ("Null", None),
    ("NULL", None),
    # What YAML 1.1 reads as something else, and people mean as text.
    *((word, word) for word in ("no", "No", "NO", "yes", "on", "off", "y", "n", "Y", "N", "none", "None", "tRUE", "nan", "inf")),
    *((word, word) for word in ("12:30", "1:2:3", "2024-01-31", "2024-01-31 10:00:00", "0b101", "0o8", "-0x1F", "1_000")),
    *((word, word) for word in ("1e", "e3", "1.2.3", "--1", "1 2", "=", "a b", "a#b", "${data.x}", "C:\\data", "<<")),
    ("a # remark", "a"),
    ("'1'", "1"),
    ('"1e-3"', "1e-3"),
    ("'no'", "no"),
    ("''", ""),
    ('"tab\\tquote\\""', 'tab\tquote"'),
    ("'it''s'", "it's"),
    ("[]", []),
    ("[1, a, [2]]", [1, "a", [2]]),
    ("{a: 1, b: [2]}", {"a": 1, "b": [2]}),
    ("|\n  two\n  lines", "two\nlines\n"),
    (">-\n  one\n  line", "one line"),
]


@pytest.mark.parametrize(("text", "meaning"), MEANINGS)
def test_values_mean_what_people_expect(text: str, meaning: object) -> None:
    """Each form of a value, against a table written by hand; 1 and true are told apart."""
    value = value_of(text)
    assert value == meaning
    assert type(value) is type(meaning)


@pytest.mark.parametrize("text", [".nan", ".NaN", ".NAN"])
def test_not_a_number_is_a_number(text: str) -> None:
    """YAML's three spellings of NaN."""
    assert math.isnan(value_of(text))


def test_keys_are_texts() -> None:
    """A key that looks like something else is still the text that was written."""
    assert tree.plain(parse("1: a\nno: b\nnull: c\n1e3: d\n")) == {"1": "a", "no": "b", "null": "c", "1e3": "d"}


@PROFILE
@given(number=st.one_of(st.integers(-(10**18) + 1, 10**18 - 1), st.floats(allow_nan=False, allow_infinity=False)))
def test_numbers_as_python_writes_them_are_read_exactly(number: float) -> None:
    """Any number that Python prints comes back as the same number of the same type."""
    value = value_of(repr(number))
    assert value == number
    assert type(value) is type(number)


plain_text = st.text(st.characters(min_codepoint=32, max_codepoint=0xFFFD, exclude_categories=("Cc", "Cs", "Cn", "Zl", "Zp")))
documents = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(10**15), 10**15),
        st.floats(allow_nan=False, allow_infinity=False),
        plain_text,
    ),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(plain_text.filter(lambda key: key != "<<"), inner)),
    max_leaves=20,
)


@PROFILE
@given(document=documents)
def test_json_is_yaml(document: object) -> None:
    """Whatever JSON says, read as YAML it says the same: the standard library's writer is the judge."""
    assert tree.plain(parse(json.dumps({"key": document}, ensure_ascii=False))) == {"key": document}


PLACED = """\
# Größe
größe: 3
"naïve key": {ä: [x, 'ö', 5]}
liste:
  - a: 1
    b:
      - deep
  - "two words"
"""


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("start", ["", "---\n", "\ufeff"])
def test_every_value_and_key_knows_its_place(newline: str, start: str) -> None:
    """Lines and columns count characters from 1, whatever the alphabet, the line ends and the byte order mark."""
    root = parse((start + PLACED).replace("\n", newline))
    lines = start.count("\n")
    expected = {
        ("größe",): (2, 8, 1),
        ("naïve key",): (3, 14, 1),
        ("naïve key", "ä"): (3, 18, 1),
        ("naïve key", "ä", 0): (3, 19, 1),
        ("naïve key", "ä", 1): (3, 22, 3),
        ("naïve key", "ä", 2): (3, 27, 1),
        ("liste",): (5, 3, 1),
        ("liste", 0, "a"): (5, 8, 1),
        ("liste", 0, "b", 0): (7, 9, 4),
        ("liste", 1): (8, 5, 11),
    }
    for path, (line, column, length) in expected.items():
        place = tree.place_of(root, path)
        assert (place.line, place.column, place.length) == (line + lines, column, length), path
    assert isinstance(root, tree.Mapping)
    keys = {
        key: (entry.key_place.line - lines, entry.key_place.column, entry.key_place.length) for key, entry in root.entries.items()
    }
    assert keys == {"größe": (2, 1, 5), "naïve key": (3, 1, 11), "liste": (4, 1, 5)}


REFUSED = [
    ("", (1, 1, "syntax"), "empty"),
    ("\n# only a remark\n", (1, 1, "syntax"), "empty"),
    ("a: 1\na: 2\n", (2, 1, "duplicate-key"), "twice"),
    ("a: {b: 1, c: 2, b: 3}\n", (1, 17, "duplicate-key"), "twice"),
    ("a: 1\n'a': 2\n", (2, 1, "duplicate-key"), "twice"),
    ("a: &x 1\nb: *x\n", (2, 4, "alias"), "*x"),
    ("a: &x {b: 1}\nc:\n  <<: *x\n", (3, 3, "merge"), "<<"),
    ("a:\n  <<: {b: 1}\n", (2, 3, "merge"), "<<"),
    ("a: !!python/object/apply:os.system [ls]\n", (1, 4, "tag"), "python/object"),
    ("a: !!python/object:os.system x\n", (1, 4, "tag"), "python/object"),
    ("a: !!binary aGk=\n", (1, 4, "tag"), "binary"),
    ("a: !local {b: 1}\n", (1, 4, "tag"), "!local"),
    ("a: 1\n---\nb: 2\n", (2, 1, "syntax"), "second document"),
    ("a:\n\t- b\n", (2, 1, "syntax"), "tab"),
    ("a: b: c\n", (1, 5, "syntax"), "`:`"),
    ("a: [1, 2\n", (1, 9, "syntax"), ""),
    ("a: 'open\n", (1, 4, "syntax"), ""),
    ("a: @x\n", (1, 4, "syntax"), ""),
    ("- a\nb: 1\n", (2, 1, "syntax"), ""),
    ("[a]: 1\n", (1, 1, "syntax"), "key"),
    ("? {a: b}\n: 1\n", (1, 3, "syntax"), "key"),
    ("ü: 'ä'\nb: \x00\n", (2, 4, "syntax"), "'\\x00'"),
    ("ü: ü\x7f\n", (1, 5, "syntax"), "'\\x7f'"),
    ("ü: \ud800\n", (1, 4, "syntax"), "'\\ud800'"),
    ("a: 1234567890123456789\n", (1, 4, "limit"), "18 digits"),
    ("[" * 65 + "]" * 65, (1, 65, "limit"), "64 levels"),
]


@pytest.mark.parametrize(("text", "mistake", "words"), REFUSED)
def test_what_is_no_config_is_refused_at_its_place(text: str, mistake: tuple[int, int, str], words: str) -> None:
    """Each kind of mistake gives a message with its line, its column and what was found."""
    found = mistakes_in_yaml(text)
    assert places(found[:1]) == [mistake]
    assert words in found[0].message


def test_both_places_of_a_duplicate_key_are_named() -> None:
    """Two keys of one name: the message is at the second, and tells where the first is."""
    (mistake,) = mistakes_in_yaml("lr: 1\nmomentum: 2\nlr: 3\n")
    assert [(words, place.line) for words, place in mistake.related] == [("the first one is here", 1)]


def test_all_duplicate_keys_are_found_at_once() -> None:
    """One mistake does not hide the next, and each is compared with the first of its name."""
    found = mistakes_in_yaml("a: 1\na: 2\nb: {c: 1, c: 2}\na: 3\n")
    assert places(found) == [(2, 1, "duplicate-key"), (3, 11, "duplicate-key"), (4, 1, "duplicate-key")]
    assert [place.line for mistake in found for _, place in mistake.related] == [1, 3, 1]


BOMBS = {
    "brackets": "[" * 100_000,
    "braces": "{a: " * 100_000,
    "dashes": "- " * 100_000 + "a",
    "a long number": "a: " + "9" * 5_000,
    "a long hexadecimal number": "a: 0x" + "f" * 5_000,
    "many values": "[" + "1," * 100_000 + "]",
    "many keys": "\n".join(f"k{index}: 1" for index in range(60_000)),
    "a long text": "a: " + "x" * 2_000_000,
    "aliases": "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]",
    "merge keys": "a: &a {x: 1}\nb: {<<: [" + ",".join(["*a"] * 10_000) + "]}",
}


@pytest.mark.parametrize("text", BOMBS.values(), ids=BOMBS.keys())
def test_bombs_are_refused_in_a_blink(text: str) -> None:
    """Texts made to exhaust memory or the stack cost a moment, also where each line is traced, and give one readable message."""
    started = time.process_time()
    found = mistakes_in_yaml(text)
    rendered = [mistake.render() for mistake in found]
    assert time.process_time() - started < 3
    assert found
    assert found[-1].code in {"limit", "alias", "merge"}
    assert max(len(line) for text in rendered for line in text.splitlines()) < 300


@PROFILE
@given(text=st.text(st.sampled_from("ab:-[]{}#&*!|>'\"%@`,? \t\n0123.${}~<=\r\x00é"), max_size=60))
def test_no_text_is_a_crash(text: str) -> None:
    """Any jumble of YAML's own signs is either read or refused at a place inside the text."""
    for mistake in mistakes_in_yaml(text):
        assert 1 <= mistake.place.line <= len(text.splitlines()) + 1
        assert mistake.place.column >= 1
        assert mistake.render().startswith("error[")


def test_a_parser_that_gives_up_before_us_is_told_the_same_way() -> None:
    """Some versions of libyaml look a thousand brackets ahead, and say so in words of their own."""
    mark = yaml.Mark("", 0, 0, 2, None, 0)
    found = syntax_diagnostic(
        Source("test.yaml", "[" * 2000), yaml.MarkedYAMLError(None, None, "exceeded maximum nesting depth", mark)
    )
    assert (found.code, found.message) == ("limit", "nested more than 64 levels deep")
    assert (found.place.line, found.place.column) == (1, 3)


def test_a_parser_without_words_still_gives_a_place() -> None:
    """Whatever it leaves out: its problem, its mark, or both."""
    source = Source("test.yaml", "a: 1")
    found = syntax_diagnostic(source, yaml.MarkedYAMLError())
    assert (found.code, found.message, found.place) == ("syntax", "not YAML", Place(source, 1, 1))
    found = syntax_diagnostic(source, yaml.MarkedYAMLError("while reading", yaml.Mark("", 0, 0, 1, None, 0)))
    assert (found.message, found.place) == ("while reading", Place(source, 1, 2))
    found = syntax_diagnostic(source, yaml.MarkedYAMLError("while reading", None, "did not find expected sense", None))
    assert found.message == "did not find expected sense while reading"


INDENTED = [
    (
        "train:\n  epochs: 3\n\n  # remark\n   batch_size: 2\n",
        (5, 4),
        "this line is indented by 3, and the entries above by 2",
        "line it up with line 2",
    ),
    ("a:\n    b: 1\n  c: 2\n", (3, 3), "this line is indented by 2, and the entries above by 4", "line it up with line 2"),
    ("a:\n  - b: 1\n     c: 2\n", (3, 6), "this line is indented by 5, and the entries above by 4", "line it up with line 2"),
    ("a:\n  b: 1\n c: 2\n", (3, 2), "this line is indented by 1, and the entries above by 2", "line it up with line 2"),
    ("a:   1x\nb:2  \nc: 3\n", (2, 2), "no space after the `:`", "write `b: 2`"),
    ("a:\n  - x\n  -y  \n  b: 1\n", (3, 3), "no space after the `-`", "write `- y`"),
    ("a: 1\nb   =  2  \n", (2, 2), "a value stands after a `:`, not a `=`", "write `b: 2`"),
]


@pytest.mark.parametrize(("text", "place", "message", "help"), INDENTED)
def test_a_slip_at_the_start_of_a_line_is_told_with_the_line_that_is_right(
    text: str, place: tuple[int, int], message: str, help: str | None
) -> None:
    """A space too few or too many, after a sign or before the line; empty lines and remarks are looked through."""
    (found,) = mistakes_in_yaml(text)
    assert (found.place.line, found.place.column) == place
    assert (found.message, found.help) == (message, help)
