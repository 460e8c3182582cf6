"""A layer at a time that looks across the steps of a sequence, in every way in which it can do so."""

from __future__ import annotations

from typing import Final

from dlcli.config.shapes import Image, Sequence, Shape, Time, Token, Vector

SERIES: Final = Sequence(Time(), Vector(4))

ALONE: Final[dict[str, tuple[Shape, str]]] = {
    **{
        layer: (SERIES, f"- {layer}")
        for layer in (
            "conv1d: {out_channels: 6, kernel_size: 3, stride: 2, padding: 1}",
            "conv1d: {out_channels: 6, kernel_size: 4, stride: 2, padding: same}",
            "conv1d: {out_channels: 6, kernel_size: 3, padding: same, padding_mode: circular}",
            "conv1d: {out_channels: 6, kernel_size: 4, padding: same, padding_mode: reflect}",
            "conv1d: {out_channels: 6, kernel_size: 3, padding: 1, padding_mode: replicate}",
            "conv1d: {out_channels: 6, kernel_size: 3, dilation: 2, groups: 2}",
            "conv_transpose1d: {out_channels: 4, kernel_size: 3, stride: 2}",
            "max_pool1d: {kernel_size: 2, stride: 1}",
            "max_pool1d: {kernel_size: 3, stride: 2, padding: 1, ceil_mode: true}",
            "max_pool1d: {kernel_size: 2, stride: 1, dilation: 3}",
            "avg_pool1d: {kernel_size: 3, stride: 2, padding: 1}",
            "avg_pool1d: {kernel_size: 3, stride: 2, padding: 1, count_include_pad: false, ceil_mode: true}",
            "adaptive_avg_pool1d: 3",
            "adaptive_max_pool1d: 3",
            "global_avg_pool",
            "global_max_pool",
            "last_step",
            "instance_norm: {affine: true}",
            "instance_norm: {track_running_stats: true}",
            "group_norm: 2",
            "group_norm: {num_groups: 2, affine: false}",
            "batch_norm1d",
            "layer_norm",
            "softmax: 1",
            "softmax",
            "log_softmax: 1",
            "lstm: {hidden_size: 5, num_layers: 2}",
            "lstm: {hidden_size: 6, proj_size: 2, num_layers: 2, bidirectional: true}",
            "gru: {hidden_size: 6, bidirectional: true, bias: false, return: last}",
            "gru: {hidden_size: 6, recurrent_dropout: 0.5, return: last}",
            "rnn: {hidden_size: 6, nonlinearity: relu, num_layers: 2, return: last}",
            "rnn: 6",
            "reversible_norm: [gru: 4]",
            "reversible_norm: {affine: false, layers: [gru: {hidden_size: 4, return: last}]}",
            "time_distributed: [linear: 5, relu]",
            "sequential: [conv1d: {out_channels: 3, kernel_size: 3, stride: 2}, time_distributed: [linear: 5], gru: 4]",
        )
    },
    "pictures": (Sequence(Time(), Image(1, 5, 4)), "- time_distributed: [conv2d: {out_channels: 3, kernel_size: 3}, flatten]"),
    "tokens": (
        Sequence(Time(), Token(7)),
        "- embedding: {embedding_dim: 5, max_norm: 0.5}\n- gru: {hidden_size: 4, return: last}",
    ),
}
"""What is read, and the layers."""
