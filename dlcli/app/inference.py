"""What a network says of samples without answers, batch by batch: probabilities, and values in the units of the data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from operator import itemgetter

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  # torch's own name for it

from dlcli.app.trainable import too_short
from dlcli.config.experiment import Experiment
from dlcli.config.facts import DataFacts
from dlcli.config.normalisation import FixedNormalize
from dlcli.config.shapes import has_any_time
from dlcli.data.dataset import Tensors
from dlcli.data.named import each, first
from dlcli.data.preprocessing import Preprocessing
from dlcli.errors import DataError
from dlcli.models.valid_steps import fill_padding
from dlcli.plugins import plugin_errors
from dlcli.runtime.memory import memory_errors
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
    preprocessing = Preprocessing(experiment.data, experiment.facts, seed=experiment.train.seed).to(device)
    samples = preprocessing.checked(inputs)
    lengths = _checked_lengths(lengths, samples, experiment)
    size, time = evaluation_batch_size(experiment.train), _padded_time(samples, experiment.facts)
    parts: list[dict[str, Tensor]] = []
    with torch.inference_mode(), plugin_errors(), memory_errors():
        for part, of_part in _batches(samples, lengths, experiment.facts, size):
            batch = preprocessing(each(part, lambda tensor: tensor.to(device)))
            outputs = network(batch) if of_part is None else network(batch, of_part.to(device))
            parts.append(_answers(outputs, of_part, time, experiment))
    joined = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
    return joined if len(joined) > 1 else next(iter(joined.values()))


def _batches(samples: Tensors, lengths: Tensor | None, facts: DataFacts, size: int) -> Iterator[tuple[Tensors, Tensor | None]]:
    """Batches and their lengths, padded to the longest of each; one that is empty where there are no samples."""
    ragged = {name for name, shape in facts.inputs.items() if has_any_time(shape)}
    for start in range(0, max(len(first(samples)), 1), size):
        part = each(samples, itemgetter(slice(start, start + size)))
        if lengths is None:
            yield part, None
            continue
        of_part = lengths[start : start + size]
        time = int(of_part.max())
        if isinstance(part, Tensor):
            yield part[:, :time], of_part
        else:
            yield {name: tensor[:, :time] if name in ragged else tensor for name, tensor in part.items()}, of_part


def _checked_lengths(lengths: Tensor | None, samples: Tensors, experiment: Experiment) -> Tensor | None:
    """The lengths as int64 on the CPU; None where nothing is padded.

    Raises:
        DataError: they are not those of the samples, or the network can't read sequences so short.
    """
    if not any(map(has_any_time, experiment.facts.inputs.values())):
        if lengths is not None:
            what = "lengths were given, and the network reads samples of one size"
            raise DataError(what, help="leave the lengths out; to read different ones, train on sequences of different lengths")
        return None
    count, time = len(first(samples)), _padded_time(samples, experiment.facts)
    if not count:
        return None
    row, shortest = 0, time
    if lengths is not None:
        lengths = _whole_lengths(lengths.cpu(), count, time)
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


def _padded_time(samples: Tensors, facts: DataFacts) -> int:
    """The steps that samples are padded to, where lengths may differ."""
    if isinstance(samples, Tensor):
        return samples.shape[1] if samples.ndim > 1 else 0
    return next((samples[name].shape[1] for name, shape in facts.inputs.items() if has_any_time(shape)), 0)


def _answers(outputs: Tensors, lengths: Tensor | None, time: int, experiment: Experiment) -> dict[str, Tensor]:
    """The outputs of a batch by name as `infer` gives them, with answers for each step padded to `time` steps."""
    names = experiment.graph.outputs
    named = outputs if isinstance(outputs, dict) else {names[0]: outputs}
    answers = {}
    for name in names:
        answer = _in_units(named[name], name, experiment).cpu()
        target = experiment.facts.target_of(name)
        if lengths is not None and target is not None and target.per_step:
            answer = F.pad(fill_padding(answer, lengths, 0), (0, 0, 0, time - answer.shape[1]))
        answers[name] = answer
    return answers


def _in_units(output: Tensor, name: str, experiment: Experiment) -> Tensor:
    """Probabilities where the loss is that of a classification, else values in the units of the data."""
    judges = experiment.train.objective_of(name).loss.judges
    if judges == "classes":
        return output.softmax(dim=-1)
    if judges == "labels":
        return output.sigmoid()
    scales = experiment.data.normalize_targets
    scale = scales.get(name) if isinstance(scales, dict) else scales
    return TargetScale(scale, output.device).in_units(output) if isinstance(scale, FixedNormalize) else output
