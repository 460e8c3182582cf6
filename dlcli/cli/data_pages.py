"""Data as lines of text: the sources there are, and what one is like."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Final

from dlcli.app.datasets.description import Description, InputDescription, TargetDescription, ValueRange
from dlcli.app.datasets.sources import Kind, SourceEntry
from dlcli.cli.console import table
from dlcli.cli.foreign_text import figure, one_line
from dlcli.runtime.durable_files import size_text

_TITLES: Final[Mapping[Kind, str]] = {
    "public": "public data sets",
    "inside the package": "inside the package",
    "own files": "your own files",
    "made up": "made up, to try networks on",
}
_LABEL: Final = 11
_MOST_CLASSES: Final = 30
"""Classes that are shown: of more, the largest."""
_MOST_CHANNELS: Final = 5
_WIDEST_BAR: Final = 40


def source_lines(sources: Sequence[SourceEntry], width: int) -> list[str]:
    """The sources by where their samples come from, in so many columns."""
    names = max(len(source.name) for source in sources) + 4
    lines: list[str] = []
    for kind, title in _TITLES.items():
        lines += ["", title]
        for source in sources:
            if source.kind == kind:
                lines += _hanging(source.what, f"  {one_line(source.name)}".ljust(names), names, width)
                lines += [line for text in _whereabouts(source) for line in _hanging(text, " " * names, names, width)]
    return lines[1:]


def _hanging(text: str, first: str, indent: int, width: int) -> list[str]:
    """A text behind its first words, wrapped at spaces."""
    room = max(width, indent + 30)
    wrapper = textwrap.TextWrapper(room, first, " " * indent, break_long_words=False, break_on_hyphens=False)
    return wrapper.wrap(one_line(text, 400))


def _whereabouts(source: SourceEntry) -> Iterator[str]:
    """Where a public data set is, or how it is to be had."""
    if source.place is not None and source.size is not None:
        yield f"here: {source.place}, {size_text(source.size)}"
    elif source.download is not None:
        yield f"not here: `dlcli data fetch {source.name}` downloads {size_text(source.download)}"


def description_lines(found: Description, width: int) -> list[str]:
    """What data is like, in so many columns."""
    shares = ", ".join(f"{count:,} {split}" for split, count in found.samples.items() if count)
    rows = [
        ("data", _name(found)),
        ("origin", [one_line(found.origin, 255)]),
        ("licence", [found.licence] if found.licence is not None else []),
        ("samples", [f"{shares}; {size_text(round(found.megabytes * 1e6))} in memory"]),
        *(
            (one_line(f"input {name}" if len(found.inputs) > 1 else "input", 30), _input(each))
            for name, each in found.inputs.items()
        ),
        ("steps", _length_lines(found, width - _LABEL)),
    ]
    for name, target in found.targets.items():
        title = one_line(f"target {name}" if len(found.targets) > 1 else "target", 30)
        rows.append((title, _target(target, found.classes, width - _LABEL)))
    return [line for label, lines in rows for line in _labelled(label, lines)]


def _name(found: Description) -> list[str]:
    """What is described; of a fallback, that it is one."""
    if found.notice is None:
        return [one_line(found.used)]
    return [f"{stand_in(found.used, found.asked)};", "your data is not described"]


def stand_in(used: str, asked: str) -> str:
    """How a fallback is named."""
    return f"`{one_line(used)}`, which stands in for `{one_line(asked)}`"


def _labelled(label: str, lines: Sequence[str]) -> Iterator[str]:
    """Lines behind a label; one that is too wide for its column stands above them."""
    if len(label) >= _LABEL and lines:
        yield label
        label = ""
    for number, line in enumerate(lines):
        yield f"{label if not number else '':<{_LABEL}}{line}".rstrip()


def _input(found: InputDescription) -> list[str]:
    several = len(found.shapes) > 1
    shapes = [f"{one_line(name)}: {shape}" if several else shape for name, shape in found.shapes.items()]
    ends = (found.values.smallest, found.values.largest)
    is_whole = "int" in found.dtype
    shown = [f"{end:,.0f}" if is_whole else figure(end) for end in ends]
    what = "tokens" if found.dtype == "int64" else f"{found.dtype} values"
    return [*shapes, f"{what} from {' to '.join(shown)}", *_moments(found.values, "normalised")]


def _moments(values: ValueRange, how: str) -> list[str]:
    if values.mean is None or values.std is None:
        return [f"not {how}"]
    return [f"{how}: mean {_listed(values.mean)}", f"{'':<{len(how)}}  std  {_listed(values.std)}"]


def _listed(numbers: Sequence[float]) -> str:
    shown = ", ".join(figure(number) for number in numbers[:_MOST_CHANNELS])
    return f"{shown} and {len(numbers) - _MOST_CHANNELS} more" if len(numbers) > _MOST_CHANNELS else shown


def _target(found: TargetDescription, classes: Sequence[str] | None, width: int) -> list[str]:
    each = ", an answer for each step" if found.per_step else ""
    if found.counts is None:
        assert found.values is not None
        count = f"{found.values.channels:,} value{'' if found.values.channels == 1 else 's'}"
        ends = f"from {figure(found.values.smallest)} to {figure(found.values.largest)}"
        return [f"{count} to predict{each}, {ends}", *_moments(found.values, "scaled")]
    num_classes = len(found.counts["train"])
    return [f"{num_classes:,} classes{each}", *_class_lines(found.counts, classes or (), width)]


def _class_lines(counts: Mapping[str, Sequence[int]], names: Sequence[str], width: int) -> list[str]:
    """A bar for each class, as long as its share of the training samples, and its counts in each split."""
    train = counts["train"]
    shown = list(range(len(train)))
    if len(train) > _MOST_CLASSES:
        shown = sorted(shown, key=lambda number: -train[number])[:_MOST_CLASSES]
    rows = [["class", *counts, "of train"]]
    for number in shown:
        name = one_line(names[number], 24) if number < len(names) else str(number)
        of_splits = [f"{of_split[number]:,}" for of_split in counts.values()]
        rows.append([name, *of_splits, f"{train[number] / max(sum(train), 1):.1%}"])
    lines = table(rows, right=range(1, len(rows[0]))).splitlines()
    room = min(max(width - max(map(len, lines)) - 2, 0), _WIDEST_BAR)
    bars = ["", *("█" * round(room * train[number] / max(*train, 1)) for number in shown)]
    widest = max(map(len, lines))
    left = [f"and {len(train) - len(shown):,} classes more"] if len(shown) < len(train) else []
    return [*(f"{line:<{widest}}  {bar}".rstrip() for line, bar in zip(lines, bars, strict=True)), *left]


def _length_lines(found: Description, width: int) -> list[str]:
    """How long sequences are: one line where all are as long, else a histogram of the training samples."""
    if not found.lengths:
        return []
    train = found.lengths["train"]
    if all(each.shortest == each.longest == train.longest for each in found.lengths.values()):
        return [f"{train.longest:,} each"]
    lines = [
        f"{name}: {each.shortest:,} to {each.longest:,}, median {each.median:g}, mean {each.mean:.1f}"
        for name, each in found.lengths.items()
    ]
    labels = [f"{first:,} to {last - 1:,}" for first, last in pairwise(train.edges)]
    rows = table([[label, f"{count:,}"] for label, count in zip(labels, train.histogram, strict=True)], right=(0, 1)).splitlines()
    room = min(max(width - max(map(len, rows)) - 2, 0), _WIDEST_BAR)
    bars = ("█" * round(room * count / max(train.histogram)) for count in train.histogram)
    return [*lines, *(f"{row}  {bar}".rstrip() for row, bar in zip(rows, bars, strict=True))]
