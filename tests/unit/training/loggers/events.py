"""Event files as TensorBoard reads them."""

from __future__ import annotations

import logging
from pathlib import Path

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

Points = list[tuple[int, float]]


def read(folder: Path) -> EventAccumulator:
    """Everything in the files of a folder."""
    logging.getLogger("tensorboard").setLevel(logging.ERROR)  # it tells of each step that was taken again
    events = EventAccumulator(str(folder), size_guidance={"scalars": 0, "images": 0, "graph": 0})
    events.Reload()
    return events


def curves(folder: Path) -> dict[str, Points]:
    """The points of each curve: steps and values."""
    events = read(folder)
    return {tag: [(point.step, point.value) for point in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


def hyper_parameters(folder: Path) -> dict[str, HParamsPluginData]:
    """What the table of runs is made of, by its tag."""
    events = read(folder)
    return {
        tag: HParamsPluginData.FromString(events.summary_metadata[tag].plugin_data.content)
        for tag in events.summary_metadata
        if tag.startswith("_hparams_/")
    }
