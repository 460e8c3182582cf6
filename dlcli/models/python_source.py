"""From a layer's spec and the shapes it reads to plain PyTorch as text: the table of the vocabulary.

It says in words what `dlcli.models.builders` builds: the same weights under the same names, and the same calculation.
Layers with weights, and those that training and evaluation run differently, are modules; all others are functions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from dlcli.config.layers import (
    activation,
    convolution,
    dense,
    dropout,
    join,
    normalisation,
    pooling,
    recurrent,
    reshaping,
)
from dlcli.config.layers.base import LayerSpec
from dlcli.config.shapes import Sequence, Shape, channel_axis, channels_of, fixed_sizes, token_of, window_sizes

Shapes = tuple[Shape, ...]


class Code(str):
    """An argument that is written as it stands."""


Value = int | float | str | tuple[int, ...] | None
"""Of an argument."""


@dataclass(frozen=True)
class Argument:
    """One argument of a call.

    Attributes:
        name: torch's.
        value: what is given.
        default: what torch takes without it; REQUIRED where it has none.
        by_name: whether it is written as `name=value`.
    """

    name: str
    value: Value
    default: Value
    by_name: bool = True


REQUIRED: Final = "required"
"""Torch has no such value for any argument."""


CALL: Final = "{layer}({0})"
"""Of a module on the one tensor that it reads."""


@dataclass(frozen=True)
class Call:
    """A function or a class of torch and its arguments."""

    function: str
    arguments: tuple[Argument, ...]


@dataclass(frozen=True)
class LayerSource:
    """A layer as text.

    Attributes:
        module: what is registered under the layer's name; None for a function, and for a nesting, which has a class of its own.
        value: the expression; `{layer}` is the module, `{0}`, `{1}` ... what the layer reads.
        target: what the value is assigned to, where it is a tuple.
        before: a statement that must come first.
        functions: those that they call, which the module has once, each below those that it calls itself.
    """

    module: Call | None
    value: str = CALL
    target: str = "{target}"
    before: str | None = None
    functions: tuple[str, ...] = ()


Writer = Callable[[Any, Shapes], LayerSource]
"""Takes a spec and the shapes of the layer's inputs, which fit it."""


def literal(value: Value) -> str:
    """A value as Python text."""
    if isinstance(value, Code):
        return value
    return f'"{value}"' if isinstance(value, str) else repr(value)


def arguments_text(arguments: tuple[Argument, ...]) -> str:
    """What stands between the brackets of a call; what torch takes anyway is left out."""
    given = (argument for argument in arguments if argument.value != argument.default)
    return ", ".join(f"{argument.name}=" * argument.by_name + literal(argument.value) for argument in given)


def _first(name: str, value: Value) -> Argument:
    return Argument(name, value, REQUIRED, by_name=False)


def _sizes(name: str, sizes: tuple[int, ...], default: Value = REQUIRED) -> Argument:
    """One number where all are equal, as torch takes it."""
    return Argument(name, sizes[0] if len(set(sizes)) == 1 else sizes, default)


def _with_channels_on_axis_1(source: LayerSource, axis: int) -> LayerSource:
    """Torch's layer on tensors that have their channels on another axis."""
    if axis == 1:
        return source
    swap = f".transpose(1, {axis})"
    return replace(source, value=source.value.replace("{0}", "{0}" + swap) + swap)


def _over_steps(source: LayerSource, shape: Shape) -> LayerSource:
    """A sequence is (batch, time, features), and torch's layers for it read (batch, features, time)."""
    return _with_channels_on_axis_1(source, 2 if isinstance(shape, Sequence) else 1)


def _function(name: str, *arguments: Argument) -> LayerSource:
    text = arguments_text(arguments)
    return LayerSource(None, f"{name}({{0}}, {text})" if text else f"{name}({{0}})")


def _activation(name: str) -> Writer:
    return lambda *_: _function(name)


def _convolution(layer: str) -> Writer:
    def write(spec: Any, inputs: Shapes) -> LayerSource:
        before, after = spec.padding_of_axes()
        uneven = before != after
        module = Call(
            layer,
            (
                _first("in_channels", channels_of(inputs[0])),
                _first("out_channels", spec.out_channels),
                _sizes("kernel_size", spec.kernel_size),
                _sizes("stride", spec.stride, 1),
                _sizes("padding", (0,) if uneven else before, 0),
                _sizes("dilation", spec.dilation, 1),
                Argument("groups", spec.groups, 1),
                Argument("bias", spec.bias, default=True),
                Argument("padding_mode", "zeros" if uneven else spec.padding_mode, "zeros"),
            ),
        )
        value = f"{{layer}}({_padded(before, after, spec.padding_mode)})" if uneven else CALL
        return _over_steps(LayerSource(module, value), inputs[0])

    return write


def _padded(before: tuple[int, ...], after: tuple[int, ...], mode: str) -> str:
    """What 'same' adds, which torch's own does only without a stride. `F.pad` counts the axes from the last one."""
    pads = tuple(pad for axis in reversed(list(zip(before, after, strict=True))) for pad in axis)
    return f"F.pad({{0}}, {pads}" + ("" if mode == "zeros" else f', mode="{mode}"') + ")"


def _transposed_convolution(layer: str) -> Writer:
    def write(spec: Any, inputs: Shapes) -> LayerSource:
        module = Call(
            layer,
            (
                _first("in_channels", channels_of(inputs[0])),
                _first("out_channels", spec.out_channels),
                _sizes("kernel_size", spec.kernel_size),
                _sizes("stride", spec.stride, 1),
                _sizes("padding", spec.padding, 0),
                _sizes("output_padding", spec.output_padding, 0),
                Argument("groups", spec.groups, 1),
                Argument("bias", spec.bias, default=True),
                _sizes("dilation", spec.dilation, 1),
            ),
        )
        return _over_steps(LayerSource(module), inputs[0])

    return write


def _windows(spec: Any) -> tuple[Argument, ...]:
    kernel = _sizes("kernel_size", spec.kernel_size)
    return (
        replace(kernel, by_name=False),
        _sizes("stride", spec.stride or spec.kernel_size, kernel.value),
        _sizes("padding", spec.padding, 0),
    )


def _max_pool(function: str) -> Writer:
    return lambda spec, inputs: _over_steps(
        _function(
            function,
            *_windows(spec),
            _sizes("dilation", spec.dilation, 1),
            Argument("ceil_mode", spec.ceil_mode, default=False),
        ),
        inputs[0],
    )


def _avg_pool(function: str) -> Writer:
    return lambda spec, inputs: _over_steps(
        _function(
            function,
            *_windows(spec),
            Argument("ceil_mode", spec.ceil_mode, default=False),
            Argument("count_include_pad", spec.count_include_pad, default=True),
        ),
        inputs[0],
    )


def _adaptive_pool(function: str) -> Writer:
    return lambda spec, inputs: _over_steps(
        _function(function, replace(_sizes("output_size", spec.output_size), by_name=False)), inputs[0]
    )


def _global_pool(method: str) -> Writer:
    def write(spec: Any, inputs: Shapes) -> LayerSource:  # noqa: ARG001  # a writer's signature
        first = 1 if isinstance(inputs[0], Sequence) else 2
        axes = tuple(range(first, first + len(window_sizes(inputs[0]))))
        return LayerSource(None, f"{{0}}.{method}({literal(axes[0] if len(axes) == 1 else axes)})")

    return write


def _channel_norm(layer: str) -> Writer:
    """A batch normalisation."""
    return lambda spec, inputs: _over_steps(
        LayerSource(_channel_norm_module(layer, spec, inputs[0], affine=True, track_running_stats=True)), inputs[0]
    )


def _instance_norm(spec: normalisation.InstanceNorm, inputs: Shapes) -> LayerSource:
    axes = len(window_sizes(inputs[0]))
    module = _channel_norm_module(f"nn.InstanceNorm{axes}d", spec, inputs[0], affine=False, track_running_stats=False)
    return _over_steps(LayerSource(module), inputs[0])


def _channel_norm_module(layer: str, spec: Any, shape: Shape, **defaults: bool) -> Call:
    return Call(
        layer,
        (
            _first("num_features", channels_of(shape)),
            Argument("eps", spec.eps, 1e-5),
            Argument("momentum", spec.momentum, 0.1),
            *(Argument(name, getattr(spec, name), default) for name, default in defaults.items()),
        ),
    )


def _group_norm(spec: normalisation.GroupNorm, inputs: Shapes) -> LayerSource:
    module = Call(
        "nn.GroupNorm",
        (
            _first("num_groups", spec.num_groups),
            _first("num_channels", channels_of(inputs[0])),
            Argument("eps", spec.eps, 1e-5),
            Argument("affine", spec.affine, default=True),
        ),
    )
    return _over_steps(LayerSource(module), inputs[0])


def _layer_norm(spec: normalisation.LayerNorm, inputs: Shapes) -> LayerSource:
    sizes = fixed_sizes(spec.normalised(inputs[0]))
    return LayerSource(
        Call(
            "nn.LayerNorm",
            (
                _first("normalized_shape", sizes[0] if len(sizes) == 1 else sizes),
                Argument("eps", spec.eps, 1e-5),
                Argument("elementwise_affine", spec.elementwise_affine, default=True),
                Argument("bias", spec.bias, default=True),
            ),
        )
    )


def _dropout_of_values(spec: dropout.Dropout, _: Shapes) -> LayerSource:
    """One mask for all steps is that of a sequence of a single one."""
    value = "{0} * {layer}(torch.ones_like({0}[:, :1]))" if spec.variational else CALL
    return LayerSource(Call("nn.Dropout", (_first("p", spec.p),)), value)


def _dropout1d(spec: dropout.Dropout1d, inputs: Shapes) -> LayerSource:
    return _over_steps(LayerSource(Call("nn.Dropout1d", (_first("p", spec.p),))), inputs[0])


def _linear(spec: dense.Linear, inputs: Shapes) -> LayerSource:
    sizes = (_first("in_features", channels_of(inputs[0])), _first("out_features", spec.out_features))
    return LayerSource(Call("nn.Linear", (*sizes, Argument("bias", spec.bias, default=True))))


def _embedding(spec: dense.Embedding, inputs: Shapes) -> LayerSource:
    sizes = (_first("num_embeddings", token_of(inputs[0]).num_values), _first("embedding_dim", spec.embedding_dim))
    own = (Argument("padding_idx", spec.padding_idx, None), Argument("max_norm", spec.max_norm, None))
    return LayerSource(Call("nn.Embedding", (*sizes, *own)))


def _flatten(spec: reshaping.Flatten, _: Shapes) -> LayerSource:
    axes = f"{spec.start_dim}" if spec.end_dim == -1 else f"{spec.start_dim}, {spec.end_dim}"
    return LayerSource(None, f"{{0}}.flatten({axes})")


def _reshape(spec: reshaping.Reshape, inputs: Shapes) -> LayerSource:
    sizes = ", ".join(map(str, spec.resolved_sizes(inputs[0])))
    return LayerSource(None, f"{{0}}.reshape({{0}}.shape[0], {sizes})")


def _permute(spec: reshaping.Permute, _: Shapes) -> LayerSource:
    return LayerSource(None, f"{{0}}.permute({', '.join(map(str, spec.dims))})")


def _prelu(spec: activation.Prelu, inputs: Shapes) -> LayerSource:
    source = LayerSource(Call("nn.PReLU", (replace(_first("num_parameters", spec.num_parameters), default=1),)))
    return source if spec.num_parameters == 1 else _with_channels_on_axis_1(source, channel_axis(inputs[0]))


def _over_axis(function: str) -> Writer:
    return lambda spec, inputs: _function(function, Argument("dim", spec.resolved_dim(inputs[0]), REQUIRED))


_DROP_RECURRENT: Final = '''def drop_recurrent(layer: nn.RNNBase, p: float) -> dict[str, Tensor]:
    """Drop a share `p` of the hidden-to-hidden weights in training, the same at all steps."""
    return {
        name: F.dropout(weight, p, layer.training)
        for name, weight in layer.named_parameters()
        if name.startswith("weight_hh")
    }'''


def _recurrent(layer: str, *own: Argument) -> Writer:
    """`own` are the fields that only this layer has, with torch's defaults."""
    states = "(h, _)" if layer == "nn.LSTM" else "h"

    def write(spec: Any, inputs: Shapes) -> LayerSource:
        module = Call(
            layer,
            (
                _first("input_size", channels_of(inputs[0])),
                _first("hidden_size", spec.hidden_size),
                Argument("num_layers", spec.num_layers, 1),
                *(replace(argument, value=getattr(spec, argument.name)) for argument in own),
                Argument("bias", spec.bias, default=True),
                Argument("batch_first", value=True, default=False),
                Argument("dropout", spec.dropout, 0.0),
                Argument("bidirectional", spec.bidirectional, default=False),
            ),
        )
        call: str = CALL
        functions: tuple[str, ...] = ()
        if spec.recurrent_dropout:
            dropped = f"drop_recurrent({{layer}}, {spec.recurrent_dropout})"
            call, functions = f"torch.func.functional_call({{layer}}, {dropped}, {{0}})", (_DROP_RECURRENT,)
        if spec.return_ == "sequence":
            return LayerSource(module, call, target="{target}, _", functions=functions)
        top = "torch.cat((h[-2], h[-1]), dim=1)" if spec.bidirectional else "h[-1]"
        return LayerSource(module, top, before=f"_, {states} = {call}", functions=functions)

    return write


def _join(operator: str) -> Writer:
    return lambda _, inputs: LayerSource(None, f" {operator} ".join(f"{{{index}}}" for index in range(len(inputs))))


def _maximum(_: join.Maximum, inputs: Shapes) -> LayerSource:
    value = "{0}"
    for index in range(1, len(inputs)):
        value = f"torch.maximum({value}, {{{index}}})"
    return LayerSource(None, value)


def _concat(spec: join.Concat, inputs: Shapes) -> LayerSource:
    read = ", ".join(f"{{{index}}}" for index in range(len(inputs)))
    return LayerSource(None, f"torch.cat(({read}), dim={spec.resolved_dim(inputs[0])})")


SOURCES: Final[Mapping[type[LayerSpec], Writer]] = {
    convolution.Conv1d: _convolution("nn.Conv1d"),
    convolution.Conv2d: _convolution("nn.Conv2d"),
    convolution.Conv3d: _convolution("nn.Conv3d"),
    convolution.ConvTranspose1d: _transposed_convolution("nn.ConvTranspose1d"),
    convolution.ConvTranspose2d: _transposed_convolution("nn.ConvTranspose2d"),
    pooling.MaxPool1d: _max_pool("F.max_pool1d"),
    pooling.MaxPool2d: _max_pool("F.max_pool2d"),
    pooling.MaxPool3d: _max_pool("F.max_pool3d"),
    pooling.AvgPool1d: _avg_pool("F.avg_pool1d"),
    pooling.AvgPool2d: _avg_pool("F.avg_pool2d"),
    pooling.AvgPool3d: _avg_pool("F.avg_pool3d"),
    pooling.AdaptiveMaxPool1d: _adaptive_pool("F.adaptive_max_pool1d"),
    pooling.AdaptiveMaxPool2d: _adaptive_pool("F.adaptive_max_pool2d"),
    pooling.AdaptiveMaxPool3d: _adaptive_pool("F.adaptive_max_pool3d"),
    pooling.AdaptiveAvgPool1d: _adaptive_pool("F.adaptive_avg_pool1d"),
    pooling.AdaptiveAvgPool2d: _adaptive_pool("F.adaptive_avg_pool2d"),
    pooling.AdaptiveAvgPool3d: _adaptive_pool("F.adaptive_avg_pool3d"),
    pooling.GlobalAvgPool: _global_pool("mean"),
    pooling.GlobalMaxPool: _global_pool("amax"),
    pooling.LastStep: lambda *_: LayerSource(None, "{0}[:, -1]"),
    normalisation.BatchNorm1d: _channel_norm("nn.BatchNorm1d"),
    normalisation.BatchNorm2d: _channel_norm("nn.BatchNorm2d"),
    normalisation.BatchNorm3d: _channel_norm("nn.BatchNorm3d"),
    normalisation.LayerNorm: _layer_norm,
    normalisation.GroupNorm: _group_norm,
    normalisation.InstanceNorm: _instance_norm,
    dropout.Dropout: _dropout_of_values,
    dropout.Dropout1d: _dropout1d,
    dropout.Dropout2d: lambda spec, _: LayerSource(Call("nn.Dropout2d", (_first("p", spec.p),))),
    dense.Linear: _linear,
    dense.Embedding: _embedding,
    reshaping.Flatten: _flatten,
    reshaping.Reshape: _reshape,
    reshaping.Permute: _permute,
    activation.Relu: _activation("F.relu"),
    activation.Relu6: _activation("F.relu6"),
    activation.LeakyRelu: lambda spec, _: _function("F.leaky_relu", Argument("negative_slope", spec.negative_slope, 0.01)),
    activation.Prelu: _prelu,
    activation.Elu: lambda spec, _: _function("F.elu", Argument("alpha", spec.alpha, 1.0)),
    activation.Selu: _activation("F.selu"),
    activation.Gelu: lambda spec, _: _function("F.gelu", Argument("approximate", spec.approximate, "none")),
    activation.Silu: _activation("F.silu"),
    activation.Mish: _activation("F.mish"),
    activation.Hardswish: _activation("F.hardswish"),
    activation.Tanh: _activation("torch.tanh"),
    activation.Sigmoid: _activation("torch.sigmoid"),
    activation.Softplus: lambda spec, _: _function(
        "F.softplus", Argument("beta", spec.beta, 1.0), Argument("threshold", spec.threshold, 20.0)
    ),
    activation.Softmax: _over_axis("torch.softmax"),
    activation.LogSoftmax: _over_axis("torch.log_softmax"),
    recurrent.Rnn: _recurrent("nn.RNN", Argument("nonlinearity", "tanh", "tanh")),
    recurrent.Lstm: _recurrent("nn.LSTM", Argument("proj_size", 0, 0)),
    recurrent.Gru: _recurrent("nn.GRU"),
    join.Add: _join("+"),
    join.Multiply: _join("*"),
    join.Subtract: _join("-"),
    join.Maximum: _maximum,
    join.Concat: _concat,
}
"""Every layer of the vocabulary but those with layers inside, which `dlcli.models.python_module` writes from their graph."""
