"""A file of events as TensorBoard reads it: records of protocol buffers, each written as it comes."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.graph_pb2 import GraphDef
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter

PREFIX: Final = "events.out.tfevents."
_VERSION: Final = "brain.Event:2"


class EventFile:
    """One file of events.

    Args:
        path: where it is made; its name has to hold `tfevents`.
        first_step: what other files of the folder say of this step and of those behind it no longer holds; None where all does.
    """

    def __init__(self, path: Path, first_step: int | None = None) -> None:
        self._file = path.open("xb", buffering=0)
        self._write(Event(wall_time=time.time(), file_version=_VERSION))
        if first_step is not None:
            begin = SessionLog(status=SessionLog.START)
            self._write(Event(wall_time=time.time(), step=first_step, session_log=begin))

    def scalars(self, values: Mapping[str, float], step: int) -> None:
        """Points of curves, by their tags."""
        self.summary(Summary(value=[Summary.Value(tag=tag, simple_value=value) for tag, value in values.items()]), step)

    def picture(self, tag: str, pixels: NDArray[np.uint8], step: int) -> None:
        """A picture (height, width, 3)."""
        png = io.BytesIO()
        Image.fromarray(pixels).save(png, "PNG")
        height, width, channels = pixels.shape
        image = Summary.Image(height=height, width=width, colorspace=channels, encoded_image_string=png.getvalue())
        self.summary(Summary(value=[Summary.Value(tag=tag, image=image)]), step)

    def graph(self, graph: GraphDef) -> None:
        """The network."""
        self._write(Event(wall_time=time.time(), graph_def=graph.SerializeToString()))

    def summary(self, summary: Summary, step: int) -> None:
        """Anything else that has a step."""
        self._write(Event(wall_time=time.time(), step=step, summary=summary))

    def close(self) -> None:
        """Ends the file."""
        self._file.close()

    def _write(self, event: Event) -> None:
        record = io.BytesIO()
        RecordWriter(record).write(event.SerializeToString())
        left = record.getbuffer()
        try:
            while left:
                left = left[self._file.write(left) :]
        except OSError:  # nobody writes to it any more
            self._file.close()
            raise


def new_name() -> str:
    """A name for an event file: those of later ones come later in the alphabet."""
    return f"{PREFIX}{time.time():010.0f}.dlcli.{os.getpid()}"
