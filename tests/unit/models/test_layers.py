"""Every layer of the vocabulary against plain torch: shapes, parameters, values, gradients, and what is refused."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from torch import Tensor, nn

from dlcli.config.layers import LAYERS
from dlcli.config.layers.nesting import ReversibleNorm, Sequential, Share, TimeDistributed
from dlcli.config.shapes import Image, Sequence, Shape, Vector
from dlcli.config.spec import dump
from dlcli.models.builders import BUILDERS
from tests.unit.models.layer_cases import CASES, PROFILE, Fields, Plain, Shapes, build, random_input, read_spec

KINDS = sorted(LAYERS.keys() - {"share"})  # `share` is another layer once more: see test_network
NESTINGS = {"sequential", "time_distributed", "reversible_norm"}


def test_every_layer_has_a_builder_and_every_builder_a_layer() -> None:
    """The vocabulary and the table of builders name the same layers, but for those that stand for or hold other layers."""
    others = {Sequential, Share, TimeDistributed, ReversibleNorm}
    assert set(BUILDERS) | others == set(LAYERS.values())
    assert not others & set(BUILDERS)


def test_every_layer_has_a_case() -> None:
    """No layer of the vocabulary is left out of the tests below."""
    assert set(CASES) == set(KINDS)


def _plain(kind: str, fields: Fields, shapes: Shapes) -> Plain:
    """The plain counterpart; torch's remark on how it pads is not about the result."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Using padding='same' with even kernel")
        module, run = CASES[kind].plain(fields, shapes)

    def quiet(*inputs: Tensor) -> Tensor:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Using padding='same' with even kernel")
            return run(*inputs)

    return module, quiet


def _sizes_in_torch(kind: str, fields: Fields, shapes: Shapes) -> tuple[int, ...] | None:
    """What plain torch makes of one sample in training; None where it fails or gives nothing."""
    try:
        _, run = _plain(kind, fields, shapes)
        output = run(*(random_input(shape) for shape in shapes))
    except (RuntimeError, ValueError, IndexError, TypeError, AssertionError):
        return None
    return None if 0 in output.shape or len(output) != 2 else tuple(output.shape[1:])


@pytest.mark.parametrize("kind", KINDS)
@PROFILE
@given(data=st.data())
def test_shape_rule_and_parameter_count_are_those_of_torch(kind: str, data: st.DataObject) -> None:
    """A layer is refused exactly where torch refuses it; else its shape and parameters are those of the real module."""
    shapes, fields = data.draw(CASES[kind].examples)
    layer = build(kind, fields, shapes)
    in_torch = _sizes_in_torch(kind, fields, shapes)
    if layer is None:
        assert in_torch is None or _is_stricter(kind, fields, shapes)
        return
    assert layer.output_shape.sizes == in_torch
    assert layer.module(*(random_input(shape) for shape in shapes)).shape[1:] == in_torch
    assert layer.parameter_count == sum(parameter.numel() for parameter in layer.module.parameters())


def _pads_more_than_half(fields: Fields) -> bool:
    kernel, padding = np.broadcast_arrays(fields["kernel_size"], fields.get("padding", 0))
    return bool((padding > kernel // 2).any())


def _meets_only_padding(kind: str, fields: Fields, shapes: Shapes) -> bool:
    _, run = CASES[kind].plain(fields, shapes)
    return bool(torch.isinf(run(torch.zeros(1, *shapes[0].sizes))).any())


STRICTER: dict[str, Callable[[Fields, Shapes], bool]] = {
    # Torch's documentation allows half of the kernel; on images its code allows half of what the dilated kernel spans.
    # A window that meets nothing but padding gives -inf, and its gradient is written outside the tensor: torch can crash.
    "max_pool1d": lambda fields, shapes: _meets_only_padding("max_pool1d", fields, shapes),
    "max_pool2d": lambda fields, shapes: _pads_more_than_half(fields) or _meets_only_padding("max_pool2d", fields, shapes),
    "max_pool3d": lambda fields, shapes: _meets_only_padding("max_pool3d", fields, shapes),
    # Axis 0 is the batch: samples must not be mixed.
    "flatten": lambda fields, shapes: _axis(fields.get("start_dim", 1), shapes[0]) == 0 or len(shapes[0].sizes) > 4,
    "softmax": lambda fields, shapes: _axis(fields["dim"], shapes[0]) == 0,
    "log_softmax": lambda fields, shapes: _axis(fields["dim"], shapes[0]) == 0,
    # A shape has at most four axes without the batch, or five where the first is time. Negative axes would count twice.
    "permute": lambda fields, shapes: min(fields["dims"]) < 0 or fields["dims"][0] != 0 or len(shapes[0].sizes) > 4,
    "reshape": lambda fields, _: len(fields["sizes"]) > 4,
    # Counted from the end, the token of a vocabulary that grows would change.
    "embedding": lambda fields, _: fields["padding_idx"] < 0,
    # The only value of a group is always 0; of a lone sample torch refuses it too.
    "group_norm": lambda fields, shapes: math.prod(shapes[0].sizes) == fields["num_groups"],
    # Any first axis would do; only steps are meant.
    "reversible_norm": lambda _, shapes: shapes[0].layout != "series",
    # Sizes that torch would stretch are more often a mistake; the same sizes can be of different kinds.
    "add": lambda _, shapes: len(set(shapes)) > 1,
    "multiply": lambda _, shapes: len(set(shapes)) > 1,
    "subtract": lambda _, shapes: len(set(shapes)) > 1,
    "maximum": lambda _, shapes: len(set(shapes)) > 1,
    "concat": lambda fields, shapes: (
        (fields.get("dim") is not None and _axis(fields["dim"], shapes[0]) == 0) or len({shape.layout for shape in shapes}) > 1
    ),
}
"""Where dlcli deliberately refuses what torch takes, and why."""


def _is_stricter(kind: str, fields: Fields, shapes: Shapes) -> bool:
    return kind in STRICTER and STRICTER[kind](fields, shapes)


def _axis(dim: int, shape: Shape) -> int:
    return dim % (len(shape.sizes) + 1)


@pytest.mark.parametrize("kind", KINDS)
@PROFILE
@given(data=st.data())
def test_values_gradients_and_statistics_are_those_of_torch(kind: str, data: st.DataObject) -> None:
    """With the same weights and random state a layer computes what plain torch does, in training and in evaluation."""
    shapes, fields = data.draw(CASES[kind].examples)
    layer = build(kind, fields, shapes)
    assume(layer is not None)
    assert layer is not None
    plain, run = _plain(kind, fields, shapes)
    plain.load_state_dict(layer.module.state_dict(), strict=True)
    inputs = [random_input(shape) for shape in shapes]
    for training in (True, True, False):  # statistics of two batches, then their use
        layer.module.train(training)
        plain.train(training)
        ours = _traced(layer.module, layer.module, inputs)
        theirs = _traced(plain, run, inputs)
        torch.testing.assert_close(ours, theirs)
    torch.testing.assert_close(dict(layer.module.state_dict()), dict(plain.state_dict()))


def _traced(module: nn.Module, run: Callable[..., Tensor], inputs: list[Tensor]) -> list[Tensor]:
    """The output, and the gradients of all inputs and parameters for a loss that tells values apart."""
    torch.manual_seed(0)
    inputs = [x.detach().requires_grad_(x.is_floating_point()) for x in inputs]
    output = run(*inputs)
    sources = [*(x for x in inputs if x.requires_grad), *module.parameters()]
    if not output.requires_grad:
        return [output]
    loss = (output * torch.linspace(-1, 1, output.numel()).view_as(output)).sum()
    gradients = torch.autograd.grad(loss, sources, allow_unused=True, materialize_grads=True)
    return [output.detach(), *gradients]


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in NESTINGS])  # their layers are written by their graph
@PROFILE
@given(data=st.data())
def test_fields_written_out_read_back(kind: str, data: st.DataObject) -> None:
    """As a resolved config has it, a layer is the same layer with every field named."""
    _, fields = data.draw(CASES[kind].examples)
    spec = read_spec(kind, fields)
    written = dump(spec)
    assert set(fields) <= set(written)
    assert read_spec(kind, written) == spec


def test_same_padding_of_an_even_kernel_gives_no_warning() -> None:
    """Torch's remark on uneven padding is not passed on to people who wrote `padding: same`."""
    image = Image(1, 4, 4)
    layer = build("conv2d", {"out_channels": 1, "kernel_size": 2, "padding": "same"}, (image,))
    assert layer is not None
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        layer.module(random_input(image))


@pytest.mark.parametrize("returned", ["last", "sequence"])
def test_recurrent_layers_give_one_tensor(returned: str) -> None:
    """`return:` chooses between the final state and the outputs of all steps; states of cells stay inside."""
    for kind in ("rnn", "lstm", "gru"):
        layer = build(kind, {"hidden_size": 3, "return": returned}, (Sequence(4, Vector(2)),))
        assert layer is not None
        output = layer.module(torch.zeros(5, 4, 2))
        assert output.shape == ((5, 3) if returned == "last" else (5, 4, 3))


def test_relu6_ends_at_6() -> None:
    """The values of the test above seldom reach that far."""
    layer = build("relu6", {}, (Vector(3),))
    assert layer is not None
    assert layer.module(torch.tensor([[-1.0, 2.0, 7.0]])).tolist() == [[0.0, 2.0, 6.0]]
