"""YAML text to a tree with places: YAML 1.2's core values, no tags, no aliases, no duplicate keys.

PyYAML's parser gives the events; the tree is built here from them, with a stack instead of recursion, so that no
text can exhaust memory or the interpreter's stack.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

from dlcli.config.diagnostics import Place, Report, Source
from dlcli.config.tree import MAX_DEPTH, Entry, Mapping, Node, Scalar, Sequence, Value
from dlcli.config.yaml_mistakes import TOO_DEEP, syntax_diagnostic

MAX_CHARACTERS: Final = 1_000_000
MAX_NODES: Final = 50_000
MAX_DIGITS: Final = 18

_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_INTEGER: Final = re.compile(r"[-+]?[0-9]+|0x[0-9a-fA-F]+|0o[0-7]+")
_FLOAT: Final = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_INFINITY: Final = re.compile(r"[-+]?\.(inf|Inf|INF)")
_NAN: Final = re.compile(r"\.(nan|NaN|NAN)")


def parse(source: Source, report: Report) -> Node | None:
    """Parses one YAML document.

    Args:
        source: the text and its name.
        report: where mistakes are recorded.

    Returns:
        The tree, or None where the text can't be read at all.
    """
    start = Place(source, 1, 1)
    if len(source.text) > MAX_CHARACTERS:
        report.error("limit", f"the text has {len(source.text):,} characters; at most {MAX_CHARACTERS:,} are read", start)
        return None
    builder = _TreeBuilder(source, report)
    try:
        for event in yaml.parse(source.text, Loader=_LOADER):
            if not builder.take(event):
                return None
    except yaml.MarkedYAMLError as error:
        report.diagnostics.append(syntax_diagnostic(source, error))
        return None
    except yaml.reader.ReaderError as error:
        character = error.character if isinstance(error.character, str) else chr(error.character)
        _report_character(source, source.text.find(character), report)
        return None
    except UnicodeEncodeError as error:
        _report_character(source, error.start, report)
        return None
    if builder.root is None:
        report.error("syntax", "the file is empty", start, help="a config has the keys `data`, `model` and `train`")
    return builder.root


def _report_character(source: Source, position: int, report: Report) -> None:
    before = source.text[:position]
    place = Place(source, before.count("\n") + 1, position - before.rfind("\n"))
    message = f"the character {source.text[position]!a} is not allowed in YAML"
    report.error("syntax", message, place, help="a config is a text in UTF-8")


@dataclass
class _Open:
    """A list or mapping whose end has not come yet."""

    place: Place
    is_mapping: bool
    items: list[Node] = field(default_factory=list)
    entries: dict[str, Entry] = field(default_factory=dict)
    key: tuple[str, Place] | None = None


class _TreeBuilder:
    """Builds the tree from the parser's events."""

    def __init__(self, source: Source, report: Report) -> None:
        self.root: Node | None = None
        self._source = source
        self._report = report
        self._stack: list[_Open] = []
        self._nodes = 0
        self._documents = 0

    def take(self, event: Any) -> bool:
        """Takes one event; False where reading on makes no sense."""
        if isinstance(event, yaml.DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                return self._stop("syntax", "a second document starts here, and a config is one", self._place(event))
        elif isinstance(event, yaml.AliasEvent):
            return self._stop(
                "alias",
                f"aliases (`*{event.anchor}`) are not read",
                self._place(event),
                "put the value in `vars:` and write `${vars.NAME}`",
            )
        elif isinstance(event, yaml.ScalarEvent):
            return self._tagless(event) and self._scalar(event)
        elif isinstance(event, yaml.SequenceStartEvent | yaml.MappingStartEvent):
            return self._tagless(event) and self._open(event)
        elif isinstance(event, yaml.SequenceEndEvent | yaml.MappingEndEvent):
            closed = self._stack.pop()
            node: Node = (
                Mapping(closed.entries, closed.place) if closed.is_mapping else Sequence(tuple(closed.items), closed.place)
            )
            self._add(node)
        return True

    def _stop(self, code: str, message: str, place: Place, help: str | None = None) -> bool:
        self._report.error(code, message, place, help=help)
        return False

    def _place(self, event: Any, length: int = 1) -> Place:
        return Place(self._source, event.start_mark.line + 1, event.start_mark.column + 1, length)

    def _tagless(self, event: Any) -> bool:
        self._nodes += 1
        if self._nodes > MAX_NODES:
            return self._stop("limit", f"more than {MAX_NODES:,} values", self._place(event))
        if event.tag not in (None, "!"):
            return self._stop("tag", f"the tag `{event.tag}` is not read: a config is data", self._place(event))
        return True

    def _open(self, event: Any) -> bool:
        place = self._place(event)
        if len(self._stack) >= MAX_DEPTH:
            return self._stop("limit", TOO_DEEP, place)
        if self._stack and self._stack[-1].is_mapping and self._stack[-1].key is None:
            return self._stop("syntax", "a list or mapping can't be a key", place, "quote a text that starts with `[` or `{`")
        self._stack.append(_Open(place, isinstance(event, yaml.MappingStartEvent)))
        return True

    def _scalar(self, event: Any) -> bool:
        same_line = event.start_mark.line == event.end_mark.line
        length = event.end_mark.column - event.start_mark.column if same_line else 1
        place = self._place(event, max(1, length))
        if self._stack and self._stack[-1].is_mapping and self._stack[-1].key is None:
            self._key(str(event.value), place)
            return True
        is_plain = event.style in (None, "")
        value = resolve(event.value) if is_plain else event.value
        if is_plain and _INTEGER.fullmatch(event.value) and isinstance(value, str):
            return self._stop("limit", f"a whole number of {len(value)} characters; at most {MAX_DIGITS} digits are read", place)
        self._add(Scalar(value, place))
        return True

    def _key(self, key: str, place: Place) -> None:
        mapping = self._stack[-1]
        if key == "<<":
            self._report.error("merge", "merge keys (`<<`) are not read", place, help="use `extends: other.yaml`")
        elif key in mapping.entries:
            first = mapping.entries[key].key_place
            self._report.error(
                "duplicate-key",
                f"the key `{key}` is given twice",
                place,
                help="remove one of them",
                related=(("the first one is here", first),),
            )
        mapping.key = (key, place)

    def _add(self, node: Node) -> None:
        if not self._stack:
            self.root = node
            return
        parent = self._stack[-1]
        if parent.is_mapping:
            assert parent.key is not None
            key, key_place = parent.key
            if key != "<<":
                parent.entries.setdefault(key, Entry(key_place, node))
            parent.key = None
        else:
            parent.items.append(node)


def resolve(text: str) -> Value:
    """What a text without quotes means in YAML 1.2's core schema: `1e-3` is a number, `no` is a text."""
    if text in ("", "~", "null", "Null", "NULL"):
        return None
    if text in ("true", "True", "TRUE"):
        return True
    if text in ("false", "False", "FALSE"):
        return False
    if _INTEGER.fullmatch(text):
        if len(text.lstrip("+-")) > MAX_DIGITS:
            return text
        return int(text, 0) if text[:2] in ("0x", "0o") else int(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    if _INFINITY.fullmatch(text):
        return float(text.replace(".", ""))
    if _NAN.fullmatch(text):
        return float("nan")
    return text
