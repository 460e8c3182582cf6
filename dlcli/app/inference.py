"""What a network says of samples without answers, batch by batch: probabilities, and values in the units of the data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor, nn

from dlcli.app.trainable import too_short
from dlcli.config.experiment import Experiment
from dlcli.config.facts import DataFacts
from dlcli.config.normalisation import FixedNormalize
from dlcli.config.shapes import has_any_time
from dlcli.data.batches import Batches
from dlcli.data.dataset import Split, Tensors
from dlcli.data.named import first
from dlcli.data.preprocessing import Preprocessing
from dlcli.errors import DataError
from dlcli.models.kernels import flushed_denormals
from dlcli.models.valid_steps import fill_padding
from dlcli.plugins import plugin_errors
from dlcli.runtime.memory import memory_errors
from dlcli.runtime.products import products_in
from dlcli.runtime.seed import determinism_errors, seeded
from dlcli.training.evaluation import evaluation_batch_size
from dlcli.training.target_scale import TargetScale


def infer(
    network: nn.Module,
    experiment: Experiment,
    inputs: Tensor | Mapping[str, Tensor],
    lengths: Tensor | None,
    device: torch.device,
) -> Tensors:
    """The answers to samples as a data source holds them.

    Args:
        network: of a run, on the device, in eval mode.
        experiment: of the run.
        inputs: as for `Preprocessing.checked`.
        lengths: steps of each sample, (N,), where sequences of different lengths are padded.
        device: where to compute.

    Returns:
        On the CPU, in the order of the samples: the probability of each class (N, classes), of each label (N, labels), or
        values (N, targets) in the units of the data; with an answer for each step (N, T, ...), and 0 in the padding. Of
        several outputs a dict with each by its name.

    Raises:
        DataError: the samples or their lengths don't fit the network.
    """
    answers = in_units(score(network, experiment, inputs, lengths, device), experiment, lengths)
    return answers if len(answers) > 1 else next(iter(answers.values()))


def score(
    network: nn.Module,
    experiment: Experiment,
    inputs: Tensor | Mapping[str, Tensor],
    lengths: Tensor | None,
    device: torch.device,
) -> dict[str, Tensor]:
    """What a network gives for samples, unchanged, each output by its name; otherwise as `infer`.

    Batches, their order and their padding are those of an evaluation, and so are the settings: the samples of a split get
    what the evaluation of that split has judged, to the last bit.
    """
    train = experiment.train
    preprocessing = Preprocessing(experiment.data, experiment.facts, seed=train.seed).to(device)
    samples = preprocessing.checked(inputs)
    lengths = checked_lengths(lengths, samples, experiment)
    count, time = len(first(samples)), padded_time(samples, experiment.facts)
    split = Split(samples, torch.arange(count), lengths).to(device)
    without_answers = replace(experiment.facts, targets={})  # what a batch has as targets is the number of each sample
    batches = Batches(split, preprocessing, evaluation_batch_size(train), facts=without_answers, seed=train.seed)
    found: dict[str, Tensor] = {}
    with (
        torch.inference_mode(),
        seeded(train.seed, deterministic=train.deterministic),
        plugin_errors(),
        memory_errors(),
        determinism_errors(),
        flushed_denormals(),
        products_in("float32"),
    ):
        for batch in batches.in_order():
            outputs = batch.through(network)
            named = outputs if isinstance(outputs, dict) else {experiment.graph.outputs[0]: outputs}
            assert isinstance(batch.targets, Tensor)
            numbers = batch.targets.cpu()
            for name in experiment.graph.outputs:
                is_padded = lengths is not None and _is_per_step(name, experiment)
                _put(found, name, named[name].cpu(), numbers, (count, time) if is_padded else (count,))
    return found


def _put(found: dict[str, Tensor], name: str, output: Tensor, numbers: Tensor, sizes: tuple[int, ...]) -> None:
    """Puts a batch where its samples stand among all; of padded steps the rest is 0."""
    if name not in found:
        found[name] = output.new_zeros(*sizes, *output.shape[len(sizes) :])
    if len(sizes) > 1:
        found[name][numbers, : output.shape[1]] = output
    else:
        found[name][numbers] = output


def in_units(scores: Mapping[str, Tensor], experiment: Experiment, lengths: Tensor | None) -> dict[str, Tensor]:
    """Scores as probabilities where the loss is that of a classification, else as values in the units of the data.

    Args:
        scores: of samples, on the CPU, by output.
        experiment: of the run.
        lengths: as for `infer`.
    """
    answers = {name: _in_units(of_output, name, experiment) for name, of_output in scores.items()}
    if lengths is None:
        return answers
    padding = lengths.cpu()
    return {
        name: fill_padding(answer, padding, 0) if _is_per_step(name, experiment) and len(answer) else answer
        for name, answer in answers.items()
    }


def _is_per_step(output: str, experiment: Experiment) -> bool:
    target = experiment.facts.target_of(output)
    return target is not None and target.per_step


def checked_lengths(lengths: Tensor | None, samples: Tensors, experiment: Experiment) -> Tensor | None:
    """The lengths as int64 on the CPU; None where all samples have the size that the network reads.

    Args:
        lengths: as for `infer`.
        samples: of which they are, checked by `Preprocessing`.
        experiment: of the run.

    Raises:
        DataError: they are not those of the samples, or the network can't read sequences so short.
    """
    if not any(map(has_any_time, experiment.facts.inputs.values())):
        if lengths is not None:
            what = "lengths were given, and the network reads samples of one size"
            raise DataError(what, help="leave the lengths out; to read different ones, train on sequences of different lengths")
        return None
    count, time = len(first(samples)), padded_time(samples, experiment.facts)
    if not count:
        return None
    lengths = torch.full((count,), time) if lengths is None else _whole_lengths(lengths.cpu(), count, time)
    row, shortest = int(lengths.argmin()), int(lengths.min())
    found = too_short(experiment.graph, shortest)
    if found is not None:
        node, needed = found
        what = f"sample {row} has {shortest} step{'s'[: shortest > 1]}, and `{node.name}` needs at least {needed}"
        raise DataError(what, help="leave out sequences that are shorter than the windows of the network")
    return lengths


def _whole_lengths(lengths: Tensor, count: int, time: int) -> Tensor:
    if lengths.shape != (count,) or lengths.is_floating_point() or lengths.dtype == torch.bool:
        what = f"the lengths are {lengths.dtype} of shape {list(lengths.shape)}, expected {count} whole numbers"
        raise DataError(what, help="give one for each sample: how many steps it had before it was padded")
    wrong = ((lengths < 1) | (lengths > time)).nonzero()
    if len(wrong):
        row = int(wrong[0])
        what = f"the length of sample {row} is {int(lengths[row])}, expected 1 to {time}, the steps of a padded sample"
        raise DataError(what, help="give each sample at least one step, and pad all to the longest")
    return lengths.to(torch.int64)


def padded_time(samples: Tensors, facts: DataFacts) -> int:
    """The steps that samples are padded to, where lengths may differ; 0 where the network reads samples of one size."""
    named = samples if isinstance(samples, dict) else dict.fromkeys(facts.inputs, samples)
    return next((named[name].shape[1] for name, shape in facts.inputs.items() if has_any_time(shape)), 0)


def _in_units(output: Tensor, name: str, experiment: Experiment) -> Tensor:
    """Probabilities where the loss is that of a classification, else values in the units of the data."""
    judges = experiment.train.objective_of(name).loss.judges
    if judges == "classes":
        return output.softmax(dim=-1)
    if judges == "labels":
        return output.sigmoid()
    scales = experiment.data.normalize_targets
    scale = scales.get(name) if isinstance(scales, dict) else scales
    return TargetScale(scale, output.device).in_units(output) if isinstance(scale, FixedNormalize) else output.clone()
