"""What a module makes of its input, found by running it on torch's meta device: shapes without values or memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from dlcli.config.shapes import Sequence as SequenceShape
from dlcli.config.shapes import Shape, ShapeError, Time, Vector, at_steps, fixed_sizes, from_sizes, holds_tokens

TRIED_STEPS = (24, 36)
"""Two numbers of steps that show whether an output's first axis is time."""
_BATCH = 2


@dataclass(frozen=True)
class Inferred:
    """What a run on the meta device showed.

    Attributes:
        shape: of the output, one sample.
        parameters: trainable values.
        flops: of one sample; None where they depend on its number of steps.
    """

    shape: Shape
    parameters: int
    flops: int | None


def infer(kind: str, build: Callable[[], nn.Module], inputs: Sequence[Shape]) -> Inferred:
    """Builds a module and runs it once, or for symbolic steps twice.

    Args:
        kind: the layer, for messages.
        build: makes the module.
        inputs: the shapes that it reads.

    Raises:
        ShapeError: the module can't be built for these inputs, fails on them, or gives no tensor of a known kind.
    """
    is_symbolic = any(isinstance(size, Time) for shape in inputs for size in shape.sizes)
    if not is_symbolic:
        sizes, parameters, flops = _run(kind, build, inputs)
        return Inferred(_shape(kind, sizes, inputs[0]), parameters, flops)
    runs = [_run(kind, build, [at_steps(shape, steps) for shape in inputs]) for steps in TRIED_STEPS]
    (first, parameters, flops), (second, _, flops_of_more) = runs
    shape, same_flops = _shape(kind, first, inputs[0]), flops if flops == flops_of_more else None
    if first == second:
        return Inferred(shape, parameters, same_flops)
    times = {size for source in inputs for size in source.sizes[:1] if isinstance(size, Time)}
    kept = [time for time in times if (first[0], second[0]) == tuple(map(time.at, TRIED_STEPS))]
    if len(kept) != 1 or first[1:] != second[1:] or not isinstance(shape, SequenceShape):
        raise ShapeError(f"`{kind}` changes the number of steps, which differs from sample to sample", help=_WRITE_A_RULE)
    return Inferred(SequenceShape(kept[0], shape.item), parameters, same_flops)


_WRITE_A_RULE = "give the layer an `output_shape` that says how"


def _run(kind: str, build: Callable[[], nn.Module], inputs: Sequence[Shape]) -> tuple[tuple[int, ...], int, int]:
    """Sizes of one sample of the output, parameters, and operations for one sample."""
    counter = FlopCounterMode(display=False)
    try:
        with torch.device("meta"), torch.no_grad(), counter:
            module = build()
            output = module(*(_batch(shape) for shape in inputs))
    except Exception as error:
        shapes = " and ".join(str(shape) for shape in inputs)
        raise ShapeError(f"`{kind}` can't read {shapes}: {error or type(error).__name__}") from error
    if not isinstance(output, Tensor) or output.dim() < 1 or len(output) != _BATCH:
        raise ShapeError(f"`{kind}` must give one tensor with the batch as its first axis")
    parameters = sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad)
    return tuple(output.shape[1:]), parameters, counter.get_total_flops() // _BATCH


def _batch(shape: Shape) -> Tensor:
    if holds_tokens(shape):
        return torch.zeros(_BATCH, *fixed_sizes(shape), dtype=torch.int64)
    return torch.zeros(_BATCH, *fixed_sizes(shape))


def _shape(kind: str, sizes: tuple[int, ...], source: Shape) -> Shape:
    """The kind of the input where the number of axes is the same, else the usual one for so many."""
    if isinstance(source, SequenceShape) and len(sizes) == len(source.sizes) and isinstance(source.item, Vector):
        return SequenceShape(sizes[0], Vector(sizes[1]))
    try:
        return from_sizes(sizes, "clip" if source.layout == "clip" and len(sizes) == len(source.sizes) else None)
    except ShapeError as error:
        raise ShapeError(f"`{kind}` gives {list(sizes)}, which is no shape dlcli knows", help=_WRITE_A_RULE) from error
