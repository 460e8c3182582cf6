"""What each layer read and gave while a sample went through a network."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from dlcli.config.shapes import Image, Sequence
from dlcli.models.network import build_network
from dlcli.models.recorded_calls import recorded
from tests.unit.models.graphs import read_layers

CLIP = """
- time_distributed:
    - conv2d: {out_channels: 2, kernel_size: 3}
    - relu
    - sequential: [max_pool2d: 2, flatten]
- lstm: {hidden_size: 3}
- share: {layer: lstm_1, name: again, from: time_distributed_1}
- add: [lstm_1, again]
- linear: 4
"""


def test_layers_are_named_by_their_place_and_in_their_order() -> None:
    """Those inside of nestings behind the nesting's name; a shared layer once for each use, under the name of its weights."""
    network = build_network(read_layers(CLIP, Sequence(5, Image(1, 8, 8))), None).eval()
    clip = torch.randn(1, 5, 1, 8, 8)
    calls = recorded(network, lambda: network(clip))
    assert [call.path for call in calls] == [
        "time_distributed_1.conv2d_1",
        "time_distributed_1.relu_1",
        "time_distributed_1.sequential_1.max_pool2d_1",
        "time_distributed_1.sequential_1.flatten_1",
        "lstm_1",
        "lstm_1",
        "add_1",
        "linear_1",
    ]
    assert [call.node.spec.kind for call in calls][:2] == ["conv2d", "relu"]
    assert calls[1].inputs[0] is calls[0].output
    torch.testing.assert_close(calls[-1].output, network(clip))


def test_layers_that_run_as_one_are_seen_one_by_one_and_nothing_stays() -> None:
    """A convolution, a ReLU and a pool, which compiled code would do in one pass; hooks are gone, also after an error."""
    layers = "[conv2d: {out_channels: 16, kernel_size: 3}, relu, max_pool2d: 2, flatten, linear: 3]"
    network = build_network(read_layers(layers, Image(1, 8, 8)), None).eval()
    pictures = torch.randn(2, 1, 8, 8)
    calls = recorded(network, lambda: network(pictures))
    assert [type(call.module) for call in calls][:3] == [nn.Conv2d, nn.ReLU, nn.MaxPool2d]
    torch.testing.assert_close(calls[1].output, calls[0].output.relu())
    assert not calls[0].output.requires_grad

    def fail() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        recorded(network, fail)
    assert not any(module._forward_hooks for module in network.modules())


def test_a_module_that_is_no_network_has_no_layers_of_its_own() -> None:
    """Nothing is known of what is inside."""
    layer = nn.Linear(2, 2)
    assert recorded(layer, lambda: layer(torch.zeros(1, 2))) == []
