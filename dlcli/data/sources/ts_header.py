"""The header of a `.ts` file: lines of `@key value` up to `@data`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dlcli.config.tree import shortened
from dlcli.errors import DataError

_KEYS: Final = (
    "problemname",
    "timestamps",
    "missing",
    "univariate",
    "dimension",
    "dimensions",
    "equallength",
    "serieslength",
    "classlabel",
    "targetlabel",
)

_MOST_DIGITS: Final = 12
"""Of a number of steps or dimensions."""

_Said = Mapping[str, tuple[str, list[str]]]
"""Key in lower case -> where it stands, and its words."""


@dataclass(frozen=True)
class TsHeader:
    """What stands before the series.

    Attributes:
        class_names: in the header's order; None where they are not named.
        classes_place: the file and line that name them.
        has_labels: whether it says that each line ends with a class or a value.
        dimensions: how many a series has, where it is said.
        steps: how many a series has, where it is said.
        is_equal_length: whether all series have as many steps, where it is said.
    """

    class_names: tuple[str, ...] | None
    classes_place: str
    has_labels: bool
    dimensions: int | None
    steps: int | None
    is_equal_length: bool | None

    @property
    def promises_equal_length(self) -> bool:
        """Whether all series are said to have as many steps."""
        return self.is_equal_length or (self.is_equal_length is None and self.steps is not None)


def read_header(path: Path, content: Iterator[tuple[int, str]], *, is_new: bool) -> TsHeader:
    """Reads up to `@data`.

    Args:
        path: of the file, for messages.
        content: lines that say something, with their numbers.
        is_new: whether the series are to be predicted, so that nothing need be said of their classes or values.

    Raises:
        DataError: it is damaged, or says of the series what can't be read.
    """
    said: dict[str, tuple[str, list[str]]] = {}
    number = 1
    for number, line in content:
        key, *words = line.split()
        name, place = key[1:].lower(), f"{path}:{number}"
        if not line.startswith("@"):
            raise DataError(f"{place}: `{shortened(line)}` stands before `@data`", help="series stand after a line `@data`")
        if name == "data":
            return _checked(path, said, is_new=is_new)
        if name not in _KEYS:
            help = f"there are: @{', @'.join(_KEYS)}, @data"
            raise DataError(f"{place}: `{shortened(key)}` is no key of a .ts file", help=help)
        if name in said:
            raise DataError(f"{place}: `{key}` is there twice, first in {said[name][0]}", help="remove one of them")
        said[name] = (place, words)
    raise DataError(f"{path}:{number}: the file ends before a line `@data`", help="is it whole, and a .ts file?")


def _checked(path: Path, said: _Said, *, is_new: bool) -> TsHeader:
    if _flag(said, "timestamps"):
        what = f"{said['timestamps'][0]}: the series have time stamps, which can't be read"
        raise DataError(what, help="write the values alone, one for each step, and `@timeStamps false`")
    has_classes, has_values = bool(_flag(said, "classlabel")), bool(_flag(said, "targetlabel"))
    if has_classes == has_values and not (is_new and not has_classes):
        what = f"{path}: neither `@classLabel` nor `@targetLabel` is true" if not has_classes else f"{path}: both are true"
        raise DataError(what, help="write `@classLabel true a b c` for classes, or `@targetLabel true` for values")
    place, words = said["classlabel"] if has_classes else ("", [])
    names = tuple(words[1:]) if has_classes else None
    if names is not None and (len(set(names)) < len(names) or not (names or is_new)):
        found = "names no class" if not names else "names a class twice"
        raise DataError(f"{place}: `@classLabel` {found}", help="write each class once: `@classLabel true a b c`")
    dimensions = _count(said, "dimensions") or _count(said, "dimension") or (1 if _flag(said, "univariate") else None)
    steps, is_equal_length = _count(said, "serieslength"), _flag(said, "equallength")
    return TsHeader(names, place, has_classes or has_values, dimensions, steps, is_equal_length)


def _flag(said: _Said, name: str) -> bool | None:
    if name not in said:
        return None
    place, words = said[name]
    word = words[0].lower() if words else ""
    if word not in ("true", "false"):
        found = f"'{shortened(words[0])}'" if words else "nothing"
        raise DataError(f"{place}: `@{name}` is {found}, expected true or false", help=f"write `@{name} true` or `@{name} false`")
    return word == "true"


def _count(said: _Said, name: str) -> int | None:
    if name not in said:
        return None
    place, words = said[name]
    if len(words) != 1 or not words[0].isdecimal() or len(words[0]) > _MOST_DIGITS or int(words[0]) < 1:
        found = f"'{shortened(' '.join(words))}'" if words else "nothing"
        raise DataError(f"{place}: `@{name}` is {found}, expected a whole number from 1", help="mend it, or remove the line")
    return int(words[0])
