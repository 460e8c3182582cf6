"""Networks to export, and subjects made of them without a run or a config."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

import torch

from dlcli.app.configs import read_experiment
from dlcli.app.export.subject import Subject
from dlcli.config.shapes import Image, Sequence, Shape, Time, Token, Vector
from dlcli.models.network import Network, build_network
from tests.unit.models.graphs import read_layers

Inputs = Shape | Mapping[str, Shape]

NETWORKS: Final[dict[str, tuple[Inputs, str, tuple[str, ...]]]] = {
    "convolutions": (
        Image(1, 8, 8),
        """
        - conv2d: {out_channels: 16, kernel_size: 3}
        - relu
        - max_pool2d: 2
        - batch_norm2d
        - adaptive_max_pool2d: 2
        - flatten
        - linear: 3
        """,
        (),
    ),
    "LSTM both ways over tokens of different lengths": (
        Sequence(Time(), Token(11)),
        """
        - embedding: {embedding_dim: 5, max_norm: 0.5}
        - lstm: {hidden_size: 4, num_layers: 2, bidirectional: true, return: last}
        - linear: 3
        """,
        (),
    ),
    "projected LSTM and GRU over series of different lengths": (
        Sequence(Time(), Vector(3)),
        """
        - conv1d: {out_channels: 4, kernel_size: 3, stride: 2, padding: 1}
        - batch_norm1d
        - max_pool1d: {kernel_size: 2, stride: 1}
        - lstm: {hidden_size: 5, proj_size: 2, bias: false}
        - gru: {hidden_size: 4, num_layers: 2}
        - time_distributed: [linear: 3, tanh]
        """,
        (),
    ),
    "RNN over a fixed number of steps": (
        Sequence(9, Vector(3)),
        "[rnn: {hidden_size: 4, num_layers: 2, bidirectional: true}, rnn: {hidden_size: 4, nonlinearity: relu, return: last}]",
        (),
    ),
    "several inputs and outputs": (
        {"picture": Image(1, 4, 4), "lengths": Vector(2), "series": Sequence(Time(), Vector(3)), "unread": Vector(1)},
        """
        - flatten: {from: picture, name: pixels}
        - gru: {hidden_size: 4, return: last, from: series, name: read}
        - concat: {from: [pixels, lengths, read], name: all}
        - linear: {out_features: 3, name: first}
        - linear: {out_features: 2, from: all, name: second}
        - softmax: {from: series, dim: 1, name: shares}
        """,
        ("second", "first", "shares"),
    ),
}
"""What is read, the layers, and the outputs where the last layer is not the only one."""


def network_of(name: str) -> Network:
    """One of NETWORKS, in eval mode, with statistics that a training would leave."""
    inputs, layers, outputs = NETWORKS[name]
    return built(inputs, layers, outputs)


def built(inputs: Inputs, layers: str, outputs: tuple[str, ...] = ()) -> Network:
    """A network with its weights at random, in eval mode."""
    torch.manual_seed(0)
    graph = read_layers(layers, inputs)
    network = build_network(replace(graph, outputs=outputs) if outputs else graph, None)
    for name, buffer in network.named_buffers():
        if name.endswith(("running_mean", "running_var")):
            buffer.uniform_(0.5, 1.5)
    return network.eval()


def subject_of(config: Path) -> Subject:
    """The network of a config, as `dlcli export CONFIG` reads it."""
    experiment = read_experiment(config, (), None)
    network = build_network(experiment.graph, None).eval()
    return Subject(("config", str(config)), config.name, experiment, network, config.parent, config.stem)
