"""Broken configs as people write them: each mistake is shown where it was written, and nothing else is.

A file of `tests/corpus` says itself what is expected, in the comments at its top:

    # expect: unknown-key 7:9 "kernel_size"     the code, line and column in this file, a word that the help has to name
    # expect: unknown-key bases/x.yaml:3:5      the same in another file, or in an override
    # set: train.epochs=x                       an override

Warnings are not counted here: the tests of the lint do that.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from dlcli.config.diagnostics import Diagnostic
from tests.unit.config.corpus_messages import CORPUS, FILES, diagnosed, read, told

MISSPELT: Final = ("unknown-key", "unknown-layer", "unknown-name")

_EXPECT: Final = re.compile(r'# expect: (\S+) (?:(.+):)?(\d+):(\d+)(?: "(.+)")?')


@dataclass(frozen=True, order=True)
class Expected:
    """A mistake, and the word that its help names; empty for any."""

    file: str
    line: int
    column: int
    code: str
    word: str = ""


def _expected(path: Path) -> list[Expected]:
    found = [_EXPECT.fullmatch(line) for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("# expect")]
    return sorted(
        Expected(match[2] or path.name, int(match[3]), int(match[4]), match[1], match[5] or "") for match in found if match
    )


def _seen(found: Diagnostic) -> Expected:
    return Expected(found.place.source.name, found.place.line, found.place.column, found.code)


@pytest.fixture(autouse=True)
def _in_the_corpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(CORPUS)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_each_mistake_is_shown_where_it_was_written(path: Path) -> None:
    """Code, file, line and column of every mistake; none is missing and none is invented."""
    expected = [Expected(mistake.file, mistake.line, mistake.column, mistake.code) for mistake in _expected(path)]
    assert expected
    assert sorted(_seen(found) for found in diagnosed(path)) == expected


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_mistakes_are_told_in_the_words_that_were_read(path: Path) -> None:
    """tests/corpus/messages.txt, read by people, has every message, help and other place word by word.

    After a change of words: `python -m tests.unit.config.corpus_messages > tests/corpus/messages.txt`, and read what changed.
    """
    assert list(told(path)) == read()[path.name]


def test_the_corpus_is_large_enough() -> None:
    """At least 100 files, so that the shares below mean something."""
    assert len(FILES) >= 100


def test_misspelt_words_lead_to_the_right_ones() -> None:
    """The help names the word that was meant, for at least 95 of 100 misspelt keys, layers and names."""
    wrong, total = [], 0
    for path in FILES:
        helps = {_seen(found): found for found in diagnosed(path)}
        for mistake in _expected(path):
            if not mistake.word or mistake.code not in MISSPELT:
                continue
            total += 1
            found = helps.get(Expected(mistake.file, mistake.line, mistake.column, mistake.code))
            if found is None or not _suggests(found, mistake.word):
                wrong.append(f"{path.name}: {mistake.word}, and the help is: {found.help if found else None}")
    print(f"\n{total - len(wrong)} of {total} misspelt words lead to the right one", *wrong, sep="\n")
    assert total >= 50
    assert len(wrong) <= total * 0.05, wrong


def _suggests(found: Diagnostic, word: str) -> bool:
    """Whether the help names this word and does not only list it among all that are known."""
    quoted = f"`{word}`" if word.isidentifier() else word
    return quoted in (found.help or "") and not (found.help or "").startswith("known:")


def test_the_other_helps_say_what_mends_it() -> None:
    """Where the corpus asks for a word in the help of another mistake, it is there."""
    for path in FILES:
        helps = {_seen(found): found for found in diagnosed(path)}
        for mistake in _expected(path):
            if mistake.word and mistake.code not in MISSPELT:
                found = helps[Expected(mistake.file, mistake.line, mistake.column, mistake.code)]
                assert mistake.word in (found.help or ""), (path.name, found.help)
