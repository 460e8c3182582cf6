"""How much of a network's input one value of a layer's output depends on.

By the recursion of Araujo, Norris and Sim ("Computing Receptive Fields of Convolutional Neural Networks", Distill, 2019):
along each axis a layer with windows of `reach` values and a stride gives

    extent' = extent + (reach - 1) * jump        jump' = jump * stride

where the jump is the distance in the input of two neighbours in the output. A transposed convolution is a convolution of
stride 1 over its input with stride - 1 zeros between the values (Dumoulin and Visin, 2016, arXiv:1603.07285, section 4):

    jump' = jump / stride                        extent' = extent + (reach - 1) * jump'

which is exact for the widest value, and an upper bound where other strides or a dilation meet it. Padding counts as input.
As is usual, statistics are left out: a normalisation depends on all that it takes the mean of, and keeps its input's field here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Final

from dlcli.config.graph import Graph, LayerNode
from dlcli.config.layers import pooling
from dlcli.config.layers.activation import LogSoftmax, Softmax
from dlcli.config.layers.base import ElementwiseSpec, OwnLayer
from dlcli.config.layers.dense import Embedding, Linear
from dlcli.config.layers.join import Concat, Join
from dlcli.config.layers.nesting import TimeDistributed
from dlcli.config.layers.pooling import GlobalAvgPool, GlobalMaxPool, LastStep
from dlcli.config.layers.recurrent import Recurrent
from dlcli.config.layers.reshaping import Flatten, Permute, Reshape
from dlcli.config.layers.windows import Window
from dlcli.config.shapes import Image, Sequence, Shape, Volume, window_sizes

ReceptiveField = Mapping[str, tuple[int | None, ...]]
"""For each input that a layer depends on the extent along its window axes (time; height and width; depth, height and width;
of clips time, height and width), None for the whole axis."""

Axes = int | frozenset[int]
"""What an axis of a value slides along: one axis of the input, or what several, or none, were joined to."""

_NONE: Final[frozenset[int]] = frozenset()
_ADAPTIVE_POOLS: Final = (
    pooling.AdaptiveAvgPool1d,
    pooling.AdaptiveAvgPool2d,
    pooling.AdaptiveAvgPool3d,
    pooling.AdaptiveMaxPool1d,
    pooling.AdaptiveMaxPool2d,
    pooling.AdaptiveMaxPool3d,
)


@dataclass(frozen=True)
class _Axis:
    """Along one axis of the input."""

    extent: Fraction | None = Fraction(1)
    jump: Fraction = Fraction(1)

    def through(self, window: Window) -> _Axis:
        if self.extent is None:
            return self
        if window.transposed:
            jump = self.jump / window.stride
            return _Axis(self.extent + (window.reach - 1) * jump, jump)
        return _Axis(self.extent + (window.reach - 1) * self.jump, self.jump * window.stride)

    def widest(self, other: _Axis) -> _Axis:
        if self.extent is None or other.extent is None:
            return _Axis(None)
        return _Axis(max(self.extent, other.extent), max(self.jump, other.jump))


@dataclass(frozen=True)
class _Value:
    """What one number of a value depends on.

    Attributes:
        inputs: the inputs that it depends on.
        axes: those of these inputs, by their number.
        layout: for each axis of the value, without the batch, what it slides along.
    """

    inputs: frozenset[str]
    axes: Mapping[int, _Axis]
    layout: tuple[Axes, ...]

    def over(self, places: Iterable[int]) -> _Value:
        """The field of what reads all of these axes of the value."""
        whole = _joined(self.layout[place] for place in places)
        return replace(self, axes={**self.axes, **{number: _Axis(None) for number in whole}})

    def through(self, window: Window, place: int) -> _Value:
        """The field of what slides along an axis of the value."""
        number = self.layout[place]
        if not isinstance(number, int):
            return self.over([place]) if window.reach > 1 else self
        return replace(self, axes={**self.axes, number: self.axes[number].through(window)})


def receptive_fields(graph: Graph) -> dict[str, ReceptiveField]:
    """The receptive field of each layer by its dotted name.

    Inside of `time_distributed` it is that part of the step's input; the layers inside of one that is shared are left out.
    """
    values: dict[str, _Value] = {}
    inputs: dict[str, tuple[int, ...]] = {}
    total = 0
    for name, shape in graph.inputs.items():
        values[name], count = _start(name, shape, total)
        inputs[name] = tuple(range(total, total + count))
        total += count
    fields = {path: _field(value, inputs) for path, value in _run(graph, values).items()}
    return fields | dict(_per_step(graph, ""))


def _per_step(graph: Graph, prefix: str) -> Iterable[tuple[str, ReceptiveField]]:
    for node in graph.nodes:
        if node.body is None or node.shares is not None:
            continue
        inside = f"{prefix}{node.name}."
        if isinstance(node.spec, TimeDistributed):
            yield from ((inside + path, field) for path, field in receptive_fields(node.body).items())
        else:
            yield from _per_step(node.body, inside)


def _start(name: str, shape: Shape, first: int) -> tuple[_Value, int]:
    """An input, whose window axes are numbered from `first`, and how many it has."""
    layout: list[Axes] = []
    number = first
    item: Shape = shape
    while isinstance(item, Sequence):
        layout.append(number)
        number, item = number + 1, item.item
    planes = len(window_sizes(item)) if isinstance(item, Image | Volume) else 0
    layout += [_NONE] * (len(item.sizes) - planes) + list(range(number, number + planes))
    number += planes
    return _Value(frozenset({name}), {axis: _Axis() for axis in range(first, number)}, tuple(layout)), number - first


def _field(value: _Value, inputs: Mapping[str, tuple[int, ...]]) -> ReceptiveField:
    extents = {number: None if axis.extent is None else int(axis.extent) for number, axis in value.axes.items()}
    return {name: tuple(extents[number] for number in inputs[name]) for name in inputs if name in value.inputs}


def _run(graph: Graph, inputs: Mapping[str, _Value]) -> dict[str, _Value]:
    """The value of each layer, those in a `sequential` by dotted names."""
    values, found = dict(inputs), dict[str, _Value]()
    for node in graph.nodes:
        sources = [values[name] for name in node.inputs]
        if node.body is None:
            values[node.name] = _through(node, sources)
        else:
            over_time = isinstance(node.spec, TimeDistributed)
            source = sources[0]
            item = replace(source, layout=source.layout[1:]) if over_time else source
            inside = _run(node.body, dict.fromkeys(node.body.inputs, item))
            output = inside[node.body.outputs[0]]
            values[node.name] = replace(output, layout=(source.layout[0], *output.layout)) if over_time else output
            if not over_time and node.shares is None:
                found |= {f"{node.name}.{path}": value for path, value in inside.items()}
        found[node.name] = values[node.name]
    return found


def _through(node: LayerNode, sources: list[_Value]) -> _Value:
    spec, value, shape = node.spec, sources[0], node.input_shapes[0]
    windows, along, axes = spec.windows(), _window_places(shape), range(len(value.layout))
    if isinstance(spec, OwnLayer):
        return _of_all(sources, node.output_shape)
    if isinstance(spec, Join):
        return _join(spec, sources, shape)
    if windows is not None:
        return _slid(value, windows, along)
    if isinstance(spec, Softmax | LogSoftmax):
        return value.over([spec.resolved_dim(shape) - 1])
    if isinstance(spec, ElementwiseSpec):
        return value
    if isinstance(spec, Linear):
        return value.over(axes[-1:])
    if isinstance(spec, Embedding):
        return replace(value, layout=(*value.layout, _NONE))
    if isinstance(spec, Flatten | Permute | Reshape | LastStep):
        return replace(value, layout=_moved(spec, value.layout))
    if isinstance(spec, _ADAPTIVE_POOLS):
        return value.over(along)
    if isinstance(spec, GlobalAvgPool | GlobalMaxPool):
        return replace(value.over(along), layout=tuple(value.layout[axis] for axis in axes if axis not in along))
    if isinstance(spec, Recurrent) and spec.return_ == "sequence":
        return value.over(axes)
    return _of_all(sources, node.output_shape)


def _of_all(sources: list[_Value], output: Shape) -> _Value:
    """What may depend on all values of its inputs, and slides along none of their axes."""
    inputs, axes = _union([source.over(range(len(source.layout))) for source in sources])
    return _Value(inputs, axes, (_NONE,) * len(output.sizes))


def _union(sources: list[_Value]) -> tuple[frozenset[str], dict[int, _Axis]]:
    """The inputs that any of these depends on, and the largest extents along their axes."""
    axes: dict[int, _Axis] = {}
    for number, axis in (item for source in sources for item in source.axes.items()):
        axes[number] = axis.widest(axes[number]) if number in axes else axis
    return frozenset[str]().union(*(source.inputs for source in sources)), axes


def _window_places(shape: Shape) -> range:
    """Which axes of a sample windows slide over."""
    return range(1) if isinstance(shape, Sequence) else range(1, len(shape.sizes))


def _slid(value: _Value, windows: tuple[Window, ...], along: range) -> _Value:
    """Windows of all channels."""
    value = value.over(place for place in range(len(value.layout)) if place not in along)
    for window, place in zip(windows, along, strict=True):
        value = value.through(window, place)
    return value


def _moved(spec: Flatten | Permute | Reshape | LastStep, layout: tuple[Axes, ...]) -> tuple[Axes, ...]:
    if isinstance(spec, LastStep):
        return layout[1:]
    if isinstance(spec, Permute):
        return tuple(layout[dim - 1] for dim in spec.dims[1:])
    if isinstance(spec, Reshape):
        return (_joined(layout),) * len(spec.sizes)
    start, end = (dim % (len(layout) + 1) for dim in (spec.start_dim, spec.end_dim))
    return layout if start == end else (*layout[: start - 1], _joined(layout[start - 1 : end]), *layout[end:])


def _join(spec: Join, sources: list[_Value], shape: Shape) -> _Value:
    """The largest extents; where the inputs slide along different axes, along all of these."""
    entries = zip(*(source.layout for source in sources), strict=True)
    layout = [entry[0] if len(set(entry)) == 1 else _joined(entry) for entry in entries]
    if isinstance(spec, Concat):
        place = spec.resolved_dim(shape) - 1
        layout[place] = _joined([layout[place]])
    return _Value(*_union(sources), tuple(layout))


def _joined(entries: Iterable[Axes]) -> frozenset[int]:
    return _NONE.union(*([entry] if isinstance(entry, int) else entry for entry in entries))
