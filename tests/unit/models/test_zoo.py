"""The networks of `configs/zoo` against torchvision's, and where it has none, against the same network in plain torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest
import torch
from torch import Tensor, nn

from dlcli.config import compose, experiment
from dlcli.config.experiment import Experiment
from dlcli.config.shapes import Sequence, Shape, Token, fixed_sizes
from dlcli.models.network import build_network
from tests.unit.models import plain_networks

ZOO: Final = Path(__file__).parents[3] / "configs" / "zoo"

TOLERANCES: Final = {torch.float32: 1e-5, torch.float64: 1e-11}
"""How far values may differ, as a share of the largest value of their tensor."""


def _torchvision(name: str, **options: Any) -> nn.Module:
    """An untrained network of torchvision, which does not import beside a torch of another build."""
    models = pytest.importorskip("torchvision.models", exc_type=(ImportError, RuntimeError))
    module = getattr(models, name)(weights=None, **options)
    assert isinstance(module, nn.Module)
    return module


COUNTERPARTS: Final[Mapping[str, Callable[[], nn.Module]]] = {
    "lenet5": plain_networks.lenet5,
    "vgg11": partial(_torchvision, "vgg11", init_weights=False),
    "resnet18": partial(_torchvision, "resnet18"),
    "mobilenet_v2": partial(_torchvision, "mobilenet_v2"),
    "inception": partial(_torchvision, "googlenet", aux_logits=False, init_weights=False),
    "unet": lambda: plain_networks.UNet(channels=16, classes=2),
    "tagger": plain_networks.Tagger,
    "cnn_lstm": plain_networks.CnnLstm,
    "two_inputs": plain_networks.TwoInputs,
    "two_heads": plain_networks.TwoHeads,
}

PUBLISHED: Final[Mapping[str, int]] = {
    "vgg11": 132_863_336,
    "resnet18": 11_689_512,
    "mobilenet_v2": 3_504_872,
    "inception": 6_624_904,
    "lenet5": 61_706,
}
"""Parameters, as torchvision's documentation gives them; LeNet-5's with every map of C3 reading all of S2."""


def _experiment(name: str, *overrides: str) -> Experiment:
    return experiment.resolve(compose.load(ZOO / f"{name}.yaml", overrides), lambda data: data.facts())  # type: ignore[attr-defined]


@torch.no_grad()
def _pair(name: str, found: Experiment) -> tuple[nn.Module, nn.Module]:
    """The network of the config and its counterpart, with the same weights taken in order; without dropout."""
    torch.manual_seed(0)
    ours, theirs = build_network(found.graph, None), COUNTERPARTS[name]()
    for module in theirs.modules():
        if isinstance(module, nn.BatchNorm2d):  # values that tell one normalisation from another
            for tensor in (module.weight, module.bias, module.running_mean, module.running_var):
                assert tensor is not None
                tensor.uniform_(0.5, 1.5)
    for module in (*ours.modules(), *theirs.modules()):
        if isinstance(module, nn.Dropout):
            module.p = 0.0
        if isinstance(module, nn.LSTM):
            module.dropout = 0.0
    state = theirs.state_dict()
    ours.load_state_dict(dict(zip(ours.state_dict(), state.values(), strict=True)))
    return ours, theirs


def _sample(shape: Shape, batch: int, dtype: torch.dtype) -> Tensor:
    sizes = fixed_sizes(shape)
    if isinstance(shape, Sequence) and isinstance(shape.item, Token):
        return torch.randint(shape.item.num_values, (batch, *sizes))
    return torch.randn(batch, *sizes, dtype=dtype, requires_grad=True)


def _tensors(output: Tensor | Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {"output": output} if isinstance(output, Tensor) else dict(output)


def _assert_close(ours: Mapping[str, Tensor], theirs: Mapping[str, Tensor]) -> None:
    """Every tensor, to a share of its largest value."""
    assert ours.keys() == theirs.keys()
    for name, expected in theirs.items():
        largest = expected.abs().max().item()
        difference = (ours[name] - expected).abs().max().item()
        message = f"{name}: differs by {difference:.1e}, and its largest value is {largest:.1e}"
        assert difference <= TOLERANCES[expected.dtype] * largest, message


def _traced(network: nn.Module, call: Callable[..., Any], inputs: list[Tensor]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The outputs, and the gradients of the inputs and of all parameters, in order, for a loss that tells values apart."""
    outputs = _tensors(call(*inputs))
    loss = sum((output * torch.linspace(-1, 1, output.numel()).view_as(output)).sum() for output in outputs.values())
    sources = [*(x for x in inputs if x.requires_grad), *network.parameters()]
    gradients = torch.autograd.grad(loss, sources)  # type: ignore[arg-type]
    return {name: x.detach() for name, x in outputs.items()}, {f"gradient {n}": x for n, x in enumerate(gradients)}


def test_every_config_has_a_counterpart() -> None:
    """No network of the zoo is left out of the tests below."""
    assert {path.stem for path in ZOO.glob("*.yaml")} == set(COUNTERPARTS)


@pytest.mark.parametrize("name", sorted(PUBLISHED))
def test_parameters_are_those_that_are_published(name: str) -> None:
    """As many as torchvision's, for 1,000 classes and whatever the size of the pictures."""
    sizes = [[], ["data.sizes=[3,224,224]"]] if name != "lenet5" else [[]]
    assert {_experiment(name, *overrides).graph.parameter_count() for overrides in sizes} == {PUBLISHED[name]}


@pytest.mark.parametrize("name", sorted(COUNTERPARTS))
def test_values_and_gradients_are_those_of_the_counterpart(name: str) -> None:
    """In evaluation and in training: outputs, gradients of inputs and parameters, and what the normalisations keep."""
    found = _experiment(name)
    ours, theirs = _pair(name, found)
    dtype = torch.float32 if name == "vgg11" else torch.float64  # in doubles, two of VGG-11 and their gradients take 6 GB
    ours.to(dtype)
    theirs.to(dtype)
    inputs = [_sample(shape, 4, dtype) for shape in found.facts.inputs.values()]
    names = list(found.facts.inputs)
    for training in (False, True):
        ours.train(training)
        theirs.train(training)
        by_name = ours if len(inputs) == 1 else lambda *tensors: ours(dict(zip(names, tensors, strict=True)))
        our_outputs, our_gradients = _traced(ours, by_name, inputs)
        their_outputs, their_gradients = _traced(theirs, theirs, inputs)
        _assert_close(our_outputs, their_outputs)
        _assert_close(our_gradients, their_gradients)
    torch.testing.assert_close(list(ours.buffers()), list(theirs.buffers()))


@pytest.mark.parametrize("name", ["vgg11", "resnet18", "mobilenet_v2", "inception"])
def test_outputs_at_the_size_of_the_papers(name: str) -> None:
    """The 1,000 scores of a picture of 224x224 are torchvision's."""
    found = _experiment(name, "data.sizes=[3,224,224]")
    ours, theirs = _pair(name, found)
    picture = torch.randn(1, 3, 224, 224)
    with torch.no_grad():
        scores = ours.eval()(picture)
        assert scores.shape == (1, 1000)
        _assert_close({"scores": scores}, {"scores": theirs.eval()(picture)})


def test_the_map_of_the_u_net_has_the_size_of_the_picture() -> None:
    """What is averaged for the answer is the map of the paper, value by value."""
    ours, theirs = _pair("unet", _experiment("unet"))
    seen: list[Tensor] = []
    ours.get_submodule("map").register_forward_hook(lambda _, __, output: seen.append(output))
    pictures = torch.randn(2, 1, 64, 64)
    ours(pictures)
    assert isinstance(theirs, plain_networks.UNet)
    assert seen[0].shape == (2, 2, 64, 64)
    _assert_close({"map": seen[0]}, {"map": theirs.maps(pictures)})


def test_the_u_net_has_the_width_of_the_paper_on_request() -> None:
    """`vars.channels=64` alone makes every layer as wide as there."""
    found = _experiment("unet", "vars.channels=64")
    assert found.graph.parameter_count() == sum(p.numel() for p in plain_networks.UNet(64, classes=2).parameters())
