"""Files of short texts with their labels: tables, JSON lines, lines with a tab, and folders with one file for each class."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from dlcli.config.diagnostics import did_you_mean
from dlcli.config.tree import shortened
from dlcli.data.sources.labels import Written
from dlcli.data.sources.table import read_header, read_table
from dlcli.data.sources.text_file import TextFile
from dlcli.errors import DataError

FORMATS: Final = "a .csv, .tsv, .jsonl or .txt file, or a folder with a .txt file for each class"
_TABLES: Final = (".csv", ".tsv")
_JSON_LINES: Final = (".jsonl", ".ndjson")
_LARGEST: Final = 10**9
"""Bytes of a file: its texts are all in memory at once."""
_LINE: Final = "write a text, a tab and its label in each line"


@dataclass(frozen=True)
class Columns:
    """What the columns of a table, or the keys of JSON lines, are called.

    Attributes:
        text: None where the config does not say it.
        label: None where the config does not say it.
    """

    text: str | None
    label: str | None


@dataclass(frozen=True)
class Rows:
    """The samples of a file or a folder, at least one.

    Attributes:
        places: FILE:LINE of each.
        texts: of each; a tuple where the words are given one by one; none is empty.
        labels: of each; None where they were not asked for.
        are_cells: whether labels that are numbers are written as texts.
        others: files of a folder that were not read.
    """

    places: tuple[str, ...]
    texts: tuple[str | tuple[str, ...], ...]
    labels: tuple[Written, ...] | None
    are_cells: bool
    others: tuple[Path, ...] = ()


def read_rows(path: Path, columns: Columns, *, with_labels: bool) -> Rows:
    """Reads texts.

    Args:
        path: a file or a folder.
        columns: where there are any.
        with_labels: whether labels are wanted; they may be there or not if they are not.

    Raises:
        DataError: the file can't be read, is none of those that are read, or a text or a label is missing.
    """
    if path.is_dir():
        _check_no_columns(path, columns)
        return _folder(path, with_labels=with_labels)
    file = TextFile.at(path)
    if file.size > _LARGEST:
        what = f"{path} has {file.size / 1e9:.1f} GB, and files of texts of at most {_LARGEST / 1e9:.0f} GB are read"
        raise DataError(what, help="keep fewer texts")
    suffix = path.suffix.lower()
    if suffix in _TABLES:
        return _table(file, columns, with_labels)
    if suffix in _JSON_LINES:
        return _json_lines(file, columns, with_labels)
    if suffix == ".txt":
        _check_no_columns(path, columns)
        return _lines(file, with_labels)
    raise DataError(f"{path} ends in '{path.suffix}', and texts are read from {FORMATS}", help="save the texts as one of these")


def _check_no_columns(path: Path, columns: Columns) -> None:
    for field, name in (("text", columns.text), ("label", columns.label)):
        if name is not None:
            what = f"{path} has no columns, and data.{field} names one, `{name}`"
            raise DataError(what, help=f"leave data.{field} out, or give {FORMATS}")


@lru_cache(maxsize=2)
def _table(file: TextFile, columns: Columns, with_labels: bool) -> Rows:
    names = read_header(file)
    text = _column(file.path, names, "text", columns.text)
    label = _column(file.path, names, "label", columns.label) if with_labels else None
    if text == label:
        raise DataError(f"{file.path}: data.text and data.label are both `{text}`", help="name two different columns")
    table = read_table(file, (), (text, label) if label is not None else (text,))
    texts = table.columns[text].texts
    labels = table.columns[label].texts if label is not None else None
    assert texts is not None
    places = tuple(table.place(row) for row in range(len(texts)))
    for place, written in zip(places, texts, strict=True):
        _check_filled(written, place, f"column `{text}`")
    for place, written in zip(places, labels or (), strict=False):
        _check_filled(written, place, f"column `{label}`")
    return Rows(places, texts, labels, are_cells=True)


def _column(path: Path, names: tuple[str, ...], field: str, wanted: str | None) -> str:
    name = wanted or field
    if name not in names:
        said = f", which data.{field} names" if wanted else f" for the {field}s"
        listed = ", ".join(names[:20]) + (", ..." if len(names) > 20 else "")
        help = did_you_mean(name, names) if wanted else None
        raise DataError(
            f"{path}:1: there is no column `{name}`{said}; its columns: {listed}",
            help=help or f"name the column of the {field}s with data.{field}",
        )
    return name


def _check_filled(written: str, place: str, what: str = "the text") -> None:
    if not written.strip():
        raise DataError(f"{place}: {what} is empty", help="fill it in or remove the row")


@lru_cache(maxsize=2)
def _json_lines(file: TextFile, columns: Columns, with_labels: bool) -> Rows:
    text_key, label_key = columns.text or "text", columns.label or "label"
    places, texts, labels = [], [], []
    for place, line in _filled_lines(file):
        entry = _json_object(line, place)
        for field, key in (("text", text_key), *((("label", label_key),) if with_labels else ())):
            if key not in entry:
                help = did_you_mean(key, entry) or f"name the key of the {field}s with data.{field}"
                raise DataError(f"{place}: there is no key `{key}`; its keys: {', '.join(list(entry)[:20])}", help=help)
        places.append(place)
        texts.append(_json_text(entry[text_key], place))
        if with_labels:
            labels.append(_json_label(entry[label_key], place))
    _check_any(places, file.path, 'write an object in each line: {"text": "...", "label": "..."}')
    return Rows(tuple(places), tuple(texts), tuple(labels) if with_labels else None, are_cells=False)


def _json_object(line: str, place: str) -> dict[str, Any]:
    try:
        entry = json.loads(line)
    except json.JSONDecodeError as error:
        what = f"{place}:{error.colno}: this line is no JSON: {error.msg}"
        raise DataError(what, help='write an object in each line: {"text": "...", "label": "..."}') from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{place}: this line can't be read as JSON: {error}", help="mend or remove the line") from error
    if not isinstance(entry, dict):
        what = f"{place}: this line is {_json_kind(entry)}, expected an object"
        raise DataError(what, help='write an object in each line: {"text": "...", "label": "..."}')
    return entry


def _json_text(written: object, place: str) -> str | tuple[str, ...]:
    if isinstance(written, str):
        _check_filled(written, place)
        _check_whole_characters(written, place)
        return written
    if not isinstance(written, list):
        raise DataError(
            f"{place}: the text is {_json_kind(written)}, expected a text", help="put it in quotes, or give its words"
        )
    if not written:
        raise DataError(f"{place}: the text is empty", help="fill it in or remove the row")
    for word in written:
        if not isinstance(word, str) or word.split() != [word] or "${" in word:
            found = f"'{shortened(word)}'" if isinstance(word, str) else _json_kind(word)
            what = f"{place}: a word of the text is {found}, expected a text without spaces and without '${{'"
            raise DataError(what, help="give each word by itself, or the text as one")
        _check_whole_characters(word, place)
    return tuple(written)


def _check_whole_characters(text: str, place: str) -> None:
    """Refuses halves of surrogate pairs, which JSON can escape and no file can hold."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        what = f"{place}: the text holds {text[error.start]!a}, which is half a character"
        raise DataError(what, help="write both halves of the pair, or save the file as text in UTF-8") from error


def _json_label(written: object, place: str) -> Written:
    if isinstance(written, list):
        return tuple(_json_tag(tag, place) for tag in written)
    if isinstance(written, bool):
        return str(written).lower()
    if isinstance(written, str):
        _check_filled(written, place, "the label")
        return written
    if isinstance(written, int | float):
        return written
    raise DataError(f"{place}: the label is {_json_kind(written)}, expected a text, a number or a list of tags", help=_FILL)


_FILL: Final = "fill it in or remove the row"


def _json_tag(tag: object, place: str) -> str | int:
    if isinstance(tag, str | int) and not isinstance(tag, bool):
        return tag
    found = f"the number {tag}" if isinstance(tag, float) else _json_kind(tag)
    raise DataError(f"{place}: a tag is {found}, expected a text or a whole number", help="tags are classes, one for each step")


def _json_kind(value: object) -> str:
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    names: dict[type, str] = {dict: "an object", list: "a list", str: "a text"}
    return names.get(type(value), "a number")


@lru_cache(maxsize=2)
def _lines(file: TextFile, with_labels: bool) -> Rows:
    places, texts, labels = [], [], []
    for place, line in _filled_lines(file):
        text, *rest = (part.strip() for part in line.split("\t"))
        if len(rest) > 1 or (with_labels and not rest):
            found = f"{len(rest)} tabs" if rest else "no tab"
            raise DataError(f"{place}: this line has {found}, expected {'one' if with_labels else 'at most one'}", help=_LINE)
        _check_filled(text, place)
        places.append(place)
        texts.append(text)
        if with_labels:
            _check_filled(rest[0], place, "the label")
            labels.append(rest[0])
    _check_any(places, file.path, _LINE if with_labels else "write a text in each line")
    return Rows(tuple(places), tuple(texts), tuple(labels) if with_labels else None, are_cells=True)


def _folder(folder: Path, *, with_labels: bool) -> Rows:
    try:
        children = sorted(child for child in folder.iterdir() if not child.name.startswith("."))
    except OSError as error:
        raise DataError(f"{folder} can't be read: {error.strerror or error}", help="check the folder's permissions") from error
    files = [child for child in children if child.suffix.lower() == ".txt" and child.is_file()]
    if not files:
        what = f"{folder} holds no .txt file"
        raise DataError(what, help=f"write the texts of each class into a file of its own: {folder / 'good.txt'}")
    parts = [_class_file(TextFile.at(file)) for file in files]
    labels = tuple(file.stem for file, part in zip(files, parts, strict=True) for _ in part)
    rows = [row for part in parts for row in part]
    others = tuple(child for child in children if child not in files)
    places, texts = (tuple(column) for column in zip(*rows, strict=True))
    return Rows(places, texts, labels if with_labels else None, are_cells=False, others=others)


@lru_cache(maxsize=64)
def _class_file(file: TextFile) -> tuple[tuple[str, str], ...]:
    """Place and text of each line."""
    rows = tuple((place, line.strip()) for place, line in _filled_lines(file))
    _check_any(rows, file.path, "write a text of the class in each line, or remove the file")
    return rows


def _filled_lines(file: TextFile) -> Iterator[tuple[str, str]]:
    """Place and content of the lines that hold more than spaces."""
    with file.opened() as text:
        for number, line in enumerate(text, 1):
            if line.strip():
                yield f"{file.path}:{number}", line.rstrip("\r\n")


def _check_any(rows: object, path: Path, help: str) -> None:
    if not rows:
        raise DataError(f"{path} holds no text", help=help)
