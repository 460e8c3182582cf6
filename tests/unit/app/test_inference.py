"""New samples get what an evaluation of the same samples has judged, to the last bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from dlcli.app.experiments import open_experiment
from dlcli.app.inference import infer, score
from dlcli.config.experiment import Experiment
from dlcli.data.dataset import Dataset, Split
from dlcli.data.preprocessing import Preprocessing
from dlcli.models.network import Network, build_network
from dlcli.training.evaluation import evaluate, evaluation_batches
from dlcli.training.objectives import build_objective

CPU = torch.device("cpu")


def _opened(folder: Path, arrays: dict[str, np.ndarray], layers: list[Any], **train: Any) -> tuple[Experiment, Dataset, Network]:
    """A network that has learnt nothing, and 150 test samples: more than two batches of an evaluation."""
    np.savez(folder / "a.npz", **{f"{name}_{split}": array for name, array in arrays.items() for split in ("train", "test")})
    data = {"name": "arrays", "path": str(folder / "a.npz")}
    config = {"data": data, "model": {"layers": layers}, "train": {"batch_size": 16, "monitor": "loss", **train}}
    experiment, dataset = open_experiment(config, (), None, lambda _: None)
    torch.manual_seed(1)
    return experiment, dataset, build_network(experiment.graph, None).eval()


def _both(experiment: Experiment, dataset: Dataset, network: Network) -> tuple[list[Any], list[Any], dict[str, Tensor], Split]:
    """What goes through the network and comes out of it, batch by batch: in an evaluation, and for new samples."""
    seen: list[Any] = []
    network.register_forward_hook(lambda _, inputs, output: seen.append((*inputs, output)))
    test = dataset.test
    assert test is not None
    preprocessing = Preprocessing(dataset.spec, dataset.facts, seed=experiment.train.seed)
    objective = build_objective(experiment.train, dataset.facts, experiment.graph.outputs, CPU, dataset.spec.normalize_targets)
    evaluate(network, evaluation_batches(dataset, "test", preprocessing, experiment.train), objective)
    judged = [*seen]
    seen.clear()
    scores = score(network, experiment, test.inputs, test.lengths, CPU)
    return judged, seen, scores, test


CONV: list[Any] = [{"conv2d": {"out_channels": 4, "kernel_size": 3}}, "relu", {"max_pool2d": 2}, "flatten", {"linear": 3}]
LAST: list[Any] = [{"lstm": {"hidden_size": 5, "bidirectional": True, "return": "last"}}, {"linear": 3}]
STEPS: list[Any] = [{"gru": {"hidden_size": 5}}, {"linear": 1}]


@pytest.mark.parametrize("kind", ["pictures", "series", "answers for each step"])
def test_batches_are_those_of_an_evaluation(tmp_path: Path, kind: str) -> None:
    """The same samples beside each other, padded to the same length, with the same bits in and out."""
    generator = np.random.default_rng(0)
    arrays = {"x": generator.integers(0, 256, (150, 9, 9)).astype(np.uint8), "y": np.arange(150) % 3}
    layers, train = CONV, {}
    if kind != "pictures":
        arrays["x"] = generator.normal(size=(150, 12, 2)).astype(np.float32)
        arrays["lengths"], layers = generator.integers(1, 13, 150), LAST
    if kind == "answers for each step":
        arrays["y"], layers, train = 100 + 5 * arrays["x"][..., :1], STEPS, {"loss": "mse"}
    judged, asked, scores, test = _both(*_opened(tmp_path, arrays, layers, **train))
    assert len(judged) == len(asked) == 3
    for theirs, ours in zip(judged, asked, strict=True):
        assert all(torch.equal(one, other) for one, other in zip(theirs, ours, strict=True))
    order = torch.arange(150) if test.lengths is None else test.lengths.argsort(stable=True)
    steps = test.lengths if kind == "answers for each step" and test.lengths is not None else torch.full((150,), 12)
    [found] = scores.values()
    rows = [row for *_, output in judged for row in output]
    for number, row in zip(order.tolist(), rows, strict=True):
        assert torch.equal(found[number][: steps[number]], row[: steps[number]])


def test_sequences_that_happen_to_have_one_length_are_read_as_any(tmp_path: Path) -> None:
    """With lengths, as in an evaluation beside others: else other code would run, and give other last digits."""
    generator = np.random.default_rng(0)
    arrays = {"x": generator.normal(size=(150, 7, 2)).astype(np.float32), "y": np.arange(150) % 3, "lengths": np.full(150, 7)}
    arrays["lengths"][3] = 5
    experiment, dataset, network = _opened(tmp_path, arrays, LAST)
    seen: list[int] = []
    network.register_forward_hook(lambda _, inputs, __: seen.append(len(inputs)))
    assert dataset.test is not None
    without = score(network, experiment, dataset.test.inputs, None, CPU)
    given = score(network, experiment, dataset.test.inputs, torch.full((150,), 7), CPU)
    assert seen == [2] * 6
    [one], [other] = without.values(), given.values()
    assert torch.equal(one, other)


def test_answers_are_in_units_and_nothing_in_the_padding(tmp_path: Path) -> None:
    """As a person may change them afterwards; no samples give no answers."""
    generator = np.random.default_rng(0)
    x = generator.normal(size=(20, 6, 2)).astype(np.float32)
    arrays = {"x": x, "y": 100 + 5 * x[..., :1], "lengths": np.arange(20) % 6 + 1}
    experiment, dataset, network = _opened(tmp_path, arrays, STEPS, loss="mse")
    assert dataset.test is not None
    assert isinstance(dataset.test.inputs, Tensor)
    lengths = dataset.test.lengths
    assert lengths is not None
    answers = infer(network, experiment, dataset.test.inputs, lengths, CPU)
    assert isinstance(answers, Tensor)
    padding = torch.arange(6) >= lengths[:, None]
    assert float(answers[padding].abs().max()) == 0
    assert 80 < float(answers[~padding].min()) < float(answers[~padding].max()) < 120
    answers += 1
    none = infer(network, experiment, dataset.test.inputs[:0], None, CPU)
    assert isinstance(none, Tensor)
    assert none.shape == (0, 6, 1)
