"""Texts of strangers on a terminal."""

from __future__ import annotations

import io
import math
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlcli.cli.console import print_error, print_notice, print_result
from dlcli.cli.foreign_text import cut_in_the_middle, figure, one_line


@given(st.text())
def test_a_text_is_one_line_that_steers_nothing(text: str) -> None:
    """No control character, no mark of direction, no end of a line, and no more than it may have."""
    shown = one_line(text, 20)
    assert len(shown) <= 20
    assert not any(character in shown for character in "\x1b\x07\r\n\t\x9b\u202e\u2066\u2028\x85\udcff")
    assert len(shown.splitlines()) <= 1


def test_what_is_hidden_is_shown_by_its_code() -> None:
    """What is plain stays as it is."""
    assert one_line("a\x1b[31m\u202eb") == "a<U+001B>[31m<U+202E>b"
    assert one_line("größe 水") == "größe 水"
    assert one_line("x" * 10**6, 10) == "xxxxxxx..."


def test_a_name_is_cut_in_the_middle() -> None:
    """Its begin and its end stay, which tell runs apart."""
    assert cut_in_the_middle("japanese_vowels-20261127-112601", 20) == "japanese_..27-112601"
    assert cut_in_the_middle("short", 20) == "short"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        (0.98731, "0.9873"),
        (0.0, "0.0000"),
        (1.23e-5, "1.23e-05"),
        (123456.7, "1.235e+05"),
        (1234567, "1,234,567"),
        (math.nan, "nan"),
        (-math.inf, "-inf"),
    ],
)
def test_numbers_are_short(value: float | None, text: str) -> None:
    """Four digits behind the point where they say something."""
    assert figure(value) == text


def test_messages_steer_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """A name from outside can stand in an error, its help and a note."""
    print_error("no run `\x1b[2J`", "the newest are: \u202ecod")
    print_notice("\x9b31m")
    assert capsys.readouterr().err == "error: no run `<U+001B>[2J`\nhelp: the newest are: <U+202E>cod\nnote: <U+009B>31m\n"


@pytest.mark.parametrize(("encoding", "shown"), [("ascii", "\\u2581 \\xe9\n"), ("latin-1", "\\u2581 é\n"), ("utf-8", "▁ é\n")])
def test_what_a_terminal_can_not_show_is_no_error(encoding: str, shown: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is shown by its code."""
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    monkeypatch.setattr(sys, "stdout", stream)
    print_result("▁ é")
    stream.seek(0)
    assert stream.read() == shown
