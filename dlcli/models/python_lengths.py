"""Layers on sequences of different lengths as text: what stands in the place of `python_source` where a number of steps is free.

It says in words what the layers of `dlcli.models` do with lengths: each sequence gets what it would get alone. In the texts
`{lengths}` are the steps of each sequence that a layer reads, and `{after}` those of what it gives.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from dlcli.config.graph import Graph, LayerNode
from dlcli.config.layers import activation, convolution, normalisation, pooling, recurrent
from dlcli.config.layers.base import LayerSpec
from dlcli.config.layers.nesting import ReversibleNorm, TimeDistributed
from dlcli.config.layers.windows import conv_size
from dlcli.config.shapes import Sequence, Shape, Time, has_any_time
from dlcli.models import python_length_functions as functions
from dlcli.models.python_source import CALL, SOURCES, Argument, LayerSource, Shapes, Writer, literal

LENGTHS: Final = "lengths"
"""The argument of a written network that says how many steps each sequence has."""
_CLEARED: Final = "masked({0}, {lengths})"


def steps_text(time: Time, steps: str = LENGTHS) -> str:
    """The number of steps behind layers, given the expression for that of the network's input."""
    text, is_sum = steps, False
    for multiplier, offset, divisor in time.links:
        if multiplier > 1:
            text = f"{multiplier} * {text if text == steps else f'({text})'}"
        if offset:
            text, is_sum = f"{text} {'+' if offset > 0 else '-'} {abs(offset)}", True
        if divisor > 1:
            text, is_sum = f"({text}) // {divisor}" if is_sum else f"{text} // {divisor}", False
    return text


def time_of(shape: Shape) -> Time | None:
    """The number of steps, where it is free."""
    return shape.time if isinstance(shape, Sequence) and isinstance(shape.time, Time) else None


def takes_lengths(graph: Graph) -> bool:
    """Whether a network reads sequences of different lengths."""
    return any(map(has_any_time, graph.inputs.values()))


def source_with_lengths(node: LayerNode) -> LayerSource:
    """A layer whose first input is of sequences of different lengths; what looks at each step by itself is as ever."""
    write = _WITH_LENGTHS.get(type(node.spec), SOURCES[type(node.spec)])
    return write(node.spec, node.input_shapes)


def nesting_with_lengths(node: LayerNode) -> LayerSource:
    """The call of the class of a nesting, which counts steps from the same input as the network around it."""
    if isinstance(node.spec, TimeDistributed):
        return LayerSource(None, "over_valid_steps({layer}, {0}, {lengths})", functions=(functions.OVER_VALID_STEPS,))
    if isinstance(node.spec, ReversibleNorm):
        name = "affine_reversible_norm" if node.spec.affine else "reversible_norm"
        function = functions.AFFINE_REVERSIBLE_NORM if node.spec.affine else functions.REVERSIBLE_NORM
        return LayerSource(None, f"{name}({{layer}}, {{0}}, {LENGTHS}, {{lengths}}, {node.spec.eps})", functions=(function,))
    return LayerSource(None, f"{{layer}}({{0}}, {LENGTHS})")


def _cleared(spec: Any, inputs: Shapes) -> LayerSource:
    """Padding is 0."""
    source = SOURCES[type(spec)](spec, inputs)
    return replace(source, value=source.value.replace("{0}", _CLEARED))


def _conv1d(spec: Any, inputs: Shapes) -> LayerSource:
    """Each sequence is padded at its own ends."""
    source = _cleared(spec, inputs)
    if spec.padding_mode == "zeros":
        return source
    assert source.module is not None
    zeros = {"padding": 0, "padding_mode": "zeros"}
    arguments = tuple(_with(argument, zeros) for argument in source.module.arguments)
    (before,), (after,) = spec.padding_of_axes()
    value = f"padded_conv1d({{layer}}, {{0}}, {{lengths}}, {before}, {after}, {literal(spec.padding_mode)})"
    return LayerSource(replace(source.module, arguments=arguments), value, functions=(functions.PADDED_CONV1D,))


def _with(argument: Argument, values: Mapping[str, Any]) -> Argument:
    return replace(argument, value=values[argument.name]) if argument.name in values else argument


def _max_pool1d(spec: pooling.MaxPool1d, _: Shapes) -> LayerSource:
    """0 stands behind what is given."""
    sizes = ", ".join(map(str, (*_window(spec), spec.dilation[0])))
    value = f"largest_of_windows({{0}}, {{lengths}}, {sizes}, {_count(spec, spec.dilation[0])})"
    return LayerSource(None, f"masked({value}, {{after}})", functions=(functions.LARGEST_OF_WINDOWS,))


def _avg_pool1d(spec: pooling.AvgPool1d, _: Shapes) -> LayerSource:
    counted = spec.padding[0] if spec.count_include_pad else 0
    sizes = ", ".join(map(str, _window(spec)))
    value = f"mean_of_windows({{0}}, {{lengths}}, {sizes}, {_count(spec, 1)}, {counted})"
    return LayerSource(None, value, functions=(functions.MEAN_OF_WINDOWS,))


def _window(spec: Any) -> tuple[int, int, int]:
    return spec.kernel_size[0], (spec.stride or spec.kernel_size)[0], spec.padding[0]


def _count(spec: Any, dilation: int) -> str:
    """How many windows there are, as an expression."""
    count = conv_size(Time(), *_window(spec), dilation, ceil=spec.ceil_mode)
    assert isinstance(count, Time)
    return steps_text(count, "{0}.shape[1]")


def _adaptive_max_pool1d(spec: pooling.AdaptiveMaxPool1d, _: Shapes) -> LayerSource:
    value = f"adaptive_windows({{0}}, {{lengths}}, {spec.output_size[0]})[0].amax(2)"
    return LayerSource(None, value, functions=(functions.ADAPTIVE_WINDOWS,))


def _adaptive_avg_pool1d(spec: pooling.AdaptiveAvgPool1d, _: Shapes) -> LayerSource:
    value = f"mean_of_adaptive_windows({{0}}, {{lengths}}, {spec.output_size[0]})"
    return LayerSource(None, value, functions=(functions.ADAPTIVE_WINDOWS, functions.MEAN_OF_ADAPTIVE_WINDOWS))


def _function(name: str, function: str) -> LayerSource:
    return LayerSource(None, f"{name}({{0}}, {{lengths}})", functions=(function,))


def _by_function(name: str, function: str) -> Writer:
    """A module that a function runs."""

    def write(spec: Any, inputs: Shapes) -> LayerSource:
        return replace(SOURCES[type(spec)](spec, inputs), value=f"{name}({{layer}}, {{0}}, {{lengths}})", functions=(function,))

    return write


def _over_axis(spec: Any, inputs: Shapes) -> LayerSource:
    """Over time, of the steps that are there; 0 stands behind them."""
    source = SOURCES[type(spec)](spec, inputs)
    if spec.resolved_dim(inputs[0]) != 1:
        return source
    value = source.value.replace("{0}", "masked({0}, {lengths}, -torch.inf)")
    return replace(source, value=f"masked({value}, {{lengths}})" if isinstance(spec, activation.LogSoftmax) else value)


def _recurrent(spec: Any, inputs: Shapes) -> LayerSource:
    """Torch packs the sequences; the last state of each is that after its own last step."""
    source = SOURCES[type(spec)](spec, inputs)
    plain, packed, function = CALL, "recur({layer}, {0}, {lengths})", functions.RECUR
    if spec.recurrent_dropout:
        dropped = f"drop_recurrent({{layer}}, {spec.recurrent_dropout})"
        plain = f"torch.func.functional_call({{layer}}, {dropped}, {{0}})"
        packed, function = f"recur_with({dropped}, {{layer}}, {{0}}, {{lengths}})", functions.RECUR_WITH
    before = source.before.replace(plain, packed) if source.before else None
    value = source.value.replace(plain, packed)
    return replace(source, value=value, before=before, functions=(*source.functions, function))


_WITH_LENGTHS: Final[Mapping[type[LayerSpec], Writer]] = {
    convolution.Conv1d: _conv1d,
    convolution.ConvTranspose1d: _cleared,
    pooling.MaxPool1d: _max_pool1d,
    pooling.AvgPool1d: _avg_pool1d,
    pooling.AdaptiveMaxPool1d: _adaptive_max_pool1d,
    pooling.AdaptiveAvgPool1d: _adaptive_avg_pool1d,
    pooling.GlobalAvgPool: lambda *_: _function("mean_over_time", functions.MEAN_OVER_TIME),
    pooling.GlobalMaxPool: lambda *_: LayerSource(None, "masked({0}, {lengths}, -torch.inf).amax(1)"),
    pooling.LastStep: lambda *_: _function("last_step", functions.LAST_STEP),
    normalisation.BatchNorm1d: _by_function("over_valid_steps", functions.OVER_VALID_STEPS),
    normalisation.GroupNorm: _by_function("group_norm", functions.GROUP_NORM),
    normalisation.InstanceNorm: _by_function("instance_norm", functions.INSTANCE_NORM),
    activation.Softmax: _over_axis,
    activation.LogSoftmax: _over_axis,
    recurrent.Rnn: _recurrent,
    recurrent.Lstm: _recurrent,
    recurrent.Gru: _recurrent,
}
"""Layers whose calculation crosses steps."""
