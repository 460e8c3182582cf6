"""One training: what a step does, what is saved of it and how it is taken up again."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Final

import torch
from torch import Tensor, nn

from dlcli.config.training import TrainSpec
from dlcli.data.batches import Batch, Batches
from dlcli.data.dataset import Dataset, Tensors
from dlcli.data.named import each
from dlcli.data.preprocessing import Preprocessing
from dlcli.errors import CheckpointError, DivergedError
from dlcli.models.carried_state import carry_state, reset_state, restore_state, state_of
from dlcli.runtime.seed import random_state, restore_random_state
from dlcli.runtime.signals import StopRequest
from dlcli.training.averaging import WeightAverage
from dlcli.training.checkpoint import Checkpoint, load_weights
from dlcli.training.compilation import compiled
from dlcli.training.divergence import MEND_THE_DATA, bad_buffers, bad_data, bad_weight, first_bad, what_to_change
from dlcli.training.evaluation import evaluate, evaluation_batches, first_bad_batch
from dlcli.training.objectives import LossOfBatch, build_objective
from dlcli.training.optimisers import build_optimisers
from dlcli.training.progress import Progress
from dlcli.training.recorded_steps import CudaGraphs, RecordedSteps, Results
from dlcli.training.running_sums import RunningSums
from dlcli.training.schedules import Schedule
from dlcli.training.snapshot import Snapshot, TensorCopies

_CHECK_EVERY: Final = 32
"""Steps after which losses are looked at where looking waits for the device; on the CPU each is looked at before its update."""


class Trainer:
    """A network with all that changes it.

    A buffer that holds NaN or infinity to begin with, such as a mask, is meant so, and no sign of a training that diverges.

    Args:
        network: on the device.
        dataset: its splits on the device.
        preprocessing: from samples to the network's input.
        spec: the config's `train`.
        device: where everything is.
        outputs: the names of the network's outputs.
    """

    def __init__(
        self,
        network: nn.Module,
        dataset: Dataset,
        preprocessing: Preprocessing,
        spec: TrainSpec,
        device: torch.device,
        *,
        outputs: Sequence[str],
    ) -> None:
        self.network = network
        self._trained = compiled(network) if spec.compile else network
        self.dataset = dataset
        self.spec = spec
        self.device = device
        self.progress = Progress()
        self.batches = Batches(
            dataset.train,
            preprocessing,
            spec.batch_size,
            facts=dataset.facts,
            seed=spec.seed,
            repeat=dataset.spec.repeat,
            in_streams=spec.stateful,
        )
        if spec.stateful:
            carry_state(network)
        self.steps_per_epoch = math.ceil(len(self.batches) / spec.accumulate)
        self.total_steps = int(min(spec.epochs * self.steps_per_epoch, spec.max_steps or math.inf))
        self.objective = build_objective(spec, dataset.facts, outputs, device, dataset.spec.normalize_targets)
        self._optimisers = build_optimisers(spec.optimizer, network)
        self._schedule = Schedule(spec.schedule, spec.optimizer.lr, self.steps_per_epoch, self.total_steps)
        self._average = WeightAverage(network, spec.ema.decay) if spec.ema else None
        self.preprocessing = preprocessing
        self._unsuspected = bad_buffers(network)
        self._sums = RunningSums(device)
        self._sees_each_loss = device.type == "cpu"
        self._unchecked: list[Tensor] = []
        self._before_cut: Progress | None = None
        self._copies = TensorCopies()
        self._recorded: RecordedSteps | None = None

    def record_steps(self, notice: Callable[[str], None]) -> None:
        """Has steps recorded from now on, where the config asks for it and they run on a CUDA GPU; else nothing changes.

        Args:
            notice: takes a line that says why they are not, should it come to that.
        """
        if not self.spec.cuda_graph or self.device.type != "cuda":
            return
        reason = None
        if self.spec.stateful:
            reason = "a state is carried from batch to batch"
        elif self.batches.have_lengths:
            reason = "the samples have different numbers of steps"
        elif not self._optimisers.keep_rate_in(torch.full((), self.learning_rate, device=self.device)):
            reason = f"the optimizer `{self.spec.optimizer.kind}` reads the learning rate on the CPU"
        if reason is not None:
            notice(f"steps are not recorded, but run one operation at a time: {reason}")
            return
        self._recorded = RecordedSteps(self._changed_weights, CudaGraphs(), notice)

    @property
    def judged_network(self) -> nn.Module:
        """The network that is evaluated and kept: the moving average where there is one."""
        return self._average.network if self._average else self.network

    @property
    def learning_rate(self) -> float:
        """Of the next step."""
        return self._schedule.rate(self.progress.step, self.progress.plateau)

    @property
    def first_learning_rate(self) -> float:
        """Of the first step of the epoch under way."""
        return self._schedule.rate(self.progress.step - self.progress.step_in_epoch, self.progress.plateau)

    def groups(self) -> Iterator[list[Batch]]:
        """What is left of the epoch under way, up to `max_steps`: for each step its batches."""
        start = self.progress.step_in_epoch * self.spec.accumulate
        if self.spec.stateful and start == 0:
            reset_state(self.network)
        batches = self.batches.epoch(self.progress.epoch, start)
        last = self.spec.max_steps or math.inf
        while self.progress.step < last and (group := list(islice(batches, self.spec.accumulate))):
            yield group

    def step(self, group: list[Batch]) -> Tensor:
        """Changes the weights once.

        Args:
            group: batches whose gradients are put together as those of one large batch.

        Returns:
            The mean loss before the change, a tensor of no axes on the device.
        """
        progress = self.progress
        self._optimisers.set_rate(self.learning_rate)
        loss, *norms = (self._recorded or self._changed_weights)(group)
        self._follow(norms)
        samples = sum(batch.size for batch in group)
        self._sums.add_loss(loss, samples)
        progress.samples += samples
        progress.step += 1
        progress.step_in_epoch += 1
        if not self._sees_each_loss:
            self._unchecked.append(loss)
        if len(self._unchecked) >= _CHECK_EVERY:
            self.check_losses()
        return loss

    def outputs_for(self, batch: Batch) -> Tensors:
        """The network's outputs for a batch, computed in the training's precision and given in float32."""
        return self._through(self._trained, batch)

    def _through(self, network: nn.Module, batch: Batch) -> Tensors:
        if self.spec.precision != "bfloat16":
            return batch.through(network)
        with torch.autocast(self.device.type, torch.bfloat16, cache_enabled=self._recorded is None):
            outputs = batch.through(network)
        return each(outputs, Tensor.float)

    def update(self) -> None:
        """The part of a step that changes the weights, by their gradients."""
        self._optimisers.set_rate(self.learning_rate)
        self._follow(self._updated())

    def _changed_weights(self, group: list[Batch]) -> Results:
        """What a step does to the weights, and no more; the loss and, where it is bounded, the norm of the gradients."""
        self._optimisers.zero_grad()
        return self._backward(group), *self._updated()

    def _updated(self) -> list[Tensor]:
        """Changes the weights by their gradients; the norm of these, where it is bounded."""
        clip, norms = self.spec.clip_gradients, list[Tensor]()
        if clip is not None and clip.max_norm is not None:
            norms.append(nn.utils.clip_grad_norm_(self.network.parameters(), clip.max_norm))
        elif clip is not None and clip.max_value is not None:
            nn.utils.clip_grad_value_(self.network.parameters(), clip.max_value)
        self._optimisers.step()
        return norms

    def _follow(self, norms: list[Tensor]) -> None:
        """What looks at the weights and gradients of a step once it has changed the weights."""
        for norm in norms:
            self._sums.add_norm(norm)
        if self._average is not None:
            self._average.update(self.progress.step)

    def _backward(self, group: list[Batch]) -> Tensor:
        if len(group) == 1:
            [batch] = group
            loss = self._loss_of(batch, self.objective, group)
            loss.backward()
            return loss.detach()
        loss_of_batch, shares = self.objective.in_group([batch.targets for batch in group]), []
        for batch in group:
            share = self._loss_of(batch, loss_of_batch, group)
            share.backward()
            shares.append(share.detach())
        return torch.stack(shares).sum()

    def _loss_of(self, batch: Batch, loss_of_batch: LossOfBatch, group: list[Batch]) -> Tensor:
        """A forward pass; on the CPU its loss is looked at, while the weights still are those that gave it.

        Raises:
            DivergedError: it is NaN or infinite.
        """
        loss = loss_of_batch(self.outputs_for(batch), batch.targets, batch.steps)
        if self._sees_each_loss and not math.isfinite(loss.item()):

            def run(other: Batch) -> Tensor:
                return loss_of_batch(self._through(self.network, other), other.targets, other.steps)

            what, help = first_bad(self.network, group, run, self.spec, updates=self.progress.step)
            raise DivergedError(f"{self._told(loss.item(), self.progress.step + 1)}: {what}", help=help)
        return loss

    def check(self) -> None:
        """Looks at the losses since the last look and at all weights.

        Raises:
            DivergedError: one of them is NaN or infinite.
        """
        self.check_losses()
        weight = bad_weight(self.network, self._unsuspected)
        if weight is not None:
            message = f"{weight} after {self.moment(self.progress.step)}"
            raise DivergedError(message, help=what_to_change(self.spec, self.progress.step))

    def check_losses(self) -> None:
        """Looks at the losses since the last look; of a bad one the data is made anew, and the weights are those of now.

        Raises:
            DivergedError: one of them is NaN or infinite.
        """
        if not self._unchecked:
            return
        first = self.progress.step - len(self._unchecked) + 1
        losses = torch.stack(self._unchecked).tolist()
        self._unchecked.clear()
        for step, loss in enumerate(losses, start=first):
            if not math.isfinite(loss):
                data = bad_data(self.network, self._group(step))
                if data is not None:
                    raise DivergedError(f"{self._told(loss, step)}: {data}", help=MEND_THE_DATA)
                weight = bad_weight(self.network, self._unsuspected)
                by_now = f"; by now {weight}" if weight else ""
                raise DivergedError(f"{self._told(loss, step)}{by_now}", help=what_to_change(self.spec, step - 1))

    def _group(self, step: int) -> list[Batch]:
        """The batches of a step that was taken in the epoch under way."""
        first = self.progress.step - self.progress.step_in_epoch + 1
        batches = self.batches.epoch(self.progress.epoch, (step - first) * self.spec.accumulate)
        return list(islice(batches, self.spec.accumulate))

    def _told(self, loss: float, step: int) -> str:
        return f"the loss is {loss} at {self.moment(step)}"

    def moment(self, step: int) -> str:
        """A step of the epoch under way, in words."""
        rate = self._schedule.rate(max(step - 1, 0), self.progress.plateau)
        return f"step {step} (epoch {self.progress.epoch + 1}, learning rate {rate:.3g})"

    def mean_loss(self) -> float:
        """Of the epoch under way, so far."""
        self._sums.write_to(self.progress)
        return self.progress.loss_sum / self.progress.samples

    def mean_gradient_norm(self) -> float | None:
        """Of the steps of the epoch under way that had it bounded, before that; None where none had, or it no longer is."""
        if self.spec.clip_gradients is None or self.spec.clip_gradients.max_norm is None:
            return None
        self._sums.write_to(self.progress)
        return self.progress.norm_sum / self.progress.num_norms if self.progress.num_norms else None

    def evaluate(
        self, split: str, stop: StopRequest | None = None, look: Callable[[Batch, Tensors], None] | None = None
    ) -> dict[str, float]:
        """Loss and metrics of the judged network on a split that is there; `look` is as for `evaluation.evaluate`.

        Raises:
            StoppedError: somebody asked to stop meanwhile.
        """
        batches = evaluation_batches(self.dataset, split, self.preprocessing, self.spec)
        return evaluate(self.judged_network, batches, self.objective, stop, look)

    def first_bad_of(self, split: str) -> tuple[str, str] | None:
        """Where an evaluation's NaN or infinity comes from and what to do about it; None where each batch's loss is finite."""
        batches = evaluation_batches(self.dataset, split, self.preprocessing, self.spec)
        return first_bad_batch(self.judged_network, batches, self.objective, self.spec, updates=self.progress.step)

    def end_epoch(self, value: float, loss: float) -> bool:
        """Closes the epoch under way, and the training if that was the last; see `Progress.end_epoch`.

        How things stood before is kept where a limit cut the epoch short: a higher limit lets it go on from there.
        """
        larger = self.dataset.valid is not None and self.spec.larger_is_better
        stopping = self.spec.early_stopping
        cut_short = self.progress.step_in_epoch < self.steps_per_epoch
        self._sums.write_to(self.progress)
        self._before_cut = copy.deepcopy(self.progress) if cut_short else None
        min_delta = stopping.min_delta if stopping else 0.0
        is_best = self.progress.end_epoch(value, loss, larger_is_better=larger, min_delta=min_delta)
        self._sums.take_from(self.progress)
        self._schedule.after_epoch(value, self.progress.plateau, larger_is_better=larger)
        self.progress.finished = self.why_over()
        return is_best

    def reopen(self) -> None:
        """Lets a training that is over go on, if the limits that it now has allow that."""
        if self.progress.finished is None:
            return
        self.progress.finished = self.why_over()
        if self.progress.finished is None and self._before_cut is not None:
            self.progress, self._before_cut = self._before_cut, None
            self._sums.take_from(self.progress)

    def why_over(self) -> str | None:
        """Which limit the training has reached, between two epochs; None while it goes on."""
        spec, progress = self.spec, self.progress
        if progress.epoch >= spec.epochs and self._before_cut is None:
            return "epochs"
        if spec.max_steps is not None and progress.step >= spec.max_steps:
            return "max_steps"
        if spec.max_time is not None and progress.elapsed_seconds >= spec.max_time:
            return "max_time"
        if spec.early_stopping and progress.epochs_without_better >= spec.early_stopping.patience:
            return "early_stopping"
        return None

    def snapshot(self) -> Snapshot:
        """A copy of everything, to write a checkpoint from; it holds until the next one is taken.

        Raises:
            DivergedError: a loss or a weight is NaN or infinite.
        """
        self.check()
        self._sums.write_to(self.progress)
        tensors = {
            "model": self.network.state_dict(),
            "optimizer": self._optimisers.state(),
            "random": random_state(self.device),
        }
        if self._average is not None:
            tensors["ema"] = self._average.network.state_dict()
        if self.spec.stateful and (self.progress.step_in_epoch or self._before_cut):
            tensors["carried"] = state_of(self.network)
        state = {"progress": self.progress.as_json()}
        if self._before_cut is not None:
            state["before_cut"] = self._before_cut.as_json()
        bests = [progress.best for progress in (self.progress, self._before_cut) if progress and progress.best]
        return Snapshot(self.progress.step, self._copies.of(tensors), state, tuple(best.step for best in bests))

    def restore(self, checkpoint: Checkpoint) -> None:
        """Goes back to where a checkpoint was written.

        Raises:
            CheckpointError: it is of another network or training.
        """
        load_weights(self.network, checkpoint, checkpoint.tensors["model"])
        if self._average is not None:
            load_weights(self._average.network, checkpoint, checkpoint.weights)
        try:
            self.progress = Progress.from_json(checkpoint.state["progress"])
            before_cut = checkpoint.state.get("before_cut")
            self._before_cut = Progress.from_json(before_cut) if before_cut is not None else None
            optimizer, random = checkpoint.tensors["optimizer"], checkpoint.tensors["random"]
        except (KeyError, TypeError) as error:
            raise CheckpointError(f"{checkpoint.path} does not say how far the training had come: {error}") from error
        self._optimisers.load_state(optimizer)
        self._sums.take_from(self.progress)
        if self.spec.stateful:
            restore_state(self.network, checkpoint.tensors.get("carried", {}))
        restore_random_state(random, self.device)

    def load_judged(self, checkpoint: Checkpoint) -> None:
        """Puts the weights of a checkpoint into the judged network.

        Raises:
            CheckpointError: it is of another network.
        """
        load_weights(self.judged_network, checkpoint, checkpoint.weights)
