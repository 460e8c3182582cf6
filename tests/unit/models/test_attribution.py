"""Attribution methods against closed forms and Captum; integrated gradients add up."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from dlcli.config.shapes import Image, Sequence, Shape, Token, Vector
from dlcli.models.attribution.entries import Entries
from dlcli.models.attribution.grad_cam import grad_cam
from dlcli.models.attribution.methods import COMPLETE, Hiding, integrated_gradients, saliency
from dlcli.models.network import Network, build_network
from tests.unit.models.graphs import read_layers


def _built(layers: str, shape: Shape | dict[str, Shape], seed: int = 0) -> Network:
    torch.manual_seed(seed)
    return build_network(read_layers(layers, shape), None).eval()


def _score(entries: Entries, output: str, place: int = 0) -> Callable[..., Tensor]:
    return lambda *values: entries(*values)[output][..., place].reshape(len(values[0]), -1).sum(1)


def test_of_a_linear_network_they_are_its_weights() -> None:
    """Saliency is w, integrated gradients w * (x - baseline) with one step and no gap, hiding a feature takes w * (x - baseline)."""
    network = _built("[linear: 3]", Vector(5))
    weight = network.get_submodule("linear_1").weight.detach()
    x, baseline = torch.randn(1, 5), torch.randn(1, 5)
    entries = Entries(network, {"input": x}, ["linear_1"])
    score = _score(entries, "linear_1", 2)
    torch.testing.assert_close(saliency(score, (x,))[0], weight[2:3])
    found = integrated_gradients(score, (x,), (baseline,), most_steps=64, rows=8)
    torch.testing.assert_close(found.attributions[0], weight[2] * (x - baseline), rtol=1e-4, atol=1e-6)
    assert found.gap < 1e-5
    assert found.difference == pytest.approx(float((weight[2] * (x - baseline)).sum()), rel=1e-5)
    hidden = Hiding(score, (x,), (baseline,), 0, rows=3).groups(torch.arange(5)[None])
    torch.testing.assert_close(hidden, weight[2] * (x - baseline), rtol=1e-4, atol=1e-6)
    together = Hiding(score, (x,), (baseline,), 0, rows=3).groups(torch.tensor([[0, 0, 1, 1, 1]]))
    fall = (weight[2] * (x - baseline))[0]
    expected = torch.stack([fall[:2].sum(), fall[:2].sum(), *(fall[2:].sum(),) * 3])[None]
    torch.testing.assert_close(together, expected, rtol=1e-4, atol=1e-6)


def test_tokens_are_explained_by_their_vectors() -> None:
    """A linear layer on the mean of embeddings: each token's share is its vector times the weights, over the number of steps."""
    network = _built("[embedding: 4, global_avg_pool, linear: 2]", Sequence(6, Token(9)))
    tokens = torch.tensor([[1, 5, 5, 0, 8, 2]])
    entries = Entries(network, {"input": tokens}, ["linear_1"])
    [entry] = entries.entries
    assert entry.is_embedded
    assert entry.input == "input"
    vectors, weight = network.get_submodule("embedding_1").weight.detach()[tokens[0]], network.get_submodule("linear_1").weight
    torch.testing.assert_close(entry.values[0], vectors)
    found = integrated_gradients(
        _score(entries, "linear_1", 1), (entry.values,), (torch.zeros_like(entry.values),), most_steps=32, rows=8
    )
    torch.testing.assert_close(found.attributions[0][0], vectors * weight[1].detach() / 6, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(entries(entry.values)["linear_1"], network(tokens))


def test_every_embedding_is_an_entry_of_the_input_that_it_reads() -> None:
    """Two inputs of tokens, one embedded twice, and an input of numbers: quantities come first."""
    layers = """
- embedding: {embedding_dim: 2, from: words, name: first}
- embedding: {embedding_dim: 3, from: words, name: second}
- embedding: {embedding_dim: 2, from: tags, name: third}
- concat: {from: [first, second, third], dim: 2}
- gru: {hidden_size: 3, return: last}
- concat: {from: [gru_1, numbers]}
- linear: 1
"""
    shapes: dict[str, Shape] = {"words": Sequence(4, Token(5)), "tags": Sequence(4, Token(3)), "numbers": Vector(2)}
    network = _built(layers, shapes)
    inputs = {"words": torch.tensor([[0, 1, 2, 4]]), "tags": torch.tensor([[2, 2, 0, 1]]), "numbers": torch.randn(1, 2)}
    entries = Entries(network, inputs, ["linear_1"])
    assert [(entry.input, entry.is_embedded) for entry in entries.entries] == [
        ("numbers", False),
        ("words", True),
        ("words", True),
        ("tags", True),
    ]
    values = tuple(entry.values for entry in entries.entries)
    torch.testing.assert_close(entries(*values)["linear_1"], network(inputs))
    rows = entries(*(value.expand(5, *value.shape[1:]) for value in values))["linear_1"]
    assert rows.shape == (5, 1)
    assert not any(module._forward_hooks for module in network.modules())


def test_tokens_inside_a_nesting_over_steps_are_one_entry() -> None:
    """`time_distributed` embeds all steps as one batch; the entry has them side by side, for several rows too."""
    network = _built("[time_distributed: [embedding: 3], gru: {hidden_size: 2, return: last}, linear: 2]", Sequence(5, Token(7)))
    tokens = torch.tensor([[6, 0, 3, 3, 1]])
    entries = Entries(network, {"input": tokens}, ["linear_1"])
    [entry] = entries.entries
    assert entry.values.shape == (1, 5, 3)
    torch.testing.assert_close(entries(entry.values.expand(4, 5, 3))["linear_1"], network(tokens).expand(4, 2))


def test_an_input_that_does_not_lead_to_the_answer_gets_nothing() -> None:
    """Zeros, and no error of autograd's."""
    shapes: dict[str, Shape] = {"used": Vector(2), "spare": Vector(3)}
    network = _built(
        "[linear: {out_features: 1, from: used, name: a}, linear: {out_features: 1, from: spare, name: b}, concat: [a, b]]",
        shapes,
    )
    inputs = {"used": torch.randn(1, 2), "spare": torch.randn(1, 3)}
    entries = Entries(network, inputs, ["concat_1"])
    values = tuple(entry.values for entry in entries.entries)
    score = _score(entries, "concat_1", 0)
    assert saliency(score, values)[1].abs().max() == 0
    found = integrated_gradients(score, values, tuple(map(torch.zeros_like, values)), most_steps=32, rows=4)
    assert found.attributions[1].abs().max() == 0
    assert found.gap < 1e-4


CNN = """
- conv2d: {out_channels: 16, kernel_size: 3, padding: 1}
- batch_norm2d
- relu
- max_pool2d: 2
- conv2d: {out_channels: 8, kernel_size: 3}
- relu
- flatten
- linear: 4
"""
NETWORKS: list[tuple[str, Shape]] = [
    (CNN, Image(3, 10, 10)),
    ("[gru: {hidden_size: 8, num_layers: 2, bidirectional: true, return: last}, linear: 4]", Sequence(15, Vector(3))),
    ("[lstm: {hidden_size: 8, proj_size: 3}, linear: 4]", Sequence(12, Vector(3))),
    (
        "[time_distributed: [conv2d: {out_channels: 4, kernel_size: 3}, relu, global_avg_pool], rnn: 6, last_step, linear: 4]",
        Sequence(4, Image(1, 6, 6)),
    ),
    ("[reversible_norm: [flatten, linear: 6]]", Sequence(9, Vector(2))),
]


@pytest.mark.parametrize(("layers", "shape"), NETWORKS)
def test_integrated_gradients_add_up_and_the_network_stays_as_it_is(layers: str, shape: Shape) -> None:
    """Within 1 %, over 10 samples each; weights, buffers, mode and hooks are as before, and no gradient is left behind."""
    network = _built(layers, shape)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    output = network.graph.outputs[0]
    gaps = []
    for seed in range(10):
        torch.manual_seed(seed)
        x = torch.randn(1, *shape.sizes) * 2
        entries = Entries(network, {"input": x}, [output])
        score = _score(entries, output, seed % 4)
        found = integrated_gradients(score, (x,), (torch.zeros_like(x),), most_steps=512, rows=32)
        gaps.append(found.gap)
        saliency(score, (x,))
        Hiding(score, (x,), (torch.zeros_like(x),), 0, rows=16).groups(torch.zeros(1, dtype=torch.int64).view(*[1] * x.ndim))
    print(f"largest gap of {shape}: {max(gaps):.5f}")
    assert max(gaps) <= COMPLETE
    assert not network.training
    for name, value in network.state_dict().items():
        torch.testing.assert_close(value, before[name], rtol=0, atol=0)
    assert all(parameter.grad is None for parameter in network.parameters())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in network.modules())


def test_too_few_steps_are_said() -> None:
    """A step function of the input, which no few points can integrate: as many steps as are allowed, and the gap that is left."""
    x = torch.ones(1, 4)

    def score(values: Tensor) -> Tensor:
        return torch.sigmoid(2000 * (values.sum(1) - 1.7))

    found = integrated_gradients(score, (x,), (torch.zeros(1, 4),), most_steps=40, rows=16)
    assert found.steps == 40
    assert found.gap > COMPLETE
    assert found.difference == pytest.approx(1)


def test_a_sample_that_is_the_baseline_has_no_shares() -> None:
    """The difference is 0, and so is what is missed of it."""
    x = torch.zeros(1, 3)
    found = integrated_gradients(lambda values: values.sum(1), (x,), (x,), most_steps=64, rows=8)
    assert (found.difference, found.gap, found.attributions[0].abs().max()) == (0, 0, 0)


def test_windows_are_hidden_as_by_hand() -> None:
    """Each place has the mean of the falls of the windows that it lies in."""
    network = _built("[conv2d: {out_channels: 3, kernel_size: 3}, relu, flatten, linear: 1]", Image(1, 5, 6))
    x, grey = torch.randn(1, 1, 5, 6), torch.full((1, 1, 5, 6), 0.3)
    entries = Entries(network, {"input": x}, ["linear_1"])
    score = _score(entries, "linear_1")
    found = Hiding(score, (x,), (grey,), 0, rows=7).windows((1, 2, 3), (1, 1, 2))
    sums, counts = torch.zeros(5, 6), torch.zeros(5, 6)
    with torch.no_grad():
        whole = network(x)
        for row in range(4):
            for column in (0, 2, 4):
                changed = x.clone()
                changed[..., row : row + 2, column : column + 3] = 0.3
                sums[row : row + 2, column : column + 3] += float(whole - network(changed))
                counts[row : row + 2, column : column + 3] += 1
    torch.testing.assert_close(found[0, 0], sums / counts, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("layer", ["conv2d_1", "relu_1", "relu_2"])
def test_grad_cam_is_captums(layer: str) -> None:
    """Of any spatial layer of a network of images."""
    from captum.attr import LayerGradCam

    network = _built(CNN, Image(3, 10, 10), seed=3)
    x = torch.randn(1, 3, 10, 10)
    module = network.get_submodule(layer)
    expected = LayerGradCam(network, module).attribute(x, target=2, relu_attributions=True)
    found = grad_cam(lambda: network(x)[:, 2], module, 1)
    torch.testing.assert_close(found, expected[:, 0].detach())
    assert not module._forward_hooks


def test_grad_cam_over_time_has_its_channels_last() -> None:
    """Of a convolution over steps: mean gradient of each channel over time, times the channel, added up where positive."""
    network = _built("[conv1d: {out_channels: 5, kernel_size: 3}, relu, global_avg_pool, linear: 2]", Sequence(9, Vector(2)))
    x = torch.randn(1, 9, 2)
    relu = network.get_submodule("relu_1")
    maps = relu(network.get_submodule("conv1d_1")(x)).detach()
    weights = network.get_submodule("linear_1").weight[1].detach() / 7
    expected = (maps * weights).sum(2).relu()
    torch.testing.assert_close(grad_cam(lambda: network(x)[:, 1], relu, 2), expected)


def test_grad_cam_of_a_layer_without_a_say_is_nothing() -> None:
    """Zeros, where the explained number does not depend on the layer."""
    layer = nn.Conv2d(1, 2, 3)
    x = torch.randn(1, 1, 5, 5)

    def score() -> Tensor:
        layer(x)
        return torch.ones(1, requires_grad=True) * 2

    assert grad_cam(score, layer, 1).abs().max() == 0
