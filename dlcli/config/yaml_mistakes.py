"""What a person did where PyYAML's parser stopped: its words are those of a grammar, and these are those of a config."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import yaml

from dlcli.config.diagnostics import Diagnostic, Place, Source
from dlcli.config.tree import MAX_DEPTH

TOO_DEEP: Final = f"nested more than {MAX_DEPTH} levels deep"
_CLOSED_BY: Final = {"[": "]", "{": "}", '"': '"', "'": "'"}
_ENTRY: Final = re.compile(r"( *)((?:- +)*)")
"""The start of a line: how far it is indented, and the dashes of a list."""
_NO_SPACE: Final = re.compile(r" *(?:- +)*(?P<key>[A-Za-z_]\w*)(?P<sign>:(?! |$)| *=) *(?P<value>[^=\s].*)")
_NO_SPACE_AFTER_DASH: Final = re.compile(r" *(?P<sign>-)(?P<value>[A-Za-z_].*)")


def syntax_diagnostic(source: Source, error: yaml.MarkedYAMLError) -> Diagnostic:
    """The parser's error as a mistake of a config."""
    place, opened = _marked(source, error.problem_mark or error.context_mark), _marked(source, error.context_mark)
    text = source.lines[place.line - 1]
    if "\t" in text[: place.column + 1]:
        return Diagnostic("syntax", "a tab can't indent YAML", place, "indent with spaces")
    if text[: place.column].endswith("${"):
        place = replace(place, column=place.column - 1, length=2)
        return Diagnostic("syntax", "`${` inside of braces or brackets", place, 'put quotes around it: "${...}"')
    message = str(error.problem or error.context or "not YAML")
    if "maximum nesting depth" in message:  # some parsers look far ahead, and give up before any level is told of
        return Diagnostic("limit", TOO_DEEP, place)
    opening = source.lines[opened.line - 1][opened.column - 1 : opened.column]
    if opening in _CLOSED_BY and (opened.line < place.line or "end of stream" in message):
        stopped = (("reading stopped here", place),)
        return Diagnostic("syntax", f"the `{opening}` has no `{_CLOSED_BY[opening]}`", opened, "close it", stopped)
    return _of_block(source, place, opened, message) or _in_words_of_yaml(error, message, place)


def _in_words_of_yaml(error: yaml.MarkedYAMLError, message: str, place: Place) -> Diagnostic:
    if "mapping values are not allowed" in message:
        help = "quote a text that contains `: `, and check the indentation"
        return Diagnostic("syntax", "a `:` where none can stand", place, help)
    if "did not find expected" in message and error.context:
        message = f"{message} {error.context}"
    return Diagnostic("syntax", message, place)


_OF_BLOCKS: Final = (
    "mapping values are not allowed",
    "did not find expected key",
    "could not find expected ':'",
    "'-' indicator",
)


def _of_block(source: Source, place: Place, opened: Place, message: str) -> Diagnostic | None:
    """A slip at the start of a line: a space too few after a sign, or a wrong indentation."""
    if not any(words in message for words in _OF_BLOCKS):
        return None
    above = next(_lines_above(source, place.line), place.line)
    for line in dict.fromkeys((above, place.line, opened.line)):
        slip = _missing_space(source, line)
        if slip is not None:
            return slip
    return _wrong_indentation(source, place) or _missing_dash(source, place, message)


def _missing_space(source: Source, line: int) -> Diagnostic | None:
    text = source.lines[line - 1]
    match = _NO_SPACE.match(text)
    if match is not None:
        place = Place(source, line, match.start("sign") + 1, len(match["sign"]))
        message = "no space after the `:`" if match["sign"] == ":" else "a value stands after a `:`, not a `=`"
        return Diagnostic("syntax", message, place, f"write `{match['key']}: {match['value'].rstrip()}`")
    match = _NO_SPACE_AFTER_DASH.match(text)
    if match is not None:
        place = Place(source, line, match.start("sign") + 1)
        return Diagnostic("syntax", "no space after the `-`", place, f"write `- {match['value'].rstrip()}`")
    return None


def _lines_above(source: Source, line: int) -> Iterator[int]:
    """The lines above this one that hold something, from the nearest."""
    for number in range(line - 1, 0, -1):
        if source.lines[number - 1].strip() and not source.lines[number - 1].lstrip().startswith("#"):
            yield number


def _wrong_indentation(source: Source, place: Place) -> Diagnostic | None:
    """A line whose indentation is that of nothing above which it could continue."""
    start = _indentation(source, place.line)
    is_of_list = source.lines[place.line - 1].startswith("-", start)
    levels: dict[int, int] = {}
    least = len(source.text)
    for line in _lines_above(source, place.line):
        for level in _levels(source, line, is_of_list=is_of_list):
            if level < least:
                levels[level] = line
        least = min([least, *levels])
        if least == 0:
            break
    if not levels or start in levels or _opens_a_level(source, place.line, start):
        return None
    nearest = min(levels, key=lambda level: (abs(level - start), -level))
    message = f"this line is indented by {start}, and the entries above by {nearest}"
    return Diagnostic("syntax", message, Place(source, place.line, start + 1), f"line it up with line {levels[nearest]}")


def _opens_a_level(source: Source, line: int, start: int) -> bool:
    """Whether a line is the first below a key without a value, and so may stand as deep as it likes."""
    above = next(_lines_above(source, line), None)
    if above is None or start <= _indentation(source, above):
        return False
    return re.search(r":\s*(#.*)?$", source.lines[above - 1]) is not None


def _indentation(source: Source, line: int) -> int:
    text = source.lines[line - 1]
    return len(text) - len(text.lstrip(" "))


def _levels(source: Source, line: int, *, is_of_list: bool) -> list[int]:
    """The columns at which what stands in a line could go on below: for a `- ` its own, else also that behind it."""
    match = _ENTRY.match(source.lines[line - 1])
    assert match is not None
    return [len(match[1])] if is_of_list or not match[2] else [match.end(), len(match[1])]


def _missing_dash(source: Source, place: Place, message: str) -> Diagnostic | None:
    if "'-' indicator" not in message:
        return None
    text = source.lines[place.line - 1].strip()
    return Diagnostic("syntax", "an entry of a list starts with `- `, and this one does not", place, f"write `- {text}`")


def _marked(source: Source, mark: yaml.Mark | None) -> Place:
    """Where the parser's mark stands; the end of the text where its last line ends."""
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    if line > len(source.lines):
        line, column = len(source.lines), len(source.lines[-1]) + 1
    return Place(source, line, column)
