"""The tree itself: how values are named in messages, and what a path leads to."""

from __future__ import annotations

import pytest

from dlcli.config import tree
from tests.unit.config.configs import parse


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("x" * 60, "x" * 60),
        ("x" * 61, "x" * 57 + "..."),
        ("two\n  lines\tand more", "two lines and more"),
        ("", ""),
    ],
)
def test_a_long_text_is_shown_by_its_beginning(text: str, shown: str) -> None:
    """At most 60 characters, on one line; what is cut ends in dots."""
    assert tree.shortened(text) == shown
    assert tree.describe_value(text) == f"the text '{shown}'"


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "nothing"),
        (True, "true"),
        (3, "the number 3"),
        (0.5, "the number 0.5"),
        ({}, "a mapping"),
        ([], "a list"),
        ((1,), "a list"),
    ],
)
def test_values_have_words(value: object, words: str) -> None:
    """As a person would call them."""
    assert tree.describe_value(value) == words


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (["a", "b", 1], 5),
        (["a", "b", 2], [4, 5]),
        (["a", "b", -1], [4, 5]),
        (["a", "b", "1"], [4, 5]),
        (["a", 0], {"b": [4, 5]}),
        (["c", "b"], {"a": {"b": [4, 5]}}),
        ([], {"a": {"b": [4, 5]}}),
    ],
)
def test_a_path_leads_to_the_innermost_value_that_is_there(path: list[int | str], value: object) -> None:
    """Where the rest of it leads nowhere, the value that it stopped in."""
    assert tree.plain(tree.node_at(parse("a: {b: [4, 5]}"), path)) == value
