"""`dlcli explain`: a run's network, some samples, and a page about both."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from torch import Tensor

from dlcli.app.explain.attributions import Explainer
from dlcli.app.explain.blocks import Section
from dlcli.app.explain.choosing import Chooser, Chosen
from dlcli.app.explain.gates import way_figure
from dlcli.app.explain.layers import first_filters
from dlcli.app.explain.reading_guide import readings
from dlcli.app.explain.sample_section import SampleReport, report_of
from dlcli.app.explain.samples import Choice, Sample
from dlcli.app.explain.shown import Shown
from dlcli.app.explain.subject import name_of
from dlcli.app.pages import figures, page
from dlcli.app.runs import Run, open_run
from dlcli.plugins import plugin_errors
from dlcli.runtime.durable_files import disk_errors
from dlcli.runtime.memory import memory_errors

PAGE: Final = "explain.html"
_PLOTS: Final = "plots"

Notify = Callable[[str], None]


@dataclass(frozen=True)
class Explanation:
    """A page of explanations that is yet to be written.

    Attributes:
        found: whose network it is about, and which samples.
        reports: what is said of each.
        sections: the page's.
        notices: what a person should know, a line each.
    """

    found: Chosen
    reports: Sequence[SampleReport]
    sections: Sequence[Section]
    notices: Sequence[str]

    def write(self, output: Path | None) -> Path:
        """Writes the page.

        Args:
            output: the file; without one it goes into the run's folder, with its figures and their numbers into `plots`.

        Returns:
            Where it is.

        Raises:
            ResourceError: the disk does not take it.
        """
        if output is not None:
            page.write(self._html(), output)
            return output
        drawings = [figure for section in self.sections for figure in section.figures()]
        plots = self.found.subject.path / _PLOTS
        figures.save(drawings, plots)
        kept = {f"{figure.name}{suffix}" for figure in drawings for suffix in (".svg", ".csv")}
        with disk_errors(plots):
            for path in plots.glob("explain-*"):
                if path.name not in kept and path.suffix in (".svg", ".csv") and path.is_file():
                    path.unlink()
        page.write(self._html(), self.found.subject.path / PAGE)
        return self.found.subject.path / PAGE

    @property
    def head(self) -> str:
        """What was explained, in a line."""
        count, subject = len(self.reports), self.found.subject
        what = f"{count} sample{'s'[: count != 1]} explained, of {self.found.source}"
        return f"{subject.path} ({subject.checkpoint}), {what}"

    def as_json(self, written: Path) -> dict[str, Any]:
        """What `explain --json` prints."""
        return {
            "run": str(self.found.subject.path),
            "checkpoint": self.found.subject.checkpoint,
            "source": self.found.source,
            "page": str(written),
            "samples": [
                self._sample_as_json(sample, report) for sample, report in zip(self.found.samples, self.reports, strict=True)
            ],
            "notices": list(self.notices),
        }

    @staticmethod
    def _sample_as_json(sample: Sample, report: SampleReport) -> dict[str, Any]:
        explained = [
            {
                "output": found.question.output,
                "what": found.question.what,
                "step": found.question.step,
                **({"gap": found.integrated.gap, "steps": found.integrated.steps} if found.integrated is not None else {}),
            }
            for found in report.explained
        ]
        answers = {
            answer.output: {"says": answer.said, "right": answer.right, "is_right": answer.is_right} for answer in report.answers
        }
        return {"name": sample.name, "index": sample.number, "loss": sample.loss, "answers": answers, "explained": explained}

    def _html(self) -> str:
        subject = self.found.subject
        return page.rendered(
            "explain.html.j2",
            title=f"{subject.path.name}: explained",
            run=subject.path.name,
            facts=[
                ("checkpoint", subject.checkpoint),
                ("samples", self.found.source),
                ("network", ", ".join(dict.fromkeys(node.spec.kind for node in subject.experiment.graph.nodes))),
                ("data", subject.experiment.data.kind),
            ],
            notices=self.notices,
            readings=readings(self.sections),
            sections=self.sections,
        )


def explain_run(
    run: Run | str | Path | None,
    choice: Choice,
    *,
    checkpoint: str,
    device: str,
    runs: Path,
    data_dir: Path | None,
    on_notice: Notify,
) -> Explanation:
    """Explains samples of a run's data, or new ones.

    Args:
        run: a run, its folder, its name, or None for the newest.
        choice: which samples.
        checkpoint: best, last or the number of a step.
        device: as for `--device`.
        runs: the folder of all runs.
        data_dir: where data is looked for first; without it, where it was when the run was trained.
        on_notice: takes a line about what a person should know.

    Raises:
        DlcliError: run, checkpoint, split, sample or data is not there.
    """
    notices: list[str] = []

    def notify(text: str) -> None:
        notices.append(text)
        on_notice(text)

    figures.import_matplotlib()  # Captum would leave its traces
    with plugin_errors(), memory_errors():
        found = Chooser(open_run(run, runs), checkpoint, device, data_dir, notify).choose(choice)
        reports = [
            report_of(Shown(found.subject, sample, place=place + 1, in_depth=place in found.in_depth), found.effort)
            for place, sample in enumerate(found.samples)
        ]
        sections = [*_filters(found), *(report.section for report in reports), *_ways(found.samples, reports)]
    return Explanation(found, reports, sections, notices)


def _filters(found: Chosen) -> Iterator[Section]:
    """What the first convolution looks for, where there is one."""
    sample = found.samples[0]
    gallery = first_filters(
        Explainer(found.subject, sample, found.effort).calls, list(sample.inputs.values()), name="explain-filters"
    )
    if gallery is not None:
        yield Section("What the first layer looks for", blocks=[gallery])


def _ways(samples: Sequence[Sample], reports: Sequence[SampleReport]) -> Iterator[Section]:
    """The ways of the states of all samples in one plane."""
    states: dict[str, Tensor] = {}
    for sample, report in zip(samples, reports, strict=True):
        if report.states is not None:
            path, of_sample = report.states
            answer = report.answers[0]
            said = "" if answer.is_right is None else f": {answer.says.partition(' (')[0]}"
            states[f"{name_of(sample.name)}{said}"] = of_sample
    drawing = way_figure(states, path, name="explain-ways") if states else None
    if drawing is not None:
        yield Section("The ways of the states", blocks=[drawing])
