"""From a layer's spec and the shapes it reads to its module: the table of the vocabulary."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from torch import nn

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
from dlcli.config.shapes import Image, Sequence, Shape, Vector, channel_axis, channels_of, fixed_sizes, token_of, window_sizes
from dlcli.models import normalisation_over_time, over_time
from dlcli.models.activation import LogSoftmaxOverTime, PReLU, SoftmaxOverTime
from dlcli.models.dropout import VariationalDropout
from dlcli.models.flatten import FlattenImage
from dlcli.models.global_pooling import GlobalAvgPool, GlobalMaxPool, LastStep
from dlcli.models.joins import Add, Concat, Maximum, Multiply, Subtract
from dlcli.models.recurrent import GRU, LSTM, RNN, Recurrent
from dlcli.models.recurrent_initialisation import start_recurrent
from dlcli.models.reshaping import Permute, Reshape

Shapes = tuple[Shape, ...]
Builder = Callable[[Any, Shapes], nn.Module]
"""Takes a spec and the shapes of the layer's inputs, which fit it."""


def _convolution(layer: type[nn.Conv1d | nn.Conv2d | nn.Conv3d]) -> Builder:
    def build(spec: Any, inputs: Shapes) -> nn.Module:
        before, after = spec.padding_of_axes()
        uneven = before != after
        module = layer(
            channels_of(inputs[0]),
            spec.out_channels,
            spec.kernel_size,
            stride=1 if uneven else spec.stride,
            padding="same" if uneven else before,
            dilation=spec.dilation,
            groups=spec.groups,
            bias=spec.bias,
            padding_mode=spec.padding_mode,
        )
        if uneven:
            module.stride = spec.stride  # with padding 'same' torch takes none, and applies one all the same
            if spec.padding_mode == "zeros":  # torch's own way gives a warning: its explicit padding adds the same zeros
                module.padding_mode = "constant"  # type: ignore[assignment]  # a mode of F.pad that torch doesn't list
        return module

    return build


def _transposed_convolution(layer: type[nn.ConvTranspose1d | nn.ConvTranspose2d]) -> Builder:
    return lambda spec, inputs: layer(
        channels_of(inputs[0]),
        spec.out_channels,
        spec.kernel_size,
        stride=spec.stride,
        padding=spec.padding,
        output_padding=spec.output_padding,
        groups=spec.groups,
        bias=spec.bias,
        dilation=spec.dilation,
    )


def _max_pool(layer: type[nn.MaxPool1d | nn.MaxPool2d | nn.MaxPool3d]) -> Builder:
    return lambda spec, _: layer(spec.kernel_size, spec.stride, spec.padding, dilation=spec.dilation, ceil_mode=spec.ceil_mode)


def _avg_pool(layer: type[nn.AvgPool1d | nn.AvgPool2d | nn.AvgPool3d]) -> Builder:
    return lambda spec, _: layer(spec.kernel_size, spec.stride, spec.padding, spec.ceil_mode, spec.count_include_pad)


def _adaptive_pool(layer: Callable[[Any], nn.Module]) -> Builder:
    return lambda spec, _: layer(spec.output_size)


def _global_pool(layer: Callable[[tuple[int, ...]], nn.Module]) -> Builder:
    def build(spec: Any, inputs: Shapes) -> nn.Module:  # noqa: ARG001  # a builder's signature
        first = 1 if isinstance(inputs[0], Sequence) else 2
        return layer(tuple(range(first, first + len(window_sizes(inputs[0])))))

    return build


def _channel_norm(layer: Callable[..., nn.Module], spec: Any, shape: Shape) -> nn.Module:
    """A batch or instance normalisation."""
    return layer(
        channels_of(shape),
        eps=spec.eps,
        momentum=spec.momentum,
        affine=spec.affine,
        track_running_stats=spec.track_running_stats,
    )


def _batch_norm1d(spec: Any, inputs: Shapes) -> nn.Module:
    layer = normalisation_over_time.BatchNorm1d if isinstance(inputs[0], Sequence) else nn.BatchNorm1d
    return _channel_norm(layer, spec, inputs[0])


def _instance_norm(spec: Any, inputs: Shapes) -> nn.Module:
    if isinstance(inputs[0], Sequence):
        return _channel_norm(normalisation_over_time.InstanceNorm1d, spec, inputs[0])
    return _channel_norm(nn.InstanceNorm2d if isinstance(inputs[0], Image) else nn.InstanceNorm3d, spec, inputs[0])


def _group_norm(spec: normalisation.GroupNorm, inputs: Shapes) -> nn.Module:
    layer = normalisation_over_time.GroupNorm if isinstance(inputs[0], Sequence) else nn.GroupNorm
    return layer(spec.num_groups, channels_of(inputs[0]), spec.eps, spec.affine)


def _layer_norm(spec: normalisation.LayerNorm, inputs: Shapes) -> nn.Module:
    return nn.LayerNorm(fixed_sizes(spec.normalised(inputs[0])), spec.eps, spec.elementwise_affine, spec.bias)


def _prelu(spec: activation.Prelu, inputs: Shapes) -> nn.Module:
    axis = channel_axis(inputs[0])
    if spec.num_parameters == 1 or axis == 1:
        return nn.PReLU(spec.num_parameters, spec.init)
    return PReLU(spec.num_parameters, spec.init, axis=axis)


def _over_axis(layer: Callable[[int], nn.Module], over_steps: Callable[[], nn.Module]) -> Builder:
    def build(spec: Any, inputs: Shapes) -> nn.Module:
        axis = spec.resolved_dim(inputs[0])
        return over_steps() if axis == 1 and isinstance(inputs[0], Sequence) else layer(axis)

    return build


def _flatten(spec: reshaping.Flatten, inputs: Shapes) -> nn.Module:
    if isinstance(inputs[0], Image) and isinstance(spec.output_shape(inputs[0]), Vector):
        return FlattenImage()
    return nn.Flatten(spec.start_dim, spec.end_dim)


def _recurrent(layer: type[Recurrent], *own: str) -> Builder:
    """A builder of a recurrent layer; `own` are the fields that only this one has."""

    def build(spec: Any, inputs: Shapes) -> nn.Module:
        module = layer(
            channels_of(inputs[0]),
            spec.hidden_size,
            spec.num_layers,
            last=spec.return_ == "last",
            recurrent_dropout=spec.recurrent_dropout,
            bias=spec.bias,
            dropout=spec.dropout,
            bidirectional=spec.bidirectional,
            **{field: getattr(spec, field) for field in own},
        )
        start_recurrent(module, spec)
        return module

    return build


BUILDERS: Final[Mapping[type[LayerSpec], Builder]] = {
    convolution.Conv1d: _convolution(over_time.Conv1d),
    convolution.Conv2d: _convolution(nn.Conv2d),
    convolution.Conv3d: _convolution(nn.Conv3d),
    convolution.ConvTranspose1d: _transposed_convolution(over_time.ConvTranspose1d),
    convolution.ConvTranspose2d: _transposed_convolution(nn.ConvTranspose2d),
    pooling.MaxPool1d: _max_pool(over_time.MaxPool1d),
    pooling.MaxPool2d: _max_pool(nn.MaxPool2d),
    pooling.MaxPool3d: _max_pool(nn.MaxPool3d),
    pooling.AvgPool1d: _avg_pool(over_time.AvgPool1d),
    pooling.AvgPool2d: _avg_pool(nn.AvgPool2d),
    pooling.AvgPool3d: _avg_pool(nn.AvgPool3d),
    pooling.AdaptiveMaxPool1d: _adaptive_pool(over_time.AdaptiveMaxPool1d),
    pooling.AdaptiveMaxPool2d: _adaptive_pool(nn.AdaptiveMaxPool2d),
    pooling.AdaptiveMaxPool3d: _adaptive_pool(nn.AdaptiveMaxPool3d),
    pooling.AdaptiveAvgPool1d: _adaptive_pool(over_time.AdaptiveAvgPool1d),
    pooling.AdaptiveAvgPool2d: _adaptive_pool(nn.AdaptiveAvgPool2d),
    pooling.AdaptiveAvgPool3d: _adaptive_pool(nn.AdaptiveAvgPool3d),
    pooling.GlobalAvgPool: _global_pool(GlobalAvgPool),
    pooling.GlobalMaxPool: _global_pool(GlobalMaxPool),
    pooling.LastStep: lambda *_: LastStep(),
    normalisation.BatchNorm1d: _batch_norm1d,
    normalisation.BatchNorm2d: lambda spec, inputs: _channel_norm(nn.BatchNorm2d, spec, inputs[0]),
    normalisation.BatchNorm3d: lambda spec, inputs: _channel_norm(nn.BatchNorm3d, spec, inputs[0]),
    normalisation.LayerNorm: _layer_norm,
    normalisation.GroupNorm: _group_norm,
    normalisation.InstanceNorm: _instance_norm,
    dropout.Dropout: lambda spec, _: (VariationalDropout if spec.variational else nn.Dropout)(spec.p),
    dropout.Dropout1d: lambda spec, _: over_time.Dropout1d(spec.p),
    dropout.Dropout2d: lambda spec, _: nn.Dropout2d(spec.p),
    dense.Linear: lambda spec, inputs: nn.Linear(channels_of(inputs[0]), spec.out_features, spec.bias),
    dense.Embedding: lambda spec, inputs: nn.Embedding(
        token_of(inputs[0]).num_values, spec.embedding_dim, spec.padding_idx, spec.max_norm
    ),
    reshaping.Flatten: _flatten,
    reshaping.Reshape: lambda spec, inputs: Reshape(spec.resolved_sizes(inputs[0])),
    reshaping.Permute: lambda spec, _: Permute(spec.dims),
    activation.Relu: lambda *_: nn.ReLU(),
    activation.Relu6: lambda *_: nn.ReLU6(),
    activation.LeakyRelu: lambda spec, _: nn.LeakyReLU(spec.negative_slope),
    activation.Prelu: _prelu,
    activation.Elu: lambda spec, _: nn.ELU(spec.alpha),
    activation.Selu: lambda *_: nn.SELU(),
    activation.Gelu: lambda spec, _: nn.GELU(spec.approximate),
    activation.Silu: lambda *_: nn.SiLU(),
    activation.Mish: lambda *_: nn.Mish(),
    activation.Hardswish: lambda *_: nn.Hardswish(),
    activation.Tanh: lambda *_: nn.Tanh(),
    activation.Sigmoid: lambda *_: nn.Sigmoid(),
    activation.Softplus: lambda spec, _: nn.Softplus(spec.beta, spec.threshold),
    activation.Softmax: _over_axis(nn.Softmax, SoftmaxOverTime),
    activation.LogSoftmax: _over_axis(nn.LogSoftmax, LogSoftmaxOverTime),
    recurrent.Rnn: _recurrent(RNN, "nonlinearity"),
    recurrent.Lstm: _recurrent(LSTM, "proj_size"),
    recurrent.Gru: _recurrent(GRU),
    join.Add: lambda *_: Add(),
    join.Multiply: lambda *_: Multiply(),
    join.Subtract: lambda *_: Subtract(),
    join.Maximum: lambda *_: Maximum(),
    join.Concat: lambda spec, inputs: Concat(spec.resolved_dim(inputs[0])),
}
"""Every layer of the vocabulary but those with layers inside, which `dlcli.models.network` builds from their graph."""
