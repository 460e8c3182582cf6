"""How many samples at a time find room in memory, once a training has found that its own do not."""

from __future__ import annotations

import gc

import torch
from torch import Tensor

from dlcli.data.batches import Batch, Batches
from dlcli.data.dataset import Split
from dlcli.data.named import each
from dlcli.models.carried_state import reset_state
from dlcli.training.evaluation import evaluation_batch_size
from dlcli.training.trainer import Trainer


def smaller_batches(trainer: Trainer) -> str | None:
    """What to set so that a step finds room, in words; None where not even one sample does.

    Half of the batch size is tried, a quarter and so on, each with half as many samples more, since memory is never used
    to the last bit, and with the longest sequences where lengths differ. Gradients are lost: the training can't go on.

    Args:
        trainer: of which a step or an evaluation ran out of memory.
    """
    spec = trainer.spec
    size = spec.batch_size // 2
    while size and not _fits(trainer, size):
        size //= 2
    if not size:
        return None
    settings = [f"--set train.batch_size={size}"]
    samples_of_a_step = spec.batch_size * spec.accumulate
    if not spec.stateful and samples_of_a_step % size == 0:
        settings.append(f"--set train.accumulate={samples_of_a_step // size}")
    return f"{size} sample{'s fit' if size > 1 else ' fits'} at a time: {' '.join(settings)}"


def _fits(trainer: Trainer, size: int) -> bool:
    """Whether a step and an evaluation with so many samples find room."""
    judged = evaluation_batch_size(trainer.spec.model_copy(update={"batch_size": size}))
    try:
        _loss(trainer, _with_room(size)).backward()
        with torch.inference_mode():
            _loss(trainer, _with_room(judged))
    except (MemoryError, RuntimeError):
        return False
    finally:
        trainer.network.zero_grad(set_to_none=True)
        gc.collect()
        if trainer.device.type == "cuda":
            torch.cuda.empty_cache()
    return True


def _with_room(size: int) -> int:
    return size + (size + 1) // 2


def _loss(trainer: Trainer, size: int) -> Tensor:
    batch = _batch(trainer, size)
    reset_state(trainer.network)
    return trainer.objective(batch.through(trainer.network), batch.targets, batch.steps)


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
