"""What is the first to hold NaN or infinity when a training diverges. No step whose loss is finite runs any of it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

import torch
from torch import Tensor, nn

from dlcli.config.graph import Graph, LayerNode
from dlcli.config.shapes import Sequence as SequenceShape
from dlcli.config.shapes import Shape, Time
from dlcli.config.training import TrainSpec
from dlcli.data.batches import Batch
from dlcli.data.dataset import Tensors
from dlcli.models.network import Network
from dlcli.models.valid_steps import fill_padding, select_valid

MEND_THE_DATA: Final = "mend the data: fill in what is missing, or leave such samples out"
LOOK_AT_THE_SCALES: Final = (
    "no weight has changed yet: look at the scale of the data (data.normalize, data.normalize_targets) "
    "and at how the weights start (model.init)"
)

_PASSES: Final = 16
"""How often a batch runs again, where dropout draws anew each time, before it is said that its loss is finite."""

LossOf = Callable[[Batch], Tensor]
"""Passes a batch through the network and to the loss."""


def first_bad(network: nn.Module, group: Sequence[Batch], run: LossOf, train: TrainSpec, *, updates: int) -> tuple[str, str]:
    """Where NaN or infinity came from in a step whose loss is not finite, as half a sentence, and what to do about it.

    It is looked for in the data, then in the weights, which the update before may have ruined, then in what each layer gives
    when the batches run once more, and at last in the loss. Dropout draws other values then, a carried state goes on from what
    the step left, and running statistics change once more, which is why they are no place to look at: the training can't go on.

    Args:
        network: before the update of the step.
        group: the batches of the step.
        run: as the step does.
        train: the config's `train`.
        updates: those before the step.
    """
    data = bad_data(network, group)
    if data is not None:
        return data, MEND_THE_DATA
    weight = _bad_tensor(network, dict(network.named_parameters()))
    if weight is not None:
        since = f"after the update of step {updates}" if updates else "before the first update"
        return f"{weight} {since}", what_to_change(train, updates)
    return _bad_pass(network, group, run), what_to_change(train, updates)


def bad_data(network: nn.Module, group: Sequence[Batch]) -> str | None:
    """The first of the inputs and targets of a step's batches that holds NaN or infinity; None where all are finite."""
    found = (_bad_data(network, batch, _called_batch(number, group)) for number, batch in enumerate(group, start=1))
    return next(filter(None, found), None)


def bad_buffers(network: nn.Module) -> frozenset[str]:
    """The names of the buffers that hold NaN or infinity."""
    return frozenset(name for name, buffer in network.named_buffers(remove_duplicate=False) if _kind(buffer))


def bad_weight(network: nn.Module, unsuspected: Collection[str] = ()) -> str | None:
    """A weight or a buffer that holds NaN or infinity, and its layer; None where all are finite.

    Of several it is one of the last layer in the order of the network, which gradients reach first.

    Args:
        network: at any step.
        unsuspected: the names of buffers that may hold them.
    """
    tensors = network.state_dict()
    return _bad_tensor(network, {name: tensor for name, tensor in tensors.items() if name not in unsuspected})


def what_to_change(train: TrainSpec, updates: int) -> str:
    """What to do about numbers that grow too large.

    Args:
        train: the config's `train`.
        updates: those that the weights have seen.
    """
    if updates == 0:
        return LOOK_AT_THE_SCALES
    lower = f"lower the learning rate: --set train.optimizer.lr={train.optimizer.lr / 10:g}"
    return lower if train.clip_gradients else f"{lower}, or bound the gradients: --set train.clip_gradients=1"


def layers_of_modules(graph: Graph, prefix: str = "") -> dict[str, LayerNode]:
    """The layer of each module of a network, those inside of nestings included, by the module's name in `named_modules`."""
    layers = {}
    for node in graph.nodes:
        if node.shares is None:
            layers[prefix + node.name] = node
            if node.body is not None:
                layers |= layers_of_modules(node.body, f"{prefix}{node.name}.")
    return layers


# ------------------------------------------------------------------------------------------------- data and weights


def _bad_data(network: nn.Module, batch: Batch, words: str) -> str | None:
    """The first of the inputs and targets of a batch that is not finite."""
    shapes = network.graph.inputs if isinstance(network, Network) else {}
    sole = next(iter(shapes.values()), None)
    found = [("input", name, _present(tensor, shapes.get(name, sole), batch)) for name, tensor in _named(batch.inputs)]
    found += [("target", name, tensor) for name, tensor in _named(batch.targets)]
    for what, name, tensor in found:
        kind = _kind(tensor)
        if kind:
            return f"the {what}{f' `{name}`' if name else ''} holds {kind} {_for_samples(tensor, batch, words)}"
    return None


def _bad_tensor(network: nn.Module, tensors: Mapping[str, Tensor]) -> str | None:
    layers = _layers_of(network)
    bad = [(name, kind) for name, tensor in tensors.items() if (kind := _kind(tensor))]
    if not bad:
        return None
    owners = {name: _owner(name, layers) for name, _ in bad}
    last = owners[bad[-1][0]]
    name, kind = next((name, kind) for name, kind in bad if owners[name] == last)
    return f"`{name}`{f' of {_called(layers[last])}' if last in layers else ''} holds {kind}"


def _layers_of(network: nn.Module) -> dict[str, LayerNode]:
    return layers_of_modules(network.graph) if isinstance(network, Network) else {}


def _owner(tensor: str, layers: Mapping[str, LayerNode]) -> str:
    """The name of the innermost layer that a tensor of this name belongs to; of what is no layer that of its module."""
    module = name = tensor.rpartition(".")[0]
    while name and name not in layers:
        name = name.rpartition(".")[0]
    return name or module


def _called(node: LayerNode) -> str:
    place = f"{node.place.source.name}:{node.place.line}"
    return f"`{node.name}` ({place})" if node.name.startswith(node.spec.kind) else f"`{node.name}` ({node.spec.kind}, {place})"


# ------------------------------------------------------------------------------------------- what layers and losses give


def _bad_pass(network: nn.Module, group: Sequence[Batch], run: LossOf) -> str:
    """What is not finite first when the batches run again, until chance shows it."""
    for _ in range(_PASSES):
        for number, batch in enumerate(group, start=1):
            with _watched(network, batch, _called_batch(number, group)) as found:
                loss = run(batch)
            if found:
                return found[-1]
            if not torch.isfinite(loss):
                return _of_loss(network, batch, float(loss))
    return f"{_PASSES} more passes over the same samples give finite losses"


def _of_loss(network: nn.Module, batch: Batch, loss: float) -> str:
    """What is said where the loss makes infinity or NaN of finite outputs."""
    with torch.no_grad():
        outputs = dict(_named(batch.through(network)))
    name = max(outputs, key=lambda name: float(outputs[name].abs().max()))
    ranges = [f"the output{f' `{name}`' if name else ''} goes {_range([outputs[name]])}"]
    targets = [target for which, target in _named(batch.targets) if which in ("", name) and target.is_floating_point()]
    ranges += [f"its targets {_range(targets)}"] if targets else []
    return f"every layer gives finite numbers, and the loss of them is {loss}: {', '.join(ranges)}"


@contextmanager
def _watched(network: nn.Module, batch: Batch, words: str) -> Iterator[list[str]]:
    """Says of the first layer that gives NaN or infinity what it gives, until the end of the block.

    Where that reads some already, which a nesting around it has made, the first that does not stands behind it.
    """
    found: list[str] = []
    explained: list[bool] = []
    layers = _layers_of(network)

    def watch(name: str) -> Callable[[nn.Module, Any, Any], None]:
        node = layers.get(name)

        def look(module: nn.Module, read: Any, given: Any) -> None:
            outputs = [_present(tensor, node.output_shape if node else None, batch) for tensor in _tensors(given)]
            bad = next((tensor for tensor in outputs if _kind(tensor)), None)
            if bad is None or any(explained):
                return
            inputs = _inputs(node, read, batch)
            explained.append(not any(map(_kind, inputs)))
            if explained[-1] or not found:
                layer = _called(node) if node else f"`{name or type(module).__name__}`"
                given_words = f"gives {_kind(bad)} {_for_samples(bad, batch, words)}"
                found.append(f"{layer} {given_words}, and {_what_it_reads(module, inputs)}")

        return look

    names = list(layers) or [name for name, module in network.named_modules() if not any(module.children())]
    handles = [network.get_submodule(name).register_forward_hook(watch(name)) for name in names]
    try:
        with torch.no_grad():
            yield found
    finally:
        for handle in handles:
            handle.remove()


def _inputs(node: LayerNode | None, read: Any, batch: Batch) -> list[Tensor]:
    """The numbers that a layer reads, without padding."""
    shapes = node.input_shapes if node is not None else ()
    return [
        _steps_there(tensor, shapes[index] if index < len(shapes) else None, batch)
        for index, tensor in enumerate(_tensors(read))
        if tensor.is_floating_point() and tensor.numel()
    ]


def _what_it_reads(module: nn.Module, inputs: list[Tensor]) -> str:
    """How large what a layer reads and its weights are."""
    if any(map(_kind, inputs)):
        return "what it reads is not finite either"
    words = f"what it reads is finite, {_range(inputs)}" if inputs else "what it reads is finite"
    largest = max((float(weight.abs().max()) for weight in module.parameters() if weight.numel()), default=None)
    return words if largest is None else f"{words}; its largest weight is {largest:.3g}"


def _range(tensors: Iterable[Tensor]) -> str:
    """From the smallest to the largest of all values."""
    ends = [(float(tensor.min()), float(tensor.max())) for tensor in tensors]
    return f"from {min(low for low, _ in ends):.3g} to {max(high for _, high in ends):.3g}"


# -------------------------------------------------------------------------------------------------------- tensors


def _called_batch(number: int, group: Sequence[Batch]) -> str:
    return "the batch" if len(group) == 1 else f"batch {number} of {len(group)}"


def _tensors(values: Any) -> Iterator[Tensor]:
    """The tensors among these values, those in tuples, lists and mappings included."""
    if isinstance(values, Tensor):
        yield values
    elif isinstance(values, Mapping):
        yield from _tensors(list(values.values()))
    else:
        for value in values if isinstance(values, tuple | list) else ():
            yield from _tensors(value)


def _kind(tensor: Tensor) -> str | None:
    """`NaN` or `infinity`, if the tensor holds one of them."""
    if not tensor.is_floating_point() or torch.isfinite(tensor).all():
        return None
    return "NaN" if torch.isnan(tensor).any() else "infinity"


def _for_samples(tensor: Tensor, batch: Batch, words: str) -> str:
    """For which samples of a batch a tensor holds NaN or infinity.

    Args:
        tensor: (batch, ...), or the steps that are there of all samples, (steps, ...); of other axes nothing is known.
        batch: whose samples they are.
        words: what the batch is called.
    """
    rows = (~torch.isfinite(tensor)).reshape(len(tensor), -1).any(dim=1).nonzero()[:, 0] if tensor.ndim else torch.empty(0)
    if batch.lengths is not None and tensor.ndim and len(tensor) == int(batch.lengths.sum()) != batch.size:
        rows = torch.arange(batch.size, device=rows.device).repeat_interleave(batch.lengths)[rows].unique()
    elif not tensor.ndim or len(tensor) != batch.size:
        return f"in {words}"
    if len(rows) == batch.size > 1:
        return f"for all {batch.size} samples of {words}"
    return f"for sample {int(rows[0])} of {words}" + (f" and {len(rows) - 1} more of its {batch.size}" if len(rows) > 1 else "")


def _valid_steps(tensor: Tensor, shape: Shape | None, batch: Batch) -> Tensor | None:
    """How many steps of each sample are there in a tensor of this shape, (batch,); None where none is padding."""
    if batch.lengths is None or not isinstance(shape, SequenceShape) or not isinstance(shape.time, Time) or tensor.ndim < 2:
        return None
    return shape.time.at(batch.lengths)


def _present(tensor: Tensor, shape: Shape | None, batch: Batch) -> Tensor:
    """The same with 0 in the padding, where anything may stand."""
    valid = _valid_steps(tensor, shape, batch)
    return tensor if valid is None else fill_padding(tensor, valid, 0)


def _steps_there(tensor: Tensor, shape: Shape | None, batch: Batch) -> Tensor:
    """The same without the padding, (steps, ...)."""
    valid = _valid_steps(tensor, shape, batch)
    return tensor if valid is None else select_valid(tensor, valid)


def _named(tensors: Tensors) -> Iterable[tuple[str, Tensor]]:
    return tensors.items() if isinstance(tensors, dict) else [("", tensors)]
