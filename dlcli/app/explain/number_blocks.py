"""What the methods say of one number of an answer, put together for the page."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from dlcli.app.explain.answers import Question
from dlcli.app.explain.attributions import Attribution, Explained
from dlcli.app.explain.blocks import Block, Note
from dlcli.app.explain.pictures import MOST_SIDE, cam_gallery, galleries, input_of_cam, is_picture, maps_of
from dlcli.app.explain.series import series_of
from dlcli.app.explain.shown import Shown
from dlcli.app.explain.steps import MOST_DRAWN, OverSteps, over_steps, share_map, step_figure, strips
from dlcli.app.explain.vectors import vector_figure
from dlcli.app.explain.wording import completeness, heading, sentence, step_readings

_MOST_FEATURES = 32
"""Features of a series whose shares are drawn one by one."""


def blocks_of(shown: Shown, explained: Explained) -> Iterator[Block]:
    """The number, and each input in the colours of each method."""
    yield Note(heading(explained), is_heading=True)
    yield Note(completeness(shown, explained))
    over = input_of_cam(shown.subject, explained.cam) if explained.cam is not None else None
    for attribution in explained.inputs:
        cam = explained.cam if attribution.entry.input == over else None
        yield from _of_input(shown, explained, attribution, cam)
    if explained.cam is not None and over is None:
        yield cam_gallery(explained.cam, explained.cam_layer, name=shown.name("cam"))


def _of_input(shown: Shown, explained: Explained, attribution: Attribution, cam: Tensor | None) -> Iterator[Block]:
    name = attribution.entry.input
    several = len(shown.subject.shapes) > 1
    title = f"{heading(explained)}, input {name}" if several else heading(explained)
    shows_picture, over_time = is_picture(shown.subject, name), cam is not None and cam.ndim == 2
    if shows_picture:
        maps = maps_of(shown.subject, shown.sample, attribution, None if over_time else cam)
        reading = f"The input {name}, and what the methods say of it." if several else ""
        yield from galleries(maps, shown.name("picture"), title, reading)
        if maps.was_larger is not None:
            yield Note(f"The pictures are {maps.was_larger[0]}x{maps.was_larger[1]} and shown with sides of {MOST_SIDE}.")
    labels = shown.labels[name]
    if not labels and not shows_picture:
        names = shown.subject.feature_names(attribution.share.numel())
        yield vector_figure(attribution, names, noun=explained.question.noun, name=shown.name("features"), title=title)
    if not labels or (shows_picture and not shown.in_depth):
        return
    together = 1 if attribution.entry.is_embedded else -(-len(labels) // MOST_DRAWN)
    steps = over_steps(attribution, cam if over_time else None, labels, together)
    readings = step_readings(shown, attribution, explained.question.noun)
    if attribution.entry.is_embedded:
        yield from strips(steps, explained.question.step, name=shown.name("text"), readings=readings)
    else:
        reading = " ".join(f"{sentence(method)}: {readings[method]}" for method in steps.values)
        yield from _of_series(shown, attribution, steps, explained.question, (title, reading))


def _of_series(
    shown: Shown, attribution: Attribution, steps: OverSteps, question: Question, text: tuple[str, str]
) -> Iterator[Block]:
    """Curves and bars step by step, and the shares of each feature."""
    name, (title, reading) = attribution.entry.input, text
    series = None if is_picture(shown.subject, name) else series_of(shown, attribution.entry)
    names = shown.subject.feature_names(attribution.share.shape[-1])
    if series is not None:
        reading = f"Above: the series, {series.scale}. {reading}"
    if steps.together > 1:
        count = len(shown.labels[name])
        reading += f" Of {count:,} steps each bar stands for {steps.together}: there are at most {MOST_DRAWN} bars."
    yield step_figure(steps, series, names, name=shown.name("steps"), title=f"{title}, step by step", reading=reading)
    if series is not None and 1 < series.values.shape[1] <= _MOST_FEATURES:
        yield share_map(
            attribution.share,
            names,
            shown.labels[name],
            name=shown.name("shares"),
            title=f"{title}: integrated gradients of each feature",
            reading=f"A row for each feature, a column for each step: orange brought the {question.noun} up, blue down.",
        )
