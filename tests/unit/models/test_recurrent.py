"""What recurrent layers add to torch's: the forget gate's bias, and the final state of each direction."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from dlcli.config.shapes import Sequence, Vector
from tests.unit.models.layer_cases import build, read_spec
from tests.unit.models.recurrent_cells import CELLS


def _lstm(**fields: object) -> nn.Module:
    layer = build("lstm", {"hidden_size": 3, "num_layers": 2, "bidirectional": True, **fields}, (Sequence(4, Vector(2)),))
    assert layer is not None
    return layer.module


def test_forget_bias_is_set_once_and_nothing_else_changes() -> None:
    """Torch adds two biases: together they are the given value, in each layer and direction, and all else is as without."""
    torch.manual_seed(0)
    given = dict(_lstm(forget_bias=1.5).named_parameters())
    torch.manual_seed(0)
    default = dict(_lstm().named_parameters())
    biases = [name for name in given if name.startswith("bias_ih")]
    assert len(biases) == 4  # two layers, two directions
    for name in biases:
        _, forget, _, _ = (given[name] + given[name.replace("_ih", "_hh")]).chunk(4)
        torch.testing.assert_close(forget, torch.full((3,), 1.5))
    for name, parameter in given.items():
        gates = zip(parameter.chunk(4), default[name].chunk(4), strict=True)
        unchanged = [torch.equal(ours, theirs) for ours, theirs in gates]
        assert unchanged == ([True, False, True, True] if name.startswith("bias") else [True] * 4)


def test_a_forget_bias_keeps_the_memory() -> None:
    """With all weights 0, the cell's memory fades by sigmoid(forget_bias) at each step, as the equations say."""
    lstm = _lstm(num_layers=1, bidirectional=False, forget_bias=2.0)
    assert isinstance(lstm, nn.LSTM)
    with torch.no_grad():
        for name, parameter in lstm.named_parameters():
            forget = parameter[3:6].clone()
            parameter.zero_()
            if name.startswith("bias"):
                parameter[3:6] = forget
    hidden, memory = torch.zeros(1, 1, 3), torch.ones(1, 1, 3)
    _, (_, after) = nn.LSTM.forward(lstm, torch.randn(1, 4, 2), (hidden, memory))
    torch.testing.assert_close(after, torch.full((1, 1, 3), torch.sigmoid(torch.tensor(2.0)).item() ** 4))


@pytest.mark.parametrize("kind", ["rnn", "lstm", "gru"])
def test_last_of_both_directions_has_read_the_whole_sequence(kind: str) -> None:
    """A change at the first or the last step changes both halves of what `return: last` gives."""
    fields = {"hidden_size": 3, "bidirectional": True, "return": "last"}
    layer = build(kind, fields, (Sequence(5, Vector(2)),))
    assert layer is not None
    sequence = torch.randn(1, 5, 2, requires_grad=True)
    output = layer.module(sequence)
    for half in output.chunk(2, dim=1):
        (gradient,) = torch.autograd.grad(half.sum(), sequence, retain_graph=True)
        assert _steps_that_matter(gradient) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("num_layers", [1, 2])
@pytest.mark.parametrize("name", CELLS)
def test_operations_are_those_that_torch_counts(name: str, num_layers: int) -> None:
    """As FlopCounterMode counts them where it can: on the meta device."""
    kind, fields = CELLS[name]
    fields = fields | {"num_layers": num_layers, "bidirectional": True}
    layer = build(kind, fields, (Sequence(6, Vector(3)),))
    assert layer is not None
    with FlopCounterMode(display=False) as counter:
        layer.module.to("meta")(torch.zeros(1, 6, 3, device="meta"))
    assert read_spec(kind, fields).flops(Sequence(6, Vector(3))) == counter.get_total_flops()


def _steps_that_matter(gradient: Tensor) -> list[int]:
    return [step for step in range(gradient.shape[1]) if gradient[0, step].abs().sum() > 0]
