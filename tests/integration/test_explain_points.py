"""Where it is known which part of a sample the answer depends on, every method points there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import torch
import yaml
from numpy.typing import NDArray

import dlcli
from dlcli.app.experiments import open_experiment
from dlcli.app.explain.answers import Head, truth_of
from dlcli.app.explain.attributions import Explained, Explainer
from dlcli.app.explain.effort import effort_for
from dlcli.app.explain.pictures import maps_of
from dlcli.app.explain.samples import Sample, sample_of
from dlcli.app.explain.steps import over_steps
from dlcli.app.explain.subject import Subject

SAMPLES = 60
ENOUGH = 0.95
CORNER = 10
"""The corner begins at this row and column of 14."""

CNN = """
- conv2d: {out_channels: 8, kernel_size: 3, padding: 1}
- relu
- conv2d: {out_channels: 8, kernel_size: 3, padding: 1}
- relu
- global_max_pool
- linear: ${data.num_classes}
"""
TIME, STEP = 10, 4
GRU = "[gru: {hidden_size: 24, return: last}, linear: 1]"


def _pictures(count: int, generator: np.random.Generator) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Faint noise, and in the corner at the lower right stripes: upright ones are class 0, level ones class 1."""
    labels = generator.integers(0, 2, count)
    pictures = generator.integers(0, 60, (count, 14, 14), dtype=np.uint8)
    stripes = np.tile(np.array([240, 0], np.uint8), (4, 2))
    for picture, label in zip(pictures, labels, strict=True):
        picture[CORNER:, CORNER:] = stripes.T if label else stripes
    return pictures, labels


def _series(count: int, generator: np.random.Generator) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Noise; the answer is the first feature at one step."""
    series = generator.normal(0, 1, (count, TIME, 2)).astype(np.float32)
    return series, series[:, STEP, 0]


def _explained(
    folder: Path, layers: str, arrays: Mapping[str, NDArray[np.generic]], train: Mapping[str, object]
) -> Iterator[tuple[Subject, Sample, Explained]]:
    """The first test samples of a run that was trained on the arrays, each with its answer explained."""
    np.savez(folder / "data.npz", **arrays)
    config = {
        "data": {"name": "arrays", "path": str(folder / "data.npz")},
        "model": {"layers": yaml.safe_load(layers)},
        "train": {"batch_size": 32, "optimizer": {"name": "adam", "lr": 0.02}, "schedule": "one_cycle", **train},
    }
    run = dlcli.train(config, runs=folder, device="cpu", seed=0)
    assert run.record["test"]["loss"] < 0.02
    experiment, dataset = open_experiment(run.folder.resolved_config, (), None, print)
    subject = Subject(run, "best", dlcli.load(run), experiment, torch.device("cpu"))
    assert dataset.test is not None
    for number in range(SAMPLES):
        sample = sample_of(subject, dataset.test, number, 0)
        explainer = Explainer(subject, sample, effort_for(experiment.graph, 1, 1))
        [output] = subject.outputs
        answer = Head(output, subject).answer(explainer.entries.outputs[output], truth_of(subject, output, sample.targets))
        yield subject, sample, explainer.explain(answer.questions[0])


def _arrays(make: object, count: int) -> dict[str, NDArray[np.generic]]:
    generator = np.random.default_rng(0)
    splits = {"train": count, "valid": 100, "test": SAMPLES}
    made = {split: make(size, generator) for split, size in splits.items()}  # type: ignore[operator]
    return {f"{name}_{split}": part for split, parts in made.items() for name, part in zip("xy", parts, strict=True)}


def test_all_methods_point_to_the_corner_that_the_label_depends_on(tmp_path: Path) -> None:
    """The largest value of each method lies in the corner, in at least 95 % of the samples; shares add up within 1 %."""
    hits: dict[str, int] = {}
    gaps = []
    for subject, sample, explained in _explained(tmp_path, CNN, _arrays(_pictures, 600), {"epochs": 6}):
        maps = maps_of(subject, sample, explained.inputs[0], explained.cam)
        for method, [values] in maps.values.items():
            row, column = np.unravel_index(np.abs(values).argmax(), values.shape)
            hits[method] = hits.get(method, 0) + bool(row >= CORNER - 1 and column >= CORNER - 1)
        assert explained.integrated is not None
        gaps.append(explained.integrated.gap)
    print({method: hit / SAMPLES for method, hit in hits.items()}, "largest gap", max(gaps))
    assert set(hits) == {"saliency", "integrated gradients", "occlusion", "Grad-CAM"}
    assert min(hits.values()) >= ENOUGH * SAMPLES
    assert max(gaps) <= 0.01


def test_all_methods_point_to_the_step_that_the_answer_depends_on(tmp_path: Path) -> None:
    """The same of a GRU; saliency is the norm of the gradient at each step."""
    arrays = _arrays(_series, 800)
    hits: dict[str, int] = {}
    gaps = []
    for _, _, explained in _explained(tmp_path, GRU, arrays, {"epochs": 20, "loss": "mse"}):
        found = over_steps(explained.inputs[0], None, [str(step) for step in range(TIME)], 1)
        for method, values in found.values.items():
            hits[method] = hits.get(method, 0) + int(np.abs(values).argmax() == STEP)
        assert explained.integrated is not None
        gaps.append(explained.integrated.gap)
    print({method: hit / SAMPLES for method, hit in hits.items()}, "largest gap", max(gaps))
    assert set(hits) == {"saliency", "integrated gradients", "occlusion"}
    assert min(hits.values()) >= ENOUGH * SAMPLES
    assert max(gaps) <= 0.01
