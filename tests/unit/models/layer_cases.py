"""For each layer of the vocabulary: what may be written and read, and the plain torch that it stands for.

The references are built from the YAML fields and torch alone, never through dlcli's builders; what a field is called in YAML is
what torch calls it, so fields that are not written get torch's own default.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
import torch
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  # torch's own name for it

from dlcli.config import yaml_source
from dlcli.config.diagnostics import Report, Source
from dlcli.config.facts import INPUT
from dlcli.config.graph_reader import Vocabulary, read_graph
from dlcli.config.layers import LAYERS
from dlcli.config.layers.base import LayerSpec
from dlcli.config.shapes import Image, Sequence, Shape, ShapeError, Token, Vector, Volume, holds_tokens
from dlcli.config.spec import read
from dlcli.models.builders import BUILDERS
from dlcli.models.network import Network

PROFILE = settings(max_examples=25, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))

Fields = dict[str, Any]
Shapes = tuple[Shape, ...]
Example = tuple[Shapes, Fields]
Plain = tuple[nn.Module, Callable[..., Tensor]]
"""A module with torch's weights, and how it is called on tensors as dlcli lays them out."""


@dataclass(frozen=True)
class Case:
    """How to draw a layer, and its plain counterpart."""

    examples: st.SearchStrategy[Example]
    plain: Callable[[Fields, Shapes], Plain]


# Reading and building, as a config does it.


def read_spec(kind: str, fields: Fields) -> LayerSpec:
    """The spec of a layer with these YAML fields."""
    report = Report()
    node = yaml_source.parse(Source("test", json.dumps(fields)), report)
    assert node is not None
    spec = read(node, LAYERS[kind], kind, report)
    assert spec is not None, [diagnostic.render() for diagnostic in report.diagnostics]
    return spec


@dataclass(frozen=True)
class Layer:
    """A layer as dlcli reads and builds it."""

    module: nn.Module
    output_shape: Shape
    parameter_count: int


def build(kind: str, fields: Fields, shapes: Shapes) -> Layer | None:
    """The layer, or None where its shape rule refuses the input."""
    if kind in ("sequential", "time_distributed", "reversible_norm"):
        return _build_nesting(kind, fields, shapes[0])
    spec = read_spec(kind, fields)
    try:
        output_shape = spec.output_shape(*shapes)
    except ShapeError:
        return None
    return Layer(BUILDERS[type(spec)](spec, shapes), output_shape, spec.parameter_count(*shapes))


def _build_nesting(kind: str, fields: Fields, shape: Shape) -> Layer | None:
    report = Report()
    node = yaml_source.parse(Source("test", json.dumps([{kind: fields}])), report)
    assert node is not None
    graph = read_graph(node, {INPUT: shape}, Vocabulary(report))
    if graph is None:
        assert {diagnostic.code for diagnostic in report.diagnostics} == {"shape"}
        return None
    module = Network(graph).get_submodule(f"{kind}_1")
    return Layer(module, graph.output_shape, graph.parameter_count())


def random_input(shape: Shape, batch: int = 2) -> Tensor:
    """A batch of samples of a shape: indices for tokens, else numbers that record gradients."""
    if holds_tokens(shape):
        token = shape.item if isinstance(shape, Sequence) else shape
        assert isinstance(token, Token)
        return torch.randint(token.num_values, (batch, *shape.sizes))
    return torch.randn(batch, *shape.sizes, requires_grad=True)


# Shapes.

few = st.integers(1, 4)
sizes = st.integers(1, 7)
vectors = st.builds(Vector, st.integers(1, 6))
series = st.builds(Sequence, sizes, vectors)
images = st.builds(Image, st.sampled_from([1, 2, 3, 4, 6]), sizes, sizes)
volumes = st.builds(Volume, st.sampled_from([1, 2, 4]), st.integers(1, 5), st.integers(1, 5), st.integers(1, 5))
clips = st.builds(Sequence, st.integers(1, 3), images)
nested_series = st.builds(Sequence, few, series)
clips_of_volumes = st.builds(Sequence, st.integers(1, 2), volumes)
numbers = st.one_of(vectors, series, images, volumes, clips, nested_series)
tokens = st.one_of(st.builds(Token, sizes), st.builds(Sequence, sizes, st.builds(Token, sizes)))


def one(shapes: st.SearchStrategy[Shape]) -> st.SearchStrategy[Shapes]:
    """As the only input of a layer."""
    return shapes.map(lambda shape: (shape,))


def examples(shapes: st.SearchStrategy[Shape], fields: st.SearchStrategy[Fields]) -> st.SearchStrategy[Example]:
    """Any of the shapes with any of the fields."""
    return st.tuples(one(shapes), fields)


# Fields.


def some(required: dict[str, st.SearchStrategy[Any]], **optional: st.SearchStrategy[Any]) -> st.SearchStrategy[Fields]:
    """Mappings with all required fields and any of the optional ones."""
    return st.fixed_dictionaries(required, optional=optional)


def per_axis(count: int, least: int, most: int) -> st.SearchStrategy[int | list[int]]:
    """One number for all window axes, or one for each."""
    value = st.integers(least, most)
    return st.one_of(value, st.lists(value, min_size=count, max_size=count))


def convolutions(axes: int) -> st.SearchStrategy[Fields]:
    """Fields of a convolution, fitting or not."""
    paddings = st.one_of(st.sampled_from(["same", "valid"]), per_axis(axes, 0, 4))
    return some(
        {"out_channels": st.integers(1, 6), "kernel_size": per_axis(axes, 1, 4)},
        stride=per_axis(axes, 1, 3),
        padding=paddings,
        dilation=per_axis(axes, 1, 2),
        groups=st.sampled_from([1, 1, 2, 3]),
        bias=st.booleans(),
        padding_mode=st.sampled_from(["zeros", "reflect", "replicate", "circular"]),
    )


def transposed_convolutions(axes: int) -> st.SearchStrategy[Fields]:
    """Fields of a transposed convolution, fitting or not."""
    return some(
        {"out_channels": st.integers(1, 6), "kernel_size": per_axis(axes, 1, 4)},
        stride=per_axis(axes, 1, 3),
        padding=per_axis(axes, 0, 3),
        output_padding=per_axis(axes, 0, 2),
        dilation=per_axis(axes, 1, 3),
        groups=st.sampled_from([1, 1, 2, 3]),
        bias=st.booleans(),
    )


def max_pools(axes: int) -> st.SearchStrategy[Fields]:
    """Fields of a max-pool, fitting or not."""
    return some(
        {"kernel_size": per_axis(axes, 1, 4)},
        stride=per_axis(axes, 1, 4),
        padding=per_axis(axes, 0, 2),
        dilation=per_axis(axes, 1, 3),
        ceil_mode=st.booleans(),
    )


def avg_pools(axes: int) -> st.SearchStrategy[Fields]:
    """Fields of an average pool, fitting or not."""
    return some(
        {"kernel_size": per_axis(axes, 1, 4)},
        stride=per_axis(axes, 1, 4),
        padding=per_axis(axes, 0, 2),
        ceil_mode=st.booleans(),
        count_include_pad=st.booleans(),
    )


def adaptive_pools(axes: int) -> st.SearchStrategy[Fields]:
    """Fields of a pool with a given output size."""
    return some({"output_size": per_axis(axes, 1, 5)})


epsilons = st.sampled_from([1e-5, 1e-3, 0.1])
channel_norms = some({}, eps=epsilons, momentum=st.floats(0, 1), affine=st.booleans(), track_running_stats=st.booleans())
recurrents: dict[str, st.SearchStrategy[Any]] = {
    "num_layers": st.integers(1, 3),
    "bias": st.booleans(),
    "dropout": st.sampled_from([0.0, 0.5]),
    "recurrent_dropout": st.sampled_from([0.0, 0.5]),
    "recurrent_init": st.sampled_from([{"name": "orthogonal", "gain": 2.0}, {"name": "xavier_normal", "gain": 0.5}]),
    "bidirectional": st.booleans(),
    "return": st.sampled_from(["last", "sequence"]),
}


def recurrent_fields(**own: st.SearchStrategy[Any]) -> st.SearchStrategy[Fields]:
    """Fields of a recurrent layer that go together."""
    return some({"hidden_size": st.integers(1, 5)}, **recurrents, **own).filter(_go_together)


def _go_together(fields: Fields) -> bool:
    """Dropout needs layers to drop between, the starts of biases need biases, and a projection makes a state smaller."""
    starts = [fields[name] for name in ("forget_bias", "chrono") if name in fields]
    return (
        (not fields.get("dropout") or fields.get("num_layers", 1) > 1)
        and len(starts) <= fields.get("bias", True)
        and fields.get("proj_size", 0) < fields["hidden_size"]
    )


def axis(most: int = 6) -> st.SearchStrategy[int]:
    """An axis, there or not, counted from either end."""
    return st.integers(-most, most)


# Plain torch. `kwargs` are the fields as torch takes them.


def kwargs(fields: Fields, *without: str) -> Fields:
    """Fields as torch takes them."""
    return {key: tuple(value) if isinstance(value, list) else value for key, value in fields.items() if key not in without}


def channels(shape: Shape) -> int:
    """The first axis of what torch reads; of vectors and series, the last."""
    return shape.sizes[-1] if isinstance(shape, Vector | Sequence) else shape.sizes[0]


def swapped(module: nn.Module) -> Plain:
    """A module of torch that reads (batch, features, time)."""
    return module, lambda x: module(x.permute(0, 2, 1)).permute(0, 2, 1)


def direct(module: nn.Module) -> Plain:
    """A module that reads tensors as dlcli lays them out."""
    return module, module


def functional(function: Callable[..., Tensor]) -> Plain:
    """A function without weights."""
    return nn.Module(), function


def plain_convolution(layer: Callable[..., nn.Module]) -> Callable[[Fields, Shapes], Plain]:
    """A convolution over time, an image or a volume; with padding 'same' a stride leaves out outputs of one without."""

    def plain(fields: Fields, shapes: Shapes) -> Plain:
        leaves_out = fields.get("padding") == "same"
        module = layer(channels(shapes[0]), **kwargs(fields, *(["stride"] if leaves_out else [])))
        module, run = swapped(module) if isinstance(shapes[0], Sequence) else direct(module)
        if not leaves_out:
            return module, run
        first = 1 if isinstance(shapes[0], Sequence) else 2
        axes = len(shapes[0].sizes) - 1
        steps = np.broadcast_to(fields.get("stride", 1), 1 if isinstance(shapes[0], Sequence) else axes).tolist()
        kept = (*[slice(None)] * first, *(slice(None, None, step) for step in steps))
        return module, lambda x: run(x)[kept]

    return plain


def plain_windows(layer: Callable[..., nn.Module]) -> Callable[[Fields, Shapes], Plain]:
    """A pool or a channel-wise dropout over time, an image or a volume."""

    def plain(fields: Fields, shapes: Shapes) -> Plain:
        module = layer(**kwargs(fields))
        return swapped(module) if isinstance(shapes[0], Sequence) else direct(module)

    return plain


def plain_channel_norm(*layers: Callable[..., nn.Module]) -> Callable[[Fields, Shapes], Plain]:
    """`layers`: for two or three axes, for four, for five, the batch included."""

    def plain(fields: Fields, shapes: Shapes) -> Plain:
        layer = layers[max(0, len(shapes[0].sizes) - 2)] if len(layers) > 1 else layers[0]
        module = layer(channels(shapes[0]), **kwargs(fields))
        return swapped(module) if isinstance(shapes[0], Sequence) else direct(module)

    return plain


def plain_group_norm(fields: Fields, shapes: Shapes) -> Plain:
    """Groups of channels, or of features of a sequence."""
    module = nn.GroupNorm(num_channels=channels(shapes[0]), **fields)
    return swapped(module) if isinstance(shapes[0], Sequence) else direct(module)


def plain_layer_norm(fields: Fields, shapes: Shapes) -> Plain:
    """Whole samples, or each step of a sequence."""
    sizes = shapes[0].sizes[1:] if isinstance(shapes[0], Sequence) else shapes[0].sizes
    return direct(nn.LayerNorm(sizes, **fields))


def plain_global(pool: Callable[[Tensor, int], Tensor], image_pool: type[nn.Module]) -> Callable[[Fields, Shapes], Plain]:
    """Over time by a reduction; over images and volumes by torch's adaptive pools to one value."""
    return lambda _, shapes: functional(
        (lambda x: pool(x, 1)) if isinstance(shapes[0], Sequence) else lambda x: _to_one(image_pool, x)
    )


def _to_one(image_pool: type[nn.Module], x: Tensor) -> Tensor:
    """(batch, C, ...) -> (batch, C); a volume is an image whose rows are its planes."""
    return image_pool(1)(x.flatten(2, 3) if x.dim() == 5 else x).flatten(1)


def plain_dropout(fields: Fields, shapes: Shapes) -> Plain:
    """Single values; with one mask over time, torch's for whole channels, a step's values being the channels."""
    if not fields.get("variational"):
        return direct(nn.Dropout(**kwargs(fields, "variational")))
    if not isinstance(shapes[0], Sequence):
        return functional(_refused)
    module = nn.Dropout1d(**kwargs(fields, "variational"))
    return module, lambda x: module(x.flatten(2).transpose(1, 2)).transpose(1, 2).unflatten(2, x.shape[2:])


def plain_last_step(_: Fields, shapes: Shapes) -> Plain:
    """The last entry of axis 1, which has to be time."""
    return functional(lambda x: x.unbind(1)[-1] if isinstance(shapes[0], Sequence) else _refused(x))


def _refused(_: Tensor) -> Tensor:
    raise ValueError("there is no time axis")


def plain_embedding(fields: Fields, shapes: Shapes) -> Plain:
    """A table with a row for each token."""
    token = shapes[0].item if isinstance(shapes[0], Sequence) else shapes[0]
    assert isinstance(token, Token)
    return direct(nn.Embedding(token.num_values, **fields))


def plain_activation(layer: Callable[..., nn.Module]) -> Callable[[Fields, Shapes], Plain]:
    """An activation of torch with these fields."""
    return lambda fields, _: direct(layer(**fields))


CHANNEL_AXES = {"vector": 1, "series": 2, "image": 1, "volume": 1, "clip": 2}
"""Where channels or features stand in a tensor of each layout."""


def channel_axis(shape: Shape) -> int:
    """Where channels stand; of sequences inside sequences, the last axis."""
    return CHANNEL_AXES.get(shape.layout, len(shape.sizes))


def plain_prelu(fields: Fields, shapes: Shapes) -> Plain:
    """Slopes along the axis of the channels."""
    module = nn.PReLU(**fields)
    if fields.get("num_parameters", 1) == 1:
        return direct(module)
    axis = channel_axis(shapes[0])
    return module, lambda x: module(x.movedim(axis, 1)).movedim(1, axis)


def plain_softmax(function: Callable[[Tensor, int], Tensor]) -> Callable[[Fields, Shapes], Plain]:
    """Over the axis that is written, else over the channels."""
    return lambda fields, shapes: functional(
        lambda x: function(x, fields["dim"] if fields.get("dim") is not None else channel_axis(shapes[0]))
    )


NOT_IN_TORCH = ("return", "recurrent_dropout", "recurrent_init", "forget_bias", "chrono")
"""Fields of recurrent layers that are dlcli's own."""


def plain_recurrent(layer: Callable[..., nn.RNNBase]) -> Callable[[Fields, Shapes], Plain]:
    """Outputs of all steps, or each direction's output at the step that it reads last."""

    def plain(fields: Fields, shapes: Shapes) -> Plain:
        module = layer(channels(shapes[0]), batch_first=True, **kwargs(fields, *NOT_IN_TORCH))
        size = module.proj_size or module.hidden_size

        def run(x: Tensor) -> Tensor:
            outputs = _with_dropped_weights(module, fields.get("recurrent_dropout", 0.0), x)
            if fields.get("return", "sequence") == "sequence":
                return outputs
            # Forward, the last step is the final state; backward, the first one is.
            return torch.cat([outputs[:, -1, :size], outputs[:, 0, size:]], dim=1)

        return module, run

    return plain


def _with_dropped_weights(module: nn.RNNBase, p: float, x: Tensor) -> Tensor:
    """The outputs of all steps by weights of which some between states are 0, and the others larger."""
    parameters = dict(module.named_parameters())
    dropped = {name: F.dropout(weight, p, module.training) for name, weight in parameters.items() if "weight_hh" in name}
    outputs: Tensor = torch.func.functional_call(module, parameters | dropped if p else parameters, x)[0]
    return outputs


def plain_time_distributed(fields: Fields, shapes: Shapes) -> Plain:
    """Each step by itself through the same modules."""
    assert isinstance(shapes[0], Sequence)
    modules, run = plain_sequential(fields, (shapes[0].item,))
    return modules, lambda x: torch.stack([run(step) for step in x.unbind(1)], 1)


def plain_sequential(fields: Fields, shapes: Shapes) -> Plain:
    """Modules one after the other."""
    modules, runs = nn.ModuleDict(), []
    shape = shapes[0]
    for entry in fields["layers"]:
        kind, inner = (entry, {}) if isinstance(entry, str) else next(iter(entry.items()))
        modules[f"{kind}_1"], run = CASES[kind].plain(inner, (shape,))
        runs.append(run)
        with suppress(ShapeError):  # torch has to refuse it by itself
            shape = read_spec(kind, inner).output_shape(shape)

    return modules, lambda x: reduce(lambda value, run: run(value), runs, x)


def plain_reversible_norm(fields: Fields, shapes: Shapes) -> Plain:
    """Each feature of each sample standardised by its own statistics, and every step of the output moved back by them."""
    modules, run = plain_sequential(fields, shapes)
    features, eps = shapes[0].sizes[-1], fields.get("eps", 1e-5)
    if fields.get("affine"):
        modules.register_parameter("weight", nn.Parameter(torch.ones(features)))
        modules.register_parameter("bias", nn.Parameter(torch.zeros(features)))

    def undone(column: Tensor, sample: Tensor, feature: int) -> Tensor:
        if fields.get("affine"):
            column = (column - modules.bias[feature]) / (modules.weight[feature] + eps**2)
        return column * _deviation(sample[:, feature], eps) + sample[:, feature].mean()

    def forecast(x: Tensor) -> Tensor:
        standardised = torch.stack(
            [torch.stack([(column - column.mean()) / _deviation(column, eps) for column in sample.unbind(1)], 1) for sample in x]
        )
        if fields.get("affine"):
            standardised = standardised * modules.weight + modules.bias
        output = run(standardised)
        steps = output.unflatten(-1, (-1, features))
        columns = [
            torch.stack([undone(row[..., feature], sample, feature) for feature in range(features)], -1)
            for row, sample in zip(steps, x, strict=True)
        ]
        return torch.stack(columns).reshape(output.shape)

    return modules, forecast


def _deviation(column: Tensor, eps: float) -> Tensor:
    return ((column - column.mean()).square().mean() + eps) ** 0.5


# Examples whose fields depend on the shape.


def reversible_norms() -> st.SearchStrategy[Example]:
    """Layers that end with all features of some steps, or with another number of values."""

    def of(shape: Shape) -> st.SearchStrategy[Example]:
        features = shape.sizes[-1]
        bodies = st.sampled_from(
            [
                ["relu"],
                [{"linear": {"out_features": features}}],
                [{"gru": {"hidden_size": 3, "return": "last"}}, {"linear": {"out_features": 2 * features}}],
                [{"conv1d": {"out_channels": features, "kernel_size": 2}}, "tanh"],
                ["global_max_pool"],
                ["flatten"],
                [{"linear": {"out_features": 4}}],
            ]
        )
        return st.tuples(
            st.just((shape,)),
            some({"layers": bodies}, eps=epsilons, affine=st.booleans()),
        )

    return st.one_of(series, vectors, images, nested_series).flatmap(of)


def _axes(shape: Shape) -> list[int]:
    return list(range(len(shape.sizes) + 1))


def permutations() -> st.SearchStrategy[Example]:
    """Orders of a shape's axes: mostly right, else with the batch moved, or no order at all."""

    def of(shape: Shape) -> st.SearchStrategy[Example]:
        inner = st.permutations(_axes(shape)[1:]).map(lambda order: [0, *order])
        any_order = st.permutations(_axes(shape))
        wrong = st.lists(st.integers(-1, 5), min_size=1, max_size=5)
        return st.tuples(st.just((shape,)), st.one_of(inner, inner, any_order, wrong).map(lambda dims: {"dims": dims}))

    return st.one_of(numbers, clips_of_volumes).flatmap(of)


def reshapes() -> st.SearchStrategy[Example]:
    """Sizes for a shape: mostly with as many values, else any."""

    def of(shape: Shape) -> st.SearchStrategy[Example]:
        total = math.prod(shape.sizes)
        divisors = st.sampled_from([size for size in range(1, total + 1) if total % size == 0])
        pair = divisors.map(lambda size: [size, total // size])
        three = st.tuples(few, divisors).map(lambda two: [two[0], -1, two[1]])
        anything = st.lists(st.integers(-2, 6), min_size=1, max_size=5)
        return st.tuples(st.just((shape,)), st.one_of(st.just([-1]), pair, three, anything).map(lambda s: {"sizes": s}))

    return numbers.flatmap(of)


def prelus() -> st.SearchStrategy[Example]:
    """One slope, one for each channel, or three."""

    def of(shape: Shape) -> st.SearchStrategy[Example]:
        counts = st.sampled_from([1, (0, *shape.sizes)[channel_axis(shape)], 3])
        return st.tuples(st.just((shape,)), some({}, num_parameters=counts, init=st.floats(-1, 1)))

    return numbers.flatmap(of)


def joins(fields: st.SearchStrategy[Fields], most: int = 3) -> st.SearchStrategy[Example]:
    """Two to `most` inputs: mostly equal, else of any sizes or kinds."""
    equal = st.tuples(numbers, st.integers(2, most)).map(lambda drawn: (drawn[0],) * drawn[1])
    alike = st.one_of(*(st.lists(kind, min_size=2, max_size=most) for kind in (vectors, series, images))).map(tuple)
    mixed = st.lists(numbers, min_size=2, max_size=2).map(tuple)

    def with_names(drawn: tuple[Shapes, Fields]) -> Example:
        return drawn[0], drawn[1] | {"from": [f"layer_{index}" for index in range(len(drawn[0]))]}

    return st.tuples(st.one_of(equal, alike, mixed), fields).map(with_names)


BODIES = st.sampled_from(
    [
        (series, ["relu"]),
        (series, [{"linear": {"out_features": 3}}, "tanh"]),
        (series, [{"conv2d": {"out_channels": 2, "kernel_size": 1}}]),
        (clips, [{"conv2d": {"out_channels": 2, "kernel_size": 2}}, "relu", "flatten"]),
        (clips, [{"conv2d": {"out_channels": 4, "kernel_size": 3, "padding": 1}}, {"max_pool2d": {"kernel_size": 2}}]),
        (clips, ["flatten", {"linear": {"out_features": 2, "bias": False}}]),
        (nested_series, [{"layer_norm": {}}, {"permute": {"dims": [0, 2, 1]}}]),
        (st.builds(Sequence, sizes, st.builds(Token, sizes)), [{"embedding": {"embedding_dim": 3}}, "relu"]),
    ]
)
bodies = BODIES.flatmap(lambda body: st.tuples(one(body[0]), st.just({"layers": body[1]})))
nothing = st.just({})


def _product(*inputs: Tensor) -> Tensor:
    return math.prod(inputs[1:], start=inputs[0])


def _sum(*inputs: Tensor) -> Tensor:
    return sum(inputs[1:], start=inputs[0])


def _step(shape: Shape) -> Shape:
    assert isinstance(shape, Sequence)
    return shape.item


CASES: dict[str, Case] = {
    "conv1d": Case(examples(series, convolutions(1)), plain_convolution(nn.Conv1d)),
    "conv2d": Case(examples(images, convolutions(2)), plain_convolution(nn.Conv2d)),
    "conv3d": Case(examples(volumes, convolutions(3)), plain_convolution(nn.Conv3d)),
    "conv_transpose1d": Case(examples(series, transposed_convolutions(1)), plain_convolution(nn.ConvTranspose1d)),
    "conv_transpose2d": Case(examples(images, transposed_convolutions(2)), plain_convolution(nn.ConvTranspose2d)),
    "max_pool1d": Case(examples(series, max_pools(1)), plain_windows(nn.MaxPool1d)),
    "max_pool2d": Case(examples(images, max_pools(2)), plain_windows(nn.MaxPool2d)),
    "max_pool3d": Case(examples(volumes, max_pools(3)), plain_windows(nn.MaxPool3d)),
    "avg_pool1d": Case(examples(series, avg_pools(1)), plain_windows(nn.AvgPool1d)),
    "avg_pool2d": Case(examples(images, avg_pools(2)), plain_windows(nn.AvgPool2d)),
    "avg_pool3d": Case(examples(volumes, avg_pools(3)), plain_windows(nn.AvgPool3d)),
    "adaptive_max_pool1d": Case(examples(series, adaptive_pools(1)), plain_windows(nn.AdaptiveMaxPool1d)),
    "adaptive_max_pool2d": Case(examples(images, adaptive_pools(2)), plain_windows(nn.AdaptiveMaxPool2d)),
    "adaptive_max_pool3d": Case(examples(volumes, adaptive_pools(3)), plain_windows(nn.AdaptiveMaxPool3d)),
    "adaptive_avg_pool1d": Case(examples(series, adaptive_pools(1)), plain_windows(nn.AdaptiveAvgPool1d)),
    "adaptive_avg_pool2d": Case(examples(images, adaptive_pools(2)), plain_windows(nn.AdaptiveAvgPool2d)),
    "adaptive_avg_pool3d": Case(examples(volumes, adaptive_pools(3)), plain_windows(nn.AdaptiveAvgPool3d)),
    "global_avg_pool": Case(
        examples(st.one_of(series, images, volumes), nothing), plain_global(torch.mean, nn.AdaptiveAvgPool2d)
    ),
    "global_max_pool": Case(
        examples(st.one_of(series, images, volumes), nothing), plain_global(torch.amax, nn.AdaptiveMaxPool2d)
    ),
    "batch_norm1d": Case(examples(st.one_of(vectors, series), channel_norms), plain_channel_norm(nn.BatchNorm1d)),
    "batch_norm2d": Case(examples(images, channel_norms), plain_channel_norm(nn.BatchNorm2d)),
    "batch_norm3d": Case(examples(volumes, channel_norms), plain_channel_norm(nn.BatchNorm3d)),
    "layer_norm": Case(
        examples(numbers, some({}, eps=epsilons, elementwise_affine=st.booleans(), bias=st.booleans())), plain_layer_norm
    ),
    "group_norm": Case(
        examples(st.one_of(vectors, series, images, volumes), some({"num_groups": few}, eps=epsilons, affine=st.booleans())),
        plain_group_norm,
    ),
    "instance_norm": Case(
        examples(st.one_of(series, images, volumes), channel_norms),
        plain_channel_norm(nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d),
    ),
    "last_step": Case(examples(numbers, nothing), plain_last_step),
    "dropout": Case(examples(numbers, some({}, p=st.floats(0, 0.9), variational=st.booleans())), plain_dropout),
    "dropout1d": Case(examples(series, some({}, p=st.floats(0, 0.9))), plain_windows(nn.Dropout1d)),
    "dropout2d": Case(examples(images, some({}, p=st.floats(0, 0.9))), plain_windows(nn.Dropout2d)),
    "linear": Case(
        examples(st.one_of(vectors, series), some({"out_features": st.integers(1, 6)}, bias=st.booleans())),
        lambda fields, shapes: direct(nn.Linear(shapes[0].sizes[-1], **fields)),
    ),
    "embedding": Case(
        examples(
            tokens,
            some(
                {"embedding_dim": few},
                padding_idx=st.one_of(st.none(), st.integers(-3, 8)),
                max_norm=st.one_of(st.none(), st.sampled_from([0.5, 10.0])),
            ),
        ),
        plain_embedding,
    ),
    "flatten": Case(
        examples(st.one_of(numbers, clips_of_volumes), some({}, start_dim=axis(), end_dim=axis())),
        lambda fields, _: direct(nn.Flatten(**fields)),
    ),
    "reshape": Case(reshapes(), lambda fields, _: functional(lambda x: x.reshape(len(x), *fields["sizes"]))),
    "permute": Case(permutations(), lambda fields, _: functional(lambda x: x.permute(fields["dims"]))),
    "relu": Case(examples(numbers, nothing), plain_activation(nn.ReLU)),
    "relu6": Case(examples(numbers, nothing), plain_activation(nn.ReLU6)),
    "leaky_relu": Case(examples(numbers, some({}, negative_slope=st.floats(0, 2))), plain_activation(nn.LeakyReLU)),
    "prelu": Case(prelus(), plain_prelu),
    "elu": Case(examples(numbers, some({}, alpha=st.floats(0.1, 2))), plain_activation(nn.ELU)),
    "selu": Case(examples(numbers, nothing), plain_activation(nn.SELU)),
    "gelu": Case(examples(numbers, some({}, approximate=st.sampled_from(["none", "tanh"]))), plain_activation(nn.GELU)),
    "silu": Case(examples(numbers, nothing), plain_activation(nn.SiLU)),
    "mish": Case(examples(numbers, nothing), plain_activation(nn.Mish)),
    "hardswish": Case(examples(numbers, nothing), plain_activation(nn.Hardswish)),
    "tanh": Case(examples(numbers, nothing), plain_activation(nn.Tanh)),
    "sigmoid": Case(examples(numbers, nothing), plain_activation(nn.Sigmoid)),
    "softplus": Case(
        examples(numbers, some({}, beta=st.floats(0.1, 3), threshold=st.floats(0.5, 30))), plain_activation(nn.Softplus)
    ),
    "softmax": Case(examples(numbers, some({}, dim=st.one_of(st.none(), axis()))), plain_softmax(F.softmax)),
    "log_softmax": Case(examples(numbers, some({}, dim=st.one_of(st.none(), axis()))), plain_softmax(F.log_softmax)),
    "rnn": Case(examples(series, recurrent_fields(nonlinearity=st.sampled_from(["tanh", "relu"]))), plain_recurrent(nn.RNN)),
    "lstm": Case(
        examples(
            series,
            recurrent_fields(forget_bias=st.floats(-2, 2), chrono=st.integers(2, 100), proj_size=st.integers(0, 3)),
        ),
        plain_recurrent(nn.LSTM),
    ),
    "gru": Case(examples(series, recurrent_fields(chrono=st.integers(2, 100))), plain_recurrent(nn.GRU)),
    "sequential": Case(bodies.map(lambda example: ((_step(example[0][0]),), example[1])), plain_sequential),
    "time_distributed": Case(bodies, plain_time_distributed),
    "reversible_norm": Case(reversible_norms(), plain_reversible_norm),
    "add": Case(joins(nothing), lambda *_: functional(_sum)),
    "multiply": Case(joins(nothing), lambda *_: functional(_product)),
    "subtract": Case(joins(nothing, most=2), lambda *_: functional(lambda first, second: first - second)),
    "maximum": Case(joins(nothing), lambda *_: functional(lambda *inputs: torch.stack(inputs).amax(0))),
    "concat": Case(
        joins(some({}, dim=st.one_of(st.none(), axis()))),
        lambda fields, shapes: functional(
            lambda *inputs: torch.cat(inputs, fields["dim"] if fields.get("dim") is not None else channel_axis(shapes[0]))
        ),
    ),
}
