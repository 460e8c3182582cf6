"""All methods on one sample: what in it a number of the network's answer comes from."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import torch
from torch import Tensor

from dlcli.app.explain.answers import Question
from dlcli.app.explain.effort import Effort
from dlcli.app.explain.samples import Sample
from dlcli.app.explain.subject import Subject
from dlcli.config.layers.base import ElementwiseSpec
from dlcli.config.shapes import Image, Shape, Volume
from dlcli.config.shapes import Sequence as SequenceShape
from dlcli.data.named import each
from dlcli.errors import CheckpointError
from dlcli.models.attribution.entries import Entries, Entry
from dlcli.models.attribution.grad_cam import grad_cam
from dlcli.models.attribution.methods import Hiding, Integrated, integrated_gradients, saliency
from dlcli.models.recorded_calls import Call, recorded

CONVOLUTIONS: Final = ("conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d")
_FEWEST_PLACES: Final = 3
"""On each axis of a picture that are hidden one by one."""


@dataclass(frozen=True)
class Attribution:
    """What each method says of one input, without the batch.

    Attributes:
        entry: the numbers that the network reads.
        gradient: how the explained number changes with each of them.
        share: of each of them in the difference to the baseline, by integrated gradients.
        fall: of the explained number where the part that each lies in is hidden.
        part: the sizes of such a part; of a sequence or a vector how many steps or features it has.
    """

    entry: Entry
    gradient: Tensor
    share: Tensor
    fall: Tensor
    part: tuple[int, ...]


@dataclass(frozen=True)
class Explained:
    """One number explained.

    Attributes:
        question: the number in words.
        value: the number; of a value to predict in the units of the data.
        inputs: what is said of each input.
        integrated: by which its shares were found; None where the network reads nothing that can be changed.
        cam: Grad-CAM of the last convolution, (places on its axes), for each step of a `time_distributed` one with these in
            front; None where the network has none.
        cam_layer: the path of that layer.
    """

    question: Question
    value: float
    inputs: list[Attribution]
    integrated: Integrated | None
    cam: Tensor | None
    cam_layer: str


class Explainer:
    """A network, a sample and all that is computed of both.

    Args:
        subject: the network.
        sample: what it reads.
        effort: how much is computed.

    Attributes:
        entries: the network as a function of what it reads.

    Raises:
        CheckpointError: the network gives no finite numbers.
    """

    def __init__(self, subject: Subject, sample: Sample, effort: Effort) -> None:
        self.entries = Entries(subject.network, sample.inputs, subject.outputs)
        if not all(output.isfinite().all() for output in self.entries.outputs.values()):
            what = f"the network gives NaN or infinity for sample {sample.name}"
            raise CheckpointError(what, help="explain another checkpoint (--checkpoint), or other samples")
        self._subject = subject
        self._sample = sample
        self._effort = effort
        self._values = tuple(entry.values for entry in self.entries.entries)
        self._nothing = tuple(map(torch.zeros_like, self._values))

    @cached_property
    def calls(self) -> list[Call]:
        """What each layer made of the sample."""
        inputs = self._sample.inputs
        given = dict(inputs) if len(inputs) > 1 else next(iter(inputs.values()))
        return recorded(self._subject.network, lambda: self._subject.network(given))

    def explain(self, question: Question) -> Explained:
        """All methods on one number."""
        layer = last_convolution(self._leading_to(question.output))
        value = float(question.score(self.entries.outputs)) + question.offset
        if not self._values:
            return Explained(question, value, [], None, None, "")

        def score(*changed: Tensor) -> Tensor:
            return question.score(self.entries(*changed))

        effort, cam = self._effort, None
        gradients = saliency(score, self._values)
        integrated = integrated_gradients(score, self._values, self._baselines(), most_steps=effort.steps, rows=effort.rows)
        inputs = []
        for place, entry in enumerate(self.entries.entries):
            fall, part = self._hidden(place, question)
            share = integrated.attributions[place]
            inputs.append(Attribution(entry, gradients[place][0].cpu(), share[0].cpu(), fall[0].cpu(), part))
        if layer is not None:
            cam = grad_cam(lambda: score(*self._values), layer.module, channel_axis(layer.output)).cpu()
        return Explained(question, value, inputs, integrated, cam, layer.path if layer is not None else "")

    def _leading_to(self, output: str) -> list[Call]:
        """The calls of the layers that lead to an output of the network."""
        graph, needed = self._subject.experiment.graph, {output}
        for node in reversed(graph.nodes):
            if node.name in needed:
                needed.update(node.inputs)
        layers = {node.shares or node.name for node in graph.nodes if node.name in needed}
        return [call for call in self.calls if call.path.partition(".")[0] in layers]

    def _baselines(self) -> tuple[Tensor, ...]:
        """What a sample is compared with: of 8-bit values black, else 0 where the network reads it, of tokens vectors of 0."""
        prepared = self._subject.prepared(each(self._sample.raw, torch.zeros_like))
        return tuple(
            prepared[entry.input] if self._sample.raw_of(entry.input).dtype == torch.uint8 else nothing
            for entry, nothing in zip(self.entries.entries, self._nothing, strict=True)
        )

    def _hidden(self, place: int, question: Question) -> tuple[Tensor, tuple[int, ...]]:
        """By how much the number falls where parts of an input are hidden, (1, ...), and the size of a part."""

        def score(*changed: Tensor) -> Tensor:
            return question.score(self.entries(*changed))

        entry, most = self.entries.entries[place], self._effort.hidden
        hiding = Hiding(score, self._values, self._nothing, place, self._effort.rows)
        sizes = tuple(entry.values.shape[1:])
        strides = None if entry.is_embedded else _strides(self._subject.shapes[entry.input], sizes, most)
        if strides is not None:
            window = [size if stride == size else min(2 * stride, size) for size, stride in zip(sizes, strides, strict=True)]
            return hiding.windows(window, strides), tuple(window)
        together = -(-sizes[0] // most)
        numbers = torch.arange(sizes[0], device=entry.values.device) // together
        return hiding.groups(numbers.view(1, -1, *(1,) * (len(sizes) - 1))), (together,)


def _strides(shape: Shape, sizes: tuple[int, ...], most: int) -> tuple[int, ...] | None:
    """How far windows over a picture, a volume or a clip go, so that there are about `most`; None for other inputs."""
    if isinstance(shape, Image | Volume):
        channels, places = sizes[0], sizes[1:]
        across = max(int(most ** (1 / len(places))), _FEWEST_PLACES)
        return channels, *(-(-size // across) for size in places)
    if isinstance(shape, SequenceShape) and isinstance(shape.item, Image):
        frames, channels, height, width = sizes
        together = max(1, round(frames * _FEWEST_PLACES**2 / most))
        across = max(int((most * together / frames) ** 0.5), _FEWEST_PLACES)
        return together, channels, -(-height // across), -(-width // across)
    return None


def last_convolution(calls: list[Call]) -> Call | None:
    """The last convolution that still has places, or the activation behind it: where Grad-CAM looks."""
    found: Call | None = None
    for call in calls:
        if (call.node.spec.kind in CONVOLUTIONS and math.prod(places_of(call.output)) > 1) or (
            found is not None and is_elementwise(call) and call.inputs[0] is found.output
        ):
            found = call
    return found


def is_elementwise(call: Call) -> bool:
    """Whether a layer keeps places apart: an activation, a normalisation, a dropout."""
    return isinstance(call.node.spec, ElementwiseSpec)


def channel_axis(output: Tensor) -> int:
    """Where the output of a convolution or a pool has its channels: sequences have them last."""
    return 2 if output.ndim == 3 else 1


def places_of(output: Tensor) -> tuple[int, ...]:
    """The sizes of its axes that are places."""
    return tuple(size for axis, size in enumerate(output.shape) if axis not in (0, channel_axis(output)))
