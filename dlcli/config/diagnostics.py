"""Mistakes in a config, each with its place, and how they are shown."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, Literal

from dlcli.config.synonyms import meanings, plain_word
from dlcli.errors import DlcliError

Severity = Literal["error", "warning"]

MAX_WIDTH: Final = 160
"""Characters of a line that a message shows where no terminal says how wide it is."""
MIN_EXCERPT: Final = 20
"""Characters of the config's line that are shown however narrow the terminal is."""
MAX_LISTED: Final = 12
"""Known words that a help lists where a command lists them all."""
MAX_MESSAGE: Final = 1_000
"""Characters of a message and of a help."""
MAX_MISTAKES: Final = 100
"""Of one config; a file of noise has thousands, and nobody reads them."""
MAX_MISSPELT: Final = 60
"""Characters of a word that may be a known one misspelt."""


@dataclass(frozen=True)
class Source:
    """A text that configs are read from: a file, a `--set`, a dict."""

    name: str
    text: str

    @cached_property
    def lines(self) -> list[str]:
        return self.text.splitlines()


@dataclass(frozen=True)
class Place:
    """A stretch of one line of a source. Lines and columns count from 1."""

    source: Source
    line: int
    column: int
    length: int = 1

    def __str__(self) -> str:
        return f"{self.source.name}:{self.line}:{self.column}"

    @property
    def text(self) -> str:
        """What stands there."""
        lines = self.source.lines[self.line - 1 : self.line]
        return lines[0][self.column - 1 : self.column - 1 + self.length] if lines else ""


Related = tuple[tuple[str, Place], ...]
"""Other places that matter, each with the words that introduce it."""


@dataclass(frozen=True)
class Diagnostic:
    """One mistake: what was found where, and what to do about it."""

    code: str
    message: str
    place: Place
    help: str | None = None
    related: Related = ()
    severity: Severity = "error"

    def render(self, width: int = MAX_WIDTH) -> str:
        """The diagnostic as people read it, with the line it is about, cut to so many columns."""
        gutter = max(len(str(self.place.line)), 4)
        lines = [f"{self.severity}[{self.code}]: {self.message}", f"  --> {self.place}"]
        if 0 < self.place.line <= len(self.place.source.lines):
            text, start = _excerpt(self.place, max(MIN_EXCERPT, width - gutter - len("  | ")))
            length = max(1, min(self.place.length, len(text) - start))
            lines.append(f" {self.place.line:>{gutter}} | {text}")
            lines.append(f" {'':>{gutter}} | {' ' * start}{'^' * length}")
        for words, place in self.related:
            where = f"line {place.line}" if place.source == self.place.source else str(place)
            lines.append(f"  {words} ({where})")
        if self.help:
            lines.append(f"  help: {self.help}")
        return "\n".join(lines)

    def in_one_line(self) -> str:
        """The diagnostic for a log."""
        help = f"; {self.help}" if self.help else ""
        return f"{self.place}: {self.message}{help} [{self.code}]"

    def as_github(self) -> str:
        """The diagnostic as a workflow command that GitHub shows beside the line."""
        text = "\n".join([self.message, *([f"help: {self.help}"] if self.help else [])])
        place = f"file={_escaped(self.place.source.name, ',:')},line={self.place.line},col={self.place.column}"
        return f"::{self.severity} {place},title={_escaped(self.code, ',:')}::{_escaped(text)}"

    def as_json(self) -> dict[str, Any]:
        """The diagnostic as `validate --json` prints it."""
        return {
            "severity": self.severity,
            "code": self.code,
            "file": self.place.source.name,
            "line": self.place.line,
            "column": self.place.column,
            "message": self.message,
            "help": self.help,
            "related": [
                {"message": words, "file": place.source.name, "line": place.line, "column": place.column}
                for words, place in self.related
            ],
        }


def _escaped(text: str, signs: str = "") -> str:
    """Text inside a workflow command, where `%`, ends of lines and, in a property, some signs stand for something else."""
    return "".join(f"%{ord(sign):02X}" if sign in f"%\r\n{signs}" else sign for sign in text)


def _excerpt(place: Place, width: int) -> tuple[str, int]:
    """The part of a line that is shown, and where in it the place starts; nothing in it can steer a terminal."""
    line = place.source.lines[place.line - 1]
    text = "".join(character if character.isprintable() else " " for character in line)
    if len(text) <= width:
        return text, place.column - 1
    first = max(0, min(place.column - 1 - width // 2, len(text) - width))
    last = first + width
    cut = f"{'…' if first else ''}{text[first + bool(first) : last - (last < len(text))]}{'…' if last < len(text) else ''}"
    return cut, place.column - 1 - first


class ConfigError(DlcliError):
    """A config has mistakes; all of them are in `diagnostics`."""

    exit_code = 2

    def __init__(self, diagnostics: Iterable[Diagnostic]) -> None:
        self.diagnostics = tuple(diagnostics)
        super().__init__("\n\n".join(diagnostic.render() for diagnostic in self.diagnostics))


@dataclass
class Report:
    """Collects the mistakes of a config, so that all are shown at once."""

    diagnostics: list[Diagnostic] = field(default_factory=list)
    _origins: dict[Place, tuple[str, Place]] = field(default_factory=dict)
    _around: list[tuple[str, Place]] = field(default_factory=list)

    def error(self, code: str, message: str, place: Place, *, help: str | None = None, related: Related = ()) -> None:
        """Records a mistake. One that was recorded already, for example in another use of a block, counts once.

        Raises:
            ConfigError: there are more than MAX_MISTAKES.
        """
        message, help = shown(message), help and shown(help)
        if any((code, message, place) == (known.code, known.message, known.place) for known in self.diagnostics):
            return
        if len(self.diagnostics) >= MAX_MISTAKES:
            words = f"more than {MAX_MISTAKES} mistakes: the rest of the config was not looked at"
            raise ConfigError([*in_order(self.diagnostics), Diagnostic("limit", words, place)])
        self.diagnostics.append(
            Diagnostic(code, message, place, help, (*related, *self._origins_of(place), *reversed(self._around)))
        )

    def _origins_of(self, place: Place) -> Related:
        """Where the value at a place was written, and where the value there was."""
        chain: list[tuple[str, Place]] = []
        while place in self._origins and self._origins[place] not in chain:
            chain.append(self._origins[place])
            place = chain[-1][1]
        return tuple(chain)

    def comes_from(self, place: Place, words: str, origin: Place) -> None:
        """Notes that the value at a place was written at another: a mistake at the place names both."""
        self._origins[place] = (words, origin)

    @contextmanager
    def inside(self, words: str, place: Place) -> Iterator[None]:
        """What is recorded within this context names the place too."""
        self._around.append((words, place))
        try:
            yield
        finally:
            self._around.pop()

    def raise_if_any(self) -> None:
        """Raises ConfigError with what was recorded, in the order of the text."""
        if self.diagnostics:
            raise ConfigError(in_order(self.diagnostics))


def shown(text: str) -> str:
    """A text that quotes a config: no character moves the cursor of a terminal, and it ends somewhere."""
    text = "".join(character if character.isprintable() or character == "\n" else "?" for character in text[: MAX_MESSAGE + 1])
    return text if len(text) <= MAX_MESSAGE else text[: MAX_MESSAGE - 3] + "..."


def in_order(diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
    """The diagnostics in the order of the text."""
    return sorted(diagnostics, key=lambda found: (found.place.source.name, found.place.line, found.place.column))


def did_you_mean(word: str, known: Iterable[str], see: str | None = None) -> str | None:
    """A hint that names the known word nearest to `word`, or lists them where none is near.

    Args:
        word: what was written.
        known: what may stand there.
        see: a command that lists them all, where they are many.
    """
    known = sorted(known)
    near = nearest(word, known)
    if near is not None:
        return f"did you mean `{near}`?"
    return one_of(known, see) if known else None


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that `word` probably stands for: another name of it, or it misspelt."""
    known = sorted(known)
    same = same_meaning(word, known)
    plain = meanings(word)[0]
    if same is not None or len(plain) > MAX_MISSPELT:
        return same
    by_plain_word = {plain_word(name): name for name in known}
    near = difflib.get_close_matches(plain, by_plain_word, n=4, cutoff=0.6)
    with_its_letters = [name for name in near if sorted(name) == sorted(plain)]
    return by_plain_word[(with_its_letters or near)[0]] if near else None


def same_meaning(word: str, known: Iterable[str]) -> str | None:
    """The known word that is `word` in another spelling, or what another library calls `word`."""
    return next(iter(same_meanings(word, known)), None)


def same_meanings(word: str, known: Iterable[str]) -> tuple[str, ...]:
    """The same with all that it may be, the likeliest first: `BatchNormalization` is three layers."""
    by_plain_word = {plain_word(name): name for name in known}
    found = (by_plain_word.get(plain_word(meaning)) for meaning in meanings(word))
    return tuple(dict.fromkeys(name for name in found if name is not None))


def one_of(known: Iterable[str], see: str | None = None) -> str:
    """`known: a, b, c`; of many only the first where the command `see` lists them."""
    names = [f"`{name}`" for name in known]
    if see is None or len(names) <= MAX_LISTED:
        return "known: " + ", ".join(names)
    return f"known: {', '.join(names[:MAX_LISTED])}, ... ({len(names)} in all; `{see}` lists them)"
