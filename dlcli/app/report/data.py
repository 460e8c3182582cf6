"""The data of a run: how much there is of what, and some examples."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from dlcli.app.kept_runs.record import text_at, whole_at
from dlcli.app.pages.figures import INK, SERIES, Figure, Rows, drawn, label
from dlcli.app.report.curves import SIZE
from dlcli.app.report.gather import Saved
from dlcli.app.report.parts import Facts, Figures, Note, Part, Section, Table
from dlcli.app.report.shown_samples import sample_parts
from dlcli.app.report.values import prefix_of
from dlcli.config.words import counted

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

    from dlcli.training.outcomes.outcome import ClassCounts, DataDigest, StepCounts, ValueRanges

_MADE_UP: Final = "made up"
_MOST_BARS: Final = 40
_MOST_ROWS: Final = 30
_MOST_TOLD: Final = 3


def data_section(saved: Saved) -> Section:
    """What the network learnt from, and was judged on."""
    section, record = Section("Data"), saved.run.record
    counts = [(name, whole_at(record, "data", "samples", name)) for name in ("train", "valid", "test")]
    section.parts.append(Facts([("source", label(saved.data_name, 60)), *((name, count) for name, count in counts if count)]))
    origin, inputs = text_at(record, "data", "origin"), saved.experiment.facts.inputs if saved.experiment else {}
    told = ["The samples are made up." if origin == _MADE_UP else f"Read from {label(origin, 200)}."] if origin else []
    told += [f"{'A sample' if len(inputs) == 1 else f'The input {name}'} is {shape}." for name, shape in inputs.items()]
    section.parts.append(Note(" ".join(told), "faint"))
    if saved.outcome is None:
        section.parts.append(Note("The run has kept no examples of its data.", "faint"))
        return section
    digest = saved.outcome.data
    figures, parts = _answers(digest, saved)
    if digest.steps is not None:
        figures.append(steps_figure(digest.steps))
    section.parts += [*parts, Figures(figures)]
    section.parts += _examples(digest, saved)
    return section


def _answers(digest: DataDigest, saved: Saved) -> tuple[list[Figure], list[Part]]:
    """What is to be told: figures, and what stands above them."""
    figures: list[Figure] = []
    parts: list[Part] = []
    for name, answers in digest.answers.items():
        if answers.kind == "values":
            parts.append(_ranges(answers, name))
            continue
        classes = len(next(iter(answers.splits.values())))
        names = saved.names_of(classes)
        if saved.is_language_model:
            continue
        if 1 < classes <= _MOST_BARS:
            figures.append(balance_figure(answers, names, name))
        elif classes > 1:
            parts.append(Note(_rarest(answers, names)))
    return figures, parts


def balance_figure(answers: ClassCounts, names: Sequence[str], target: str) -> Figure:
    """The share that each class has of each split."""
    splits = {split: counts / max(int(counts.sum()), 1) for split, counts in answers.splits.items()}
    classes, width = len(names), 0.8 / len(splits)

    def paint(canvas: Canvas) -> None:
        axes = canvas.subplots()
        places = np.arange(classes)
        for number, (split, shares) in enumerate(splits.items()):
            axes.bar(places + (number + 0.5) * width - 0.4, 100 * shares, width, color=SERIES[number], label=label(split))
        ticks = [label(name, 12) for name in names]
        turned = 90 if sum(map(len, ticks)) > 40 else 0
        axes.set_xticks(places, ticks, rotation=turned, fontsize=8 if classes <= 25 else 6, color=INK)
        axes.grid(visible=False, axis="x")
        axes.set_ylabel("% of the split")
        if len(splits) > 1:
            axes.legend(fontsize=8, ncols=len(splits), loc="lower left", bbox_to_anchor=(0, 1))

    rows: Rows = [["class", *answers.splits], *_rows(names, answers)]
    of = f" of {label(target, 40)}" if target else ""
    reading = "How often each class occurs. A class that is rare in training is told badly, whatever the accuracy says."
    return drawn(
        f"{prefix_of(target)}balance", f"Class balance{of}", reading, rows, paint, size=(6.4 if classes > 12 else 4.6, 2.8)
    )


def _rows(names: Sequence[str], answers: ClassCounts) -> Rows:
    return [[name, *(int(counts[place]) for counts in answers.splits.values())] for place, name in enumerate(names)]


def _rarest(answers: ClassCounts, names: Sequence[str]) -> str:
    split, counts = next(iter(answers.splits.items()))
    least, most = int(counts.argmin()), int(counts.argmax())
    return (
        f"Of {len(names):,} classes the most frequent in {label(split)} is {label(names[most])!r} ({int(counts[most]):,} times), "
        f"the rarest {label(names[least])!r} ({int(counts[least]):,} times)."
    )


def _ranges(answers: ValueRanges, name: str) -> Table:
    head = ["value", "mean", "standard deviation", "least", "largest"]
    columns = (answers.mean, answers.std, answers.least, answers.largest)
    rows: Rows = [
        [label(column, 40), *(float(numbers[place]) for numbers in columns)] for place, column in enumerate(answers.columns[:500])
    ]
    of = f" of {label(name, 40)}" if name else ""
    return Table([head, *rows], f"What is to be predicted{of}, in the training split", is_long=len(rows) > _MOST_ROWS)


def steps_figure(steps: StepCounts) -> Figure:
    """How long the sequences are."""

    def paint(canvas: Canvas) -> None:
        axes = canvas.subplots()
        axes.bar(steps.edges[:-1], steps.counts, np.diff(steps.edges), align="edge", color=SERIES[0])
        axes.set_xlabel("steps")
        axes.set_ylabel("sequences")

    pairs = zip(steps.edges[:-1], steps.edges[1:], steps.counts, strict=True)
    rows: Rows = [[int(low), int(high) - 1, int(count)] for low, high, count in pairs]
    reading = "Sequences of the training split by their number of steps."
    return drawn("lengths", "Lengths", reading, [["from", "to", "sequences"], *rows], paint, size=SIZE)


def _examples(digest: DataDigest, saved: Saved) -> list[Part]:
    """Some samples with what is to be told of them."""
    count = len(digest.examples)
    if saved.is_language_model:
        return sample_parts(digest.examples, [""] * count, [""] * count, "Examples")
    titles = []
    for row in range(count):
        told = []
        for name, example in digest.told.items():
            answers = example.answers[row]
            if example.kind == "classes":
                counts = digest.answers.get(name)
                classes = len(next(iter(counts.splits.values()))) if counts is not None and counts.kind == "classes" else 0
                text = _classes(answers, saved.names_of(classes))
            else:
                text = _values(answers, digest.answers.get(name))
            told.append(f"{label(name)}: {text}" if name else text)
        titles.append("; ".join(told))
    return sample_parts(digest.examples, titles, [""] * count, "Examples", "Of the training split, as they were read.")


def _classes(answers: NDArray[Any], names: Sequence[str]) -> str:
    there = [int(answer) for answer in answers if np.isfinite(answer)]
    told = [label(names[place]) if 0 <= place < len(names) else str(place) for place in there[:12]]
    return " ".join(told) + (" ..." if len(there) > len(told) else "")


def _values(answers: NDArray[Any], ranges: ClassCounts | ValueRanges | None) -> str:
    told = [f"{float(answer):.4g}" for answer in answers[:_MOST_TOLD]]
    if ranges is not None and ranges.kind == "values" and 1 < len(ranges.columns) == len(told):
        told = [f"{label(column)} {text}" for column, text in zip(ranges.columns, told, strict=True)]
    return ", ".join(told) + (", ..." if len(answers) > len(told) else "")


def notices(saved: Saved) -> list[str]:
    """What a person should know of the data: that it is a fallback, and what its source remarked."""
    record = saved.run.record
    asked, used, notice = text_at(record, "data", "asked"), text_at(record, "data", "used"), text_at(record, "data", "notice")
    if notice is not None:
        return [label(notice, 200)]
    if asked is not None and used is not None and asked != used:
        return [f"The run was trained on {label(used)} in place of {label(asked)}."]
    return []


def samples_told(saved: Saved) -> str:
    """`54,000 samples of mnist`, or of the file that they were read from."""
    count, origin = whole_at(saved.run.record, "data", "samples", "train"), text_at(saved.run.record, "data", "origin")
    name = saved.data_name
    if origin is not None and saved.experiment is not None and "path" in type(saved.experiment.data).model_fields:
        name = PurePath(origin).name or name
    return f"{counted(count, 'sample')} of {label(name, 60)}" if count else label(name, 60)
