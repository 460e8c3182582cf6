"""Networks at random: lists of layers as a config has them, which fit their input.

A list grows by one entry at a time; an entry that the language refuses is dropped and another one drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

from dlcli.config import tree
from dlcli.config.diagnostics import Place, Report, Source
from dlcli.config.facts import INPUT
from dlcli.config.graph import Graph, all_nodes
from dlcli.config.layers import LAYERS
from dlcli.config.model import read_layers
from dlcli.config.shapes import (
    Image,
    Sequence,
    Shape,
    Time,
    Token,
    Vector,
    Volume,
    at_steps,
    channels_of,
    fixed_sizes,
    holds_tokens,
    num_values,
)

Fields = dict[str, Any]
Entry = dict[str, Fields]
Blocks = dict[str, Fields]

STEPS = 48
"""The fewest that a network for any number of steps can be run with."""
_PLACE = Place(Source("generated", ""), 1, 1)
_TRIES = 12
"""Entries that are drawn for one place before the list ends there."""
_NESTINGS = ("sequential", "time_distributed", "reversible_norm")
_JOINS = tuple(kind for kind, spec in LAYERS.items() if spec.joins)


@dataclass(frozen=True)
class Generated:
    """A config's `model`, and the graph that it was read as."""

    blocks: Blocks
    layers: list[Entry]
    graph: Graph


def generate(seed: int) -> Generated:
    """The network of that number."""
    random = Random(seed)  # noqa: S311  # nothing secret
    shape = _input(random)
    blocks: Blocks = {}
    if random.random() < 0.4:
        for number in range(random.randint(1, 2)):
            layers = _grown(random, _input_like(random, shape), blocks, random.randint(1, 4), depth=2)
            blocks[f"block{number}"] = _parametrised(random, layers)
    layers = _grown(random, shape, blocks, random.randint(1, 12), depth=0)
    graph = read(layers, shape, blocks)
    assert graph is not None
    return Generated(blocks, layers, graph)


def read(layers: list[Entry], shape: Shape, blocks: Blocks) -> Graph | None:
    """The graph, or None where the language refuses the list."""
    report = Report()
    section = _node({"blocks": blocks, "layers": layers})
    assert isinstance(section, tree.Mapping)
    graph = read_layers(section, {INPUT: shape}, {}, None, report)
    return None if report.diagnostics else graph


def _node(value: Any) -> tree.Node:
    if isinstance(value, dict):
        return tree.Mapping({key: tree.Entry(_PLACE, _node(item)) for key, item in value.items()}, _PLACE)
    if isinstance(value, list):
        return tree.Sequence(tuple(_node(item) for item in value), _PLACE)
    return tree.Scalar(value, _PLACE)


def _input(random: Random) -> Shape:
    steps = random.choice([random.randint(2, 6), random.randint(2, 6), random.randint(2, 6), Time()])
    image = Image(random.randint(1, 4), random.randint(4, 14), random.randint(4, 14))
    return random.choice(
        [
            Vector(random.randint(1, 12)),
            Sequence(steps, Vector(random.randint(1, 8))),
            Sequence(steps, Token(random.randint(2, 9))),
            image,
            image,
            Sequence(steps, image),
            Volume(random.randint(1, 3), *(random.randint(3, 7) for _ in range(3))),
        ]
    )


def _input_like(random: Random, shape: Shape) -> Shape:
    """What a block may be written for: the network's input, or something of another kind."""
    return shape if random.random() < 0.7 else _input(random)


def _grown(random: Random, shape: Shape, blocks: Blocks, length: int, depth: int) -> list[Entry]:
    """A list of up to that many entries, and at least one."""
    layers: list[Entry] = []
    graph = None
    for _ in range(length):
        for _ in range(_TRIES):
            entry = _entry(random, shape, graph, blocks, depth)
            longer = read([*layers, entry], shape, blocks) if entry is not None else None
            if entry is not None and longer is not None and _is_small(longer):
                layers, graph = [*layers, entry], longer
                break
        else:
            break
    return layers or ([{"embedding": {"embedding_dim": 4}}] if holds_tokens(shape) else [{"relu": {}}])


def _is_small(graph: Graph) -> bool:
    """Whether all is of a size that can be run; sequences can get shorter with each repetition, until nothing is left."""
    shapes = [at_steps(node.output_shape, STEPS) for node, _ in all_nodes(graph, unknown=STEPS)]
    return all(1 <= size <= 4096 for shape in shapes for size in fixed_sizes(shape))


def _entry(random: Random, shape: Shape, graph: Graph | None, blocks: Blocks, depth: int) -> Entry | None:
    """One entry that may or may not fit."""
    values = {INPUT: shape} | ({node.name: node.output_shape for node in graph.nodes} if graph else {})
    last = next(reversed(values))
    source = random.choice(list(values)) if random.random() < 0.2 else last
    kind = _kind(random, values, blocks, depth)
    if kind in _JOINS:
        return _join(random, kind, values)
    if kind == "share":
        return _share(random, graph, source) if graph else None
    if kind in blocks:
        fields: Fields = {name: _size(random) for name, default in blocks[kind]["params"].items() if default is None}
    elif kind in _NESTINGS:
        inner = values[source]
        if kind == "time_distributed":
            if not isinstance(inner, Sequence):
                return None
            inner = inner.item
        layers = _grown(random, inner, blocks if depth < 2 else {}, random.randint(1, 4), depth + 1)
        fields = {"layers": layers}
        if kind == "reversible_norm":
            if not isinstance(inner, Sequence) or not isinstance(inner.item, Vector):
                return None
            layers.append({"linear": {"out_features": inner.item.features * random.randint(1, 3)}})
            fields |= _some(random, affine=True)
    else:
        fields = _fields(random, kind, values[source])
    if source != last:
        fields["from"] = source
    if random.random() < 0.1:
        fields["repeat"] = random.randint(2, 3)
    if random.random() < 0.2:
        fields["name"] = f"named{random.randint(0, 99)}"
    return {kind: fields}


def _kind(random: Random, values: Mapping[str, Shape], blocks: Blocks, depth: int) -> str:
    draw = random.random()
    if draw < 0.12 and len(values) > 1:
        return random.choice(_JOINS)
    if draw < 0.2 and depth < 2:
        return random.choice(_NESTINGS)
    if draw < 0.25:
        return "share"
    if draw < 0.4 and blocks:
        return random.choice(list(blocks))
    layout = next(reversed(values.values())).layout
    fitting = [kind for kind, spec in LAYERS.items() if kind not in (*_JOINS, *_NESTINGS, "share")]
    narrow = [kind for kind in fitting if layout in LAYERS[kind].accepts]
    kinds = narrow if narrow and random.random() < 0.7 else fitting
    return random.choices(kinds, [_weight(kind) for kind in kinds])[0]


def _weight(kind: str) -> float:
    """What has weights is drawn more often than what makes a vector of everything."""
    if kind.startswith(("conv", "linear", "rnn", "lstm", "gru", "embedding")):
        return 3
    return 0.5 if kind.startswith(("global", "adaptive", "flatten", "reshape", "group_norm")) else 1


def _join(random: Random, kind: str, values: Mapping[str, Shape]) -> Entry | None:
    """A join of values that are alike, for some joins in all but one axis."""
    first = random.choice(list(values))
    alike = [name for name, shape in values.items() if shape.layout == values[first].layout]
    if kind != "concat":
        alike = [name for name in alike if values[name] == values[first]]
    count = 2 if kind == "subtract" else random.randint(2, 3)
    fields: Fields = {"from": [random.choice(alike) for _ in range(count)]}
    if kind == "concat" and random.random() < 0.4:
        fields["dim"] = random.randint(1, 3)
    return {kind: fields}


def _share(random: Random, graph: Graph, source: str) -> Entry:
    """A layer above once more, where there is one on an input of the same shape if one can be found."""
    node = random.choice(graph.nodes)
    return {"share": {"layer": node.name, "from": random.choice([source, *node.inputs[:1]])}}


def _parametrised(random: Random, layers: list[Entry]) -> Fields:
    """A block of these layers: some of their sizes become parameters, with a default or without."""
    params: Fields = {}
    for entry in layers:
        (fields,) = entry.values()
        for key in ("out_channels", "out_features", "hidden_size"):
            if key in fields and random.random() < 0.7:
                name = f"size{len(params)}"
                params[name] = fields[key] if random.random() < 0.5 else None
                fields[key] = f"${{{name}}}"
    return {"params": params, "layers": layers}


def _size(random: Random) -> int:
    return random.choice([1, 2, 3, 4, 6, 8])


def _fields(random: Random, kind: str, shape: Shape) -> Fields:
    family = kind.rstrip("123d")
    make = _MAKERS.get(kind) or _MAKERS.get(family)
    fields = make(random, shape) if make is not None else {}
    axes = int(kind[-2]) if kind[-2:] in ("1d", "2d", "3d") else 0
    return {key: _on_axes(random, value, axes) for key, value in fields.items()}


@dataclass(frozen=True)
class _PerAxis:
    """A number for each axis, or one for all."""

    choices: tuple[int, ...]


def _on_axes(random: Random, value: Any, axes: int) -> Any:
    if not isinstance(value, _PerAxis):
        return value
    return random.choice(value.choices) if random.random() < 0.5 else [random.choice(value.choices) for _ in range(axes)]


def _some(random: Random, **fields: Any) -> Fields:
    """Any of these fields; what is left out has its default."""
    return {key: value for key, value in fields.items() if random.random() < 0.4}


def _groups(random: Random, shape: Shape) -> int:
    channels = 1 if holds_tokens(shape) else channels_of(shape)
    return random.choice([divisor for divisor in range(1, channels + 1) if channels % divisor == 0])


def _convolution(random: Random, shape: Shape) -> Fields:
    groups = _groups(random, shape) if random.random() < 0.3 else 1
    return {
        "out_channels": groups * random.choice([1, 2, 4]),
        "kernel_size": _PerAxis((1, 2, 3, 3)),
        "groups": groups,
        **_some(
            random,
            stride=_PerAxis((1, 2)),
            padding=random.choice([_PerAxis((0, 1, 2)), "same", "valid"]),
            dilation=_PerAxis((1, 1, 2)),
            bias=random.random() < 0.5,
            padding_mode=random.choice(["zeros", "reflect", "replicate", "circular"]),
        ),
    }


def _transposed(random: Random, shape: Shape) -> Fields:
    groups = _groups(random, shape) if random.random() < 0.3 else 1
    return {
        "out_channels": groups * random.choice([1, 2, 3]),
        "kernel_size": _PerAxis((1, 2, 3, 4)),
        "groups": groups,
        **_some(
            random,
            stride=_PerAxis((1, 2, 3)),
            padding=_PerAxis((0, 1)),
            output_padding=_PerAxis((0, 1)),
            dilation=_PerAxis((1, 2)),
            bias=random.random() < 0.5,
        ),
    }


def _pool(random: Random, _: Shape) -> Fields:
    options = _some(random, stride=_PerAxis((1, 2, 3)), padding=_PerAxis((0, 1)), ceil_mode=random.random() < 0.5)
    return {"kernel_size": _PerAxis((1, 2, 2, 3)), **options}


def _max_pool(random: Random, shape: Shape) -> Fields:
    return _pool(random, shape) | _some(random, dilation=_PerAxis((1, 2)))


def _avg_pool(random: Random, shape: Shape) -> Fields:
    return _pool(random, shape) | _some(random, count_include_pad=random.random() < 0.5)


def _adaptive_pool(random: Random, _: Shape) -> Fields:
    return {"output_size": _PerAxis((1, 2, 3, 5))}


def _channel_norm(random: Random, _: Shape) -> Fields:
    return _some(random, affine=random.random() < 0.5, track_running_stats=random.random() < 0.5)


def _recurrent(random: Random, _: Shape) -> Fields:
    layers = random.randint(1, 3)
    return {
        "hidden_size": _size(random),
        "num_layers": layers,
        **_some(random, bias=random.random() < 0.5, bidirectional=True, dropout=0.2 if layers > 1 else 0.0),
        **_some(random, **{"return": random.choice(["last", "sequence"])}),
    }


def _reshape(random: Random, shape: Shape) -> Fields:
    if any(isinstance(size, Time) for size in shape.sizes):
        return {"sizes": [-1]}
    rest, sizes = num_values(shape), []
    for _ in range(random.randint(0, 3)):
        sizes.append(random.choice([divisor for divisor in range(1, min(rest, 64) + 1) if rest % divisor == 0]))
        rest //= sizes[-1]
    layout = {"layout": random.choice(["clip", "volume"])} if len(sizes) == 3 and random.random() < 0.7 else {}
    return {"sizes": [*sizes, random.choice([rest, -1])], **layout}


def _permute(random: Random, shape: Shape) -> Fields:
    dims = list(range(1, len(shape.sizes) + 1))
    random.shuffle(dims)
    return {"dims": [0, *dims]}


def _over_axis(random: Random, shape: Shape) -> Fields:
    return _some(random, dim=random.randint(1, max(1, len(shape.sizes))))


def _prelu(random: Random, shape: Shape) -> Fields:
    return _some(random, num_parameters=1 if holds_tokens(shape) else channels_of(shape))


_MAKERS: Mapping[str, Callable[[Random, Shape], Fields]] = {
    "conv": _convolution,
    "conv_transpose": _transposed,
    "max_pool": _max_pool,
    "avg_pool": _avg_pool,
    "adaptive_max_pool": _adaptive_pool,
    "adaptive_avg_pool": _adaptive_pool,
    "batch_norm": _channel_norm,
    "instance_norm": _channel_norm,
    "group_norm": lambda random, shape: {"num_groups": _groups(random, shape)},
    "layer_norm": lambda random, _: _some(random, elementwise_affine=random.random() < 0.5, bias=random.random() < 0.5),
    "linear": lambda random, _: {"out_features": _size(random), **_some(random, bias=False)},
    "embedding": lambda random, _: {"embedding_dim": _size(random), **_some(random, padding_idx=0)},
    "flatten": lambda random, _: _some(random, start_dim=random.randint(1, 3), end_dim=random.choice([-1, 2, 3])),
    "reshape": _reshape,
    "permute": _permute,
    "softmax": _over_axis,
    "log_softmax": _over_axis,
    "prelu": _prelu,
    "rnn": _recurrent,
    "lstm": _recurrent,
    "gru": _recurrent,
}
"""The fields of a layer by its name, or by that of its family; the others need none."""
