"""Layers that hold others, as text: how their class is called, and what it registers beside its layers."""

from __future__ import annotations

from typing import Final

from dlcli.config.graph import LayerNode
from dlcli.config.layers.nesting import ReversibleNorm, TimeDistributed
from dlcli.config.shapes import channels_of
from dlcli.models.python_lengths import nesting_with_lengths, time_of
from dlcli.models.python_source import REQUIRED, Argument, Call, Code, LayerSource

_REVERSIBLE_NORM: Final = '''def reversible_norm(layers: nn.Module, x: Tensor, eps: float) -> Tensor:
    """Run layers on features of mean 0 and variance 1 over time, and undo that on what they give."""
    variance, mean = torch.var_mean(x, 1, correction=0, keepdim=True)
    deviation = torch.sqrt(variance + eps)
    output = layers((x - mean) / deviation)
    steps = output.reshape(len(output), -1, x.shape[2])
    return (steps * deviation + mean).reshape(output.shape)'''

_AFFINE_REVERSIBLE_NORM: Final = '''def affine_reversible_norm(layers: nn.Module, x: Tensor, eps: float) -> Tensor:
    """Run layers on features of a learnt mean and variance over time; undo that on what they give."""
    variance, mean = torch.var_mean(x, 1, correction=0, keepdim=True)
    deviation = torch.sqrt(variance + eps)
    output = layers((x - mean) / deviation * layers.weight + layers.bias)
    steps = output.reshape(len(output), -1, x.shape[2])
    steps = (steps - layers.bias) / (layers.weight + eps**2)
    return (steps * deviation + mean).reshape(output.shape)'''


def nesting_source(node: LayerNode) -> LayerSource:
    """The call of the class of a nesting."""
    if time_of(node.input_shapes[0]) is not None:
        return nesting_with_lengths(node)
    if isinstance(node.spec, TimeDistributed):
        return LayerSource(None, "{layer}({0}.flatten(0, 1)).unflatten(0, {0}.shape[:2])")
    if isinstance(node.spec, ReversibleNorm):
        name = "affine_reversible_norm" if node.spec.affine else "reversible_norm"
        function = _AFFINE_REVERSIBLE_NORM if node.spec.affine else _REVERSIBLE_NORM
        return LayerSource(None, f"{name}({{layer}}, {{0}}, {node.spec.eps})", functions=(function,))
    return LayerSource(None)


def own_weights(node: LayerNode) -> dict[str, Call]:
    """The parameters of a nesting that are not of its layers."""
    if not isinstance(node.spec, ReversibleNorm) or not node.spec.affine:
        return {}
    features = channels_of(node.input_shapes[0])
    starts = {"weight": f"torch.ones({features})", "bias": f"torch.zeros({features})"}
    return {
        name: Call("nn.Parameter", (Argument("data", Code(start), REQUIRED, by_name=False),)) for name, start in starts.items()
    }
