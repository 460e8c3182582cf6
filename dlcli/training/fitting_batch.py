"""How many samples at a time find room in memory, once a training has found that its own do not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import torch
from torch import Tensor, nn

from dlcli.config.heads import needing_larger_batches
from dlcli.config.limits import BYTES, training_memory
from dlcli.config.model import GIB
from dlcli.data.batches import Batch, Batches
from dlcli.data.dataset import Split
from dlcli.data.named import each
from dlcli.models.carried_state import reset_state
from dlcli.models.network import Network
from dlcli.runtime.memory import available_memory, is_out_of_memory, let_go, return_freed_memory
from dlcli.training.evaluation import evaluation_batch_size
from dlcli.training.trainer import Trainer

_PASSES: Final = 2
"""How often each size is tried: what was freed in between lies in pieces, as it does in a training."""
_MOMENTS: Final = 2
"""Values that Adam keeps for each weight from its first update on."""

Attempt = Callable[[Trainer, int], None]
"""Takes as much memory as something that a training does with so many samples."""


def smaller_batches(trainer: Trainer) -> str:
    """What to set so that a step and an evaluation find room, in words.

    Half of the batch size is tried, a quarter and so on: twice in a row, with more samples than that, so that some room is
    left, and with the longest sequences where lengths differ. Gradients and carried states are lost: the training can't go on.

    Args:
        trainer: of which a step or an evaluation ran out of memory.
    """
    spec, least = trainer.spec, _least_size(trainer.network)
    size = spec.batch_size // 2
    while size >= least and not _finds_room(trainer, size, (_step, _evaluation)):
        size //= 2
    if size < least:
        return _what_finds_none(trainer, least)
    settings = [f"--set train.batch_size={size}"]
    samples_of_a_step = spec.batch_size * spec.accumulate
    if not spec.stateful and samples_of_a_step % size == 0:
        settings.append(f"--set train.accumulate={samples_of_a_step // size}")
    return f"{size} sample{'s fit' if size > 1 else ' fits'} at a time: {' '.join(settings)}"


def memory_notice(trainer: Trainer) -> str | None:
    """What to say before the first step where its memory will probably not suffice: Linux may end a process without a word.

    Args:
        trainer: of the network of a graph, whose weights take their memory already.
    """
    assert isinstance(trainer.network, Network)
    graph, size = trainer.network.graph, min(trainer.spec.batch_size, trainer.batches.num_samples)
    needed = training_memory(graph, trainer.spec.model_copy(update={"batch_size": size})) - BYTES * graph.parameter_count()
    available = available_memory(trainer.device)
    if available is None or needed <= available:
        return None
    sizes = f"a step needs about {needed / GIB:.1f} GB, and {available / GIB:.1f} GB of memory are free"
    return f"{sizes}: if it ends for lack of memory, use a smaller train.batch_size"


def _least_size(network: nn.Module) -> int:
    """Of a batch that the network can learn from."""
    return 2 if isinstance(network, Network) and needing_larger_batches(network.graph) is not None else 1


def _what_finds_none(trainer: Trainer, least: int) -> str:
    """What to do where no smaller batch helps."""
    smaller = "use smaller layers or smaller inputs"
    if _finds_room(trainer, least, (_step,)):
        judged = _evaluation_size(trainer, least)
        return f"no smaller batch helps, since an evaluation takes {judged} samples at a time, and lacks room for them: {smaller}"
    return f"not even {least} sample{'s fit' if least > 1 else ' fits'} with room to spare: {smaller}"


def _finds_room(trainer: Trainer, size: int, attempts: tuple[Attempt, ...]) -> bool:
    """Whether there is memory for these attempts with so many samples, one after the other."""
    return_freed_memory(trainer.device)
    try:
        for _ in range(_PASSES):
            for attempt in attempts:
                attempt(trainer, size)
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        let_go(error)
        return False
    finally:
        trainer.network.zero_grad(set_to_none=True)
    return True


def _step(trainer: Trainer, size: int) -> None:
    """A step up to its update, with room for what updates and saves add; gradients stay, as in a group of batches."""
    added = torch.empty(_added_later(trainer), dtype=torch.uint8, device=trainer.device)
    _loss(trainer, _with_spare(trainer, size)).backward()
    del added


def _added_later(trainer: Trainer) -> int:
    """Bytes that the first update adds and that a save beside a step does: on the CPU its copies, and its largest file twice."""
    weights = sum(weight.nbytes for weight in trainer.network.parameters())
    update = _MOMENTS * weights if trainer.progress.step == 0 else 0
    if trainer.device.type != "cpu":
        return update
    copies = (1 + _MOMENTS + (trainer.spec.ema is not None)) * weights
    return update + copies + 2 * _MOMENTS * weights


def _evaluation(trainer: Trainer, size: int) -> None:
    """A batch of an evaluation."""
    with torch.inference_mode():
        _loss(trainer, _with_spare(trainer, _evaluation_size(trainer, size)))


def _with_spare(trainer: Trainer, size: int) -> int:
    """Half as many samples again; on the CPU as many again, since freed memory lies in pieces, in others in each process."""
    return 2 * size if trainer.device.type == "cpu" else size + (size + 1) // 2


def _evaluation_size(trainer: Trainer, size: int) -> int:
    return evaluation_batch_size(trainer.spec.model_copy(update={"batch_size": size}))


def _loss(trainer: Trainer, size: int) -> Tensor:
    batch = _batch(trainer, size)
    reset_state(trainer.network)
    return trainer.objective(trainer.outputs_for(batch), batch.targets, batch.steps)


def _batch(trainer: Trainer, size: int) -> Batch:
    """So many samples of the training split, the longest ones, as a step gets them."""
    split, dataset = trainer.dataset.train, trainer.dataset
    count = min(size, len(split))
    lengths = split.lengths if split.lengths is not None else torch.zeros(len(split), device=split.device)
    chosen = lengths.argsort(descending=True)[:count]

    def taken(tensor: Tensor) -> Tensor:
        return tensor.index_select(0, chosen)

    samples = Split(each(split.inputs, taken), each(split.targets, taken), None if split.lengths is None else taken(lengths))
    batches = Batches(samples, trainer.preprocessing, count, facts=dataset.facts, seed=trainer.spec.seed)
    return next(batches.epoch(trainer.progress.epoch))
