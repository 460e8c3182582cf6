"""The report of one run: its sections put together, rendered and written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from dlcli.app.pages.figures import save
from dlcli.app.pages.page import rendered, write
from dlcli.app.report.classes import class_parts
from dlcli.app.report.curves import course
from dlcli.app.report.data import data_section
from dlcli.app.report.gather import Saved, read_saved
from dlcli.app.report.labels import label_names, label_parts
from dlcli.app.report.language import language_parts
from dlcli.app.report.lead import banners, key_facts, lead, title_of
from dlcli.app.report.machine import config_section, environment_section, next_section, timing_section
from dlcli.app.report.mistakes import class_mistakes
from dlcli.app.report.network import network_section
from dlcli.app.report.parts import Note, Part, Section
from dlcli.app.report.values import prefix_of, value_parts
from dlcli.training.run_folder import RunFolder

_SPLITS: Final = {"test": "test", "valid": "validation", "train": "training"}


@dataclass(frozen=True)
class Report:
    """A page that was written.

    Attributes:
        path: of the page.
        figures: the names of its drawings.
        problems: why something is not shown.
    """

    path: Path
    figures: tuple[str, ...]
    problems: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """What `report --json` prints."""
        return {"report": str(self.path), "figures": list(self.figures), "problems": list(self.problems)}


def write_report(folder: RunFolder, output: Path | None = None) -> Report:
    """Makes the report of a run from what it has saved.

    Args:
        folder: the run's.
        output: the page; without it `report.html` in the run's folder, with its figures in `plots` beside it.

    Raises:
        CheckpointError: the run's record can't be read.
        ResourceError: the disk does not take it.
    """
    saved = read_saved(folder.path)
    sections, problems = _sections(saved)
    page = rendered(
        "report.html.j2",
        title=title_of(saved.run),
        banners=[*banners(saved), *problems],
        lead=lead(saved),
        facts=key_facts(saved),
        sections=sections,
    )
    figures = [figure for section in sections for figure in section.figures()]
    if output is None:
        save(figures, folder.path / "plots")
    write(page, output or folder.report)
    names = tuple(figure.name for figure in figures)
    return Report(output or folder.report, names, (*saved.problems, *problems))


def _sections(saved: Saved) -> tuple[list[Section], list[str]]:
    """All sections; one that can't be made of what a run has saved is a problem, and the others are there."""
    outputs = saved.judgement.outputs if saved.judgement is not None else {}
    makers: dict[str, Callable[[Saved], Section]] = {
        "Training": course,
        **{f"Result {name}".strip(): partial(result_section, name=name) for name in outputs},
        "Data": data_section,
        "Network": network_section,
        "Time": timing_section,
        "Environment": environment_section,
        "Config": config_section,
        "How to go on": next_section,
    }
    sections, problems = [], []
    for title, make in makers.items():
        try:
            sections.append(make(saved))
        except Exception as error:
            problems.append(f"The section {title} can't be made: {type(error).__name__}: {error}")
    return sections, problems


def result_section(saved: Saved, name: str) -> Section:
    """What one output of the network did on the samples that were held out."""
    judgement = saved.judgement
    assert judgement is not None
    judged, prefix = judgement.outputs[name], prefix_of(name)
    title = f"Result of {name}" if name else "Result"
    split = f"On the {judgement.samples:,} samples of the {_SPLITS[judgement.split]} split, with the weights of the best epoch."
    parts: list[Part] = [Note(split, "faint")]
    if judged.kind == "classes":
        names = saved.names_of(judged.num_classes)
        if saved.is_language_model:
            parts += language_parts(judged, judgement.written, saved.figures(), names, prefix)
        else:
            parts += class_parts(judged, names, prefix)
            parts += class_mistakes(judged.mistakes, names) if judged.mistakes is not None else []
    elif judged.kind == "labels":
        parts += label_parts(judged, label_names(len(judged.support), saved.class_names), prefix)
    else:
        parts += value_parts(judged, prefix)
    return Section(title, parts)
