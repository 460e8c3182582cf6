"""What a run took, what it ran on, and how to go on from it."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Final

from dlcli.app.kept_runs.next_steps import next_steps
from dlcli.app.kept_runs.record import number, number_at, text_at, value_at, whole_at
from dlcli.app.pages.figures import SERIES, Figure, Rows, drawn, label
from dlcli.app.report.curves import SIZE
from dlcli.app.report.gather import Saved
from dlcli.app.report.parts import Code, Facts, Figures, Note, Section, Table
from dlcli.app.report.words import times
from dlcli.config.words import duration
from dlcli.training.run_folder import RunFolder

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

_TITLES: Final = {"device_name": "processor", "platform": "system"}


def timing_section(saved: Saved) -> Section:
    """How long it took."""
    section, record = Section("Time"), saved.run.record
    facts: list[tuple[str, str | int | float | None]] = []
    training, total = saved.run.train_seconds, number_at(record, "total_seconds")
    if training:
        facts.append(("training", duration(training)))
    if total:
        facts.append(("with judging and saving", duration(total)))
    rate = number_at(record, "samples_per_second")
    if rate:
        facts.append(("samples a second", round(rate)))
    step = whole_at(record, "step")
    if step and training:
        facts.append(("a step", f"{1000 * training / step:.1f} ms"))
    section.parts.append(Facts(facts))
    figure = _seconds_figure(saved)
    if figure is not None:
        section.parts.append(Figures([figure]))
    return section


def _seconds_figure(saved: Saved) -> Figure | None:
    """Seconds of each epoch, where there are several."""
    found = [(number(event.get("epoch")), number(event.get("train_seconds"))) for event in saved.epochs]
    rows = [(int(epoch), took) for epoch, took in found if epoch is not None and took is not None and 0 <= took < 1e9]
    if len(rows) < 2:
        return None

    def paint(canvas: Canvas) -> None:
        from matplotlib.ticker import MaxNLocator  # noqa: PLC0415  # matplotlib: only once there is something to draw

        axes = canvas.subplots()
        axes.bar([epoch for epoch, _ in rows], [took for _, took in rows], width=0.8, color=SERIES[0])
        axes.set_xlabel("epoch")
        axes.set_ylabel("seconds")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))

    table: Rows = [["epoch", "seconds"], *([epoch, took] for epoch, took in rows)]
    return drawn("seconds", "Seconds an epoch", "Of training alone, without judging and saving.", table, paint, size=SIZE)


def environment_section(saved: Saved) -> Section:
    """Versions, machine and settings."""
    record = saved.run.record
    rows: list[list[str | int | float | None]] = [["what", "value"]]
    versions = value_at(record, "versions")
    found = list(versions.items())[:40] if isinstance(versions, dict) else []
    for name, value in found:
        shown = shlex.join(map(str, value[:40])) if isinstance(value, list) else value
        if shown is not None:
            rows.append([_TITLES.get(str(name), label(name, 40)), label(shown, 200)])
    for name, title in (("device_title", "device"), ("seed", "seed"), ("git_commit", "git commit"), ("started", "started")):
        told = value_at(record, name)
        if told is not None:
            rows.append([title, label(told, 100)])
    ended = text_at(record, "ended")
    if ended:
        rows.append(["ended", label(ended, 100)])
    section = Section("Environment", [Table(rows, "What the run ran on")])
    resumed = value_at(record, "resumed")
    if isinstance(resumed, list) and resumed:
        section.parts.append(Note(f"The run was taken up again {times(len(resumed))}; run.json says when, under", code="resumed"))
    return section


def config_section(saved: Saved) -> Section:
    """The config, as it was given and as it was understood."""
    section = Section("Config")
    overrides = value_at(saved.run.record, "overrides")
    if isinstance(overrides, list) and overrides:
        last = {str(override).partition("=")[0].strip(): override for override in overrides}  # a later one wins
        section.parts.append(Code("\n".join(f"--set {label(override, 200)}" for override in list(last.values())[:50])))
    for text, title in ((saved.given, "As it was given: config.yaml"), (saved.resolved, "In full: config.resolved.yaml")):
        if text is not None:
            section.parts.append(Code(text, title))
    return section


def next_section(saved: Saved) -> Section:
    """Commands that go on from here."""
    has_checkpoint = any(RunFolder(saved.run.path).checkpoints.glob("step-*"))
    steps = next_steps(saved.run, has_checkpoint=has_checkpoint)
    return Section("How to go on", [Code("\n".join(f"# {step.meaning}\n{step.command}" for step in steps))])
