"""Texts as tokens: which number a character, a word or a byte has."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dlcli.config.data import TextDataSpec, Unit

Steps = str | bytes | list[str]
"""A text taken apart: its characters, its bytes or its words. The length is the number of steps, a slice a part of the text."""
Tokens = NDArray[np.int64]

UNKNOWN: Final = 0
"""The token of what the vocabulary has not. Of bytes there is none: all are known."""
_BYTES: Final = 256
_UNKNOWN_AS_TEXT: Final = {"characters": "\N{REPLACEMENT CHARACTER}", "words": "<unknown>"}
_MARKS: Final = r".,;:!?…\"“”„«»‹›()\[\]{}¿¡。，、！？；：「」（）।،؛؟"  # noqa: RUF001  # meant as they are
_WORDS: Final = re.compile(rf"[^\s{_MARKS}]+|[{_MARKS}]")
"""Not `\\w`, which has no place for the vowel signs of Indic scripts, hyphens and apostrophes."""


def steps_of(text: str, unit: Unit) -> Steps:
    """A text taken apart."""
    if unit == "characters":
        return text
    return text.encode(errors="surrogatepass") if unit == "bytes" else _WORDS.findall(text)


def joined(parts: Sequence[Steps], unit: Unit) -> Steps:
    """Texts one after the other."""
    if unit == "characters":
        return "".join(part for part in parts if isinstance(part, str))
    if unit == "bytes":
        return b"".join(part for part in parts if isinstance(part, bytes))
    return [word for part in parts if isinstance(part, list) for word in part]


@dataclass(frozen=True)
class Vocabulary:
    """Which token each unit of a text is.

    Attributes:
        unit: what a step is.
        entries: the characters or words of the tokens 1, 2, ...; of bytes none.
    """

    unit: Unit
    entries: tuple[str, ...]

    @classmethod
    def of(cls, spec: TextDataSpec) -> Vocabulary:
        """That of a settled spec: whose `vocabulary` was read or given."""
        return cls(spec.unit, spec.vocabulary or ())

    @classmethod
    def learned(cls, steps: Steps, unit: Unit, most: int) -> Vocabulary:
        """That of a text: the most frequent come first, of equally frequent ones the smaller.

        Args:
            steps: the text.
            unit: what a step is.
            most: how many entries there may be.
        """
        if isinstance(steps, bytes):
            return cls(unit, ())
        if isinstance(steps, str):
            counts = np.bincount(_code_points(steps))
            present = np.flatnonzero(counts)
            order = np.argsort(-counts[present], kind="stable")[:most]
            return cls(unit, tuple(chr(code) for code in present[order].tolist()))
        ordered = sorted(Counter(steps).items(), key=lambda entry: (-entry[1], entry[0]))
        return cls(unit, tuple(word for word, _ in ordered[:most]))

    @property
    def num_tokens(self) -> int:
        """How many tokens there are, the unknown one included."""
        return _BYTES if self.unit == "bytes" else len(self.entries) + 1

    def tokens(self, steps: Steps) -> Tokens:
        """The token (T,) of each step."""
        if isinstance(steps, bytes):
            return np.frombuffer(steps, dtype=np.uint8).astype(np.int64)
        if isinstance(steps, str):
            codes = _code_points(steps)
            return self._token_of_code[np.minimum(codes, len(self._token_of_code) - 1)]
        numbers = self._token_of_word
        return np.fromiter((numbers.get(word, UNKNOWN) for word in steps), dtype=np.int64, count=len(steps))

    def encode(self, text: str) -> Tokens:
        """The tokens (T,) of a text."""
        return self.tokens(steps_of(text, self.unit))

    def decode(self, tokens: Iterable[int]) -> str:
        """The text of tokens. Words stand between spaces; bytes that are no UTF-8, and what is unknown, are shown as such."""
        if self.unit == "bytes":
            return bytes(int(token) for token in tokens).decode(errors="replace")
        shown = (_UNKNOWN_AS_TEXT[self.unit], *self.entries)
        return ("" if self.unit == "characters" else " ").join(shown[int(token)] for token in tokens)

    @cached_property
    def _token_of_word(self) -> dict[str, int]:
        return {word: token for token, word in enumerate(self.entries, UNKNOWN + 1)}

    @cached_property
    def _token_of_code(self) -> Tokens:
        """By code point; the last entry is for all that are larger."""
        codes = _code_points("".join(self.entries))
        table = np.full(int(codes.max(initial=0)) + 2, UNKNOWN, dtype=np.int64)
        table[codes] = np.arange(UNKNOWN + 1, UNKNOWN + 1 + len(codes))
        return table


def _code_points(text: str) -> NDArray[np.uint32]:
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")
