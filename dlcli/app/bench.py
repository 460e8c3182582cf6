"""How fast a config trains on this machine, and what takes the time."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final

import torch

from dlcli.app.configs import Config
from dlcli.app.experiments import open_experiment
from dlcli.app.train import build_trainer
from dlcli.data.batches import Batch
from dlcli.models.kernels import flushed_denormals, library
from dlcli.plugins import plugin_errors
from dlcli.runtime.device import choose_device, device_title
from dlcli.runtime.memory import keep_freed_memory, memory_errors, peak_memory
from dlcli.runtime.products import products_in
from dlcli.runtime.seed import seeded
from dlcli.training.compilation import compilation_errors
from dlcli.training.trainer import Trainer

_SECONDS: Final = 2.0
"""For which each measurement goes on, at least."""
_LEAST_STEPS: Final = 20
_WARM_UP: Final = 5
_PRODUCT: Final = 2048
"""Rows and columns of the matrices whose product shows what the machine can do."""
_BACKWARD: Final = 3
"""Operations of a training step for each of a forward pass: backward there are two products for each."""


@dataclass(frozen=True)
class Bench:
    """What was measured.

    Attributes:
        device: for people.
        compiled: whether the package's compiled kernels are there; None where the device has no use for them.
        batch_size: samples of a step.
        steps: that were measured.
        samples_per_second: of whole steps, data included.
        milliseconds: of a step, the median of each part: `data`, `forward`, `backward`, `optimiser`, and `other`, the rest.
        peak_flops: of a product of two matrices in float32, in floating-point operations a second.
        share_of_peak: what the network's operations are of that; None where they depend on the sample.
        peak_memory: bytes: of the process on the CPU, of tensors on a CUDA device.
    """

    device: str
    compiled: bool | None
    batch_size: int
    steps: int
    samples_per_second: float
    milliseconds: dict[str, float]
    peak_flops: float
    share_of_peak: float | None
    peak_memory: int

    def as_json(self) -> dict[str, Any]:
        return vars(self)


def bench(
    config: Config, overrides: tuple[str, ...], device_name: str, data_dir: Path | None, notice: Callable[[str], None]
) -> Bench:
    """Trains for some seconds, and keeps nothing.

    Args:
        config: a path or a dict.
        overrides: as for `--set`.
        device_name: as for `--device`.
        data_dir: where data is looked for first.
        notice: takes a line that a person should know.

    Raises:
        DlcliError: see its subclasses.
    """
    device = choose_device(device_name)
    keep_freed_memory()
    with plugin_errors(), memory_errors():
        experiment, dataset = open_experiment(config, overrides, data_dir, notice)
        train = experiment.train
        with (
            seeded(train.seed, deterministic=train.deterministic),
            flushed_denormals(),
            products_in(train.precision),
            compilation_errors(),
        ):
            trainer = build_trainer(experiment, dataset, device)
            trainer.spec = trainer.spec.model_copy(update={"max_steps": None})
            trainer.record_steps(notice)
            return _measured(trainer, experiment.graph.flops())


def _measured(trainer: Trainer, flops: int | None) -> Bench:
    device = trainer.device
    trainer.network.train()
    seconds, samples, steps = _whole_steps(trainer)
    parts = _parts(trainer)
    parts["other"] = max(0.0, 1000 * seconds / steps - sum(parts.values()))
    peak = _peak_flops(device)
    rate = samples / seconds
    return Bench(
        device=device_title(device),
        compiled=library() is not None if device.type == "cpu" else None,
        batch_size=trainer.spec.batch_size,
        steps=steps,
        samples_per_second=rate,
        milliseconds=parts,
        peak_flops=peak,
        share_of_peak=None if flops is None else _BACKWARD * flops * rate / peak,
        peak_memory=peak_memory(device),
    )


def _groups(trainer: Trainer) -> Any:
    """Batches without an end: one epoch after the other."""
    while True:
        yield from trainer.groups()
        trainer.progress.step_in_epoch = 0
        trainer.progress.epoch += 1


def _whole_steps(trainer: Trainer) -> tuple[float, int, int]:
    """Seconds, samples and steps of the training as it is."""
    groups = _groups(trainer)
    for group in islice(groups, _WARM_UP):
        trainer.step(group)
    samples, seconds, steps = 0, 0.0, 0
    began = _now(trainer.device)
    while steps == 0 or seconds < _SECONDS:
        for group in islice(groups, _LEAST_STEPS):
            trainer.step(group)
            samples += sum(batch.size for batch in group)
            steps += 1
        seconds = _now(trainer.device) - began
    return seconds, samples, steps


def _parts(trainer: Trainer) -> dict[str, float]:
    """Milliseconds of the parts of a step, each waited for: the median over steps."""
    found: dict[str, list[float]] = {"data": [], "forward": [], "backward": [], "optimiser": []}
    groups, began = _groups(trainer), _now(trainer.device)
    while len(found["data"]) < _LEAST_STEPS or _now(trainer.device) - began < _SECONDS:
        moments = [_now(trainer.device)]
        group: list[Batch] = next(groups)
        moments.append(_now(trainer.device))
        trainer.network.zero_grad(set_to_none=True)
        loss_of_batch = trainer.objective.in_group([batch.targets for batch in group])
        losses = [loss_of_batch(trainer.outputs_for(batch), batch.targets, batch.steps) for batch in group]
        moments.append(_now(trainer.device))
        torch.stack(losses).sum().backward()
        moments.append(_now(trainer.device))
        trainer.update()
        moments.append(_now(trainer.device))
        for name, first, last in zip(found, moments, moments[1:], strict=False):
            found[name].append(1000 * (last - first))
    return {name: statistics.median(values) for name, values in found.items()}


def _now(device: torch.device) -> float:
    """The clock, once the device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()
    return time.perf_counter()


def _peak_flops(device: torch.device) -> float:
    """The best of some products."""
    first, second = (torch.randn(_PRODUCT, _PRODUCT, device=device) for _ in range(2))
    seconds = []
    for _ in range(_LEAST_STEPS):
        began = _now(device)
        torch.mm(first, second)
        seconds.append(_now(device) - began)
    return 2 * _PRODUCT**3 / min(seconds)
