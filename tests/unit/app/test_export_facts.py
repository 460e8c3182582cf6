"""What is written beside an exported network: how raw values become what it reads, and what its outputs mean."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from dlcli.app.configs import read_experiment
from dlcli.app.export.facts import facts_of, lengths_name
from dlcli.app.export.subject import Subject
from dlcli.config.normalisation import FixedNormalize
from dlcli.data.preprocessing import Preprocessing
from dlcli.models.network import build_network
from tests.integration.conftest import CONFIGS
from tests.unit.app.export_cases import subject_of

ONE_LAYER = "model: {layers: [flatten, linear: '${data.num_classes}']}\n"
FIXED = "normalize: {name: fixed, mean: [0.25], std: [0.5]}"


def _subject(tmp_path: Path, data: str, model: str = ONE_LAYER, train: str = "") -> Subject:
    path = tmp_path / "a.yaml"
    path.write_text(f"data: {{{data}}}\n{model}{train}")
    return subject_of(path)


@pytest.mark.parametrize("view", ["image", "rows", "pixels", "permuted_pixels"])
def test_pictures_become_what_dlcli_makes_of_them(view: str, tmp_path: Path) -> None:
    """Somebody who follows the facts with NumPy alone gets what the network is given."""
    model = "model: {layers: [flatten, linear: '${data.num_classes}']}\n"
    subject = _subject(tmp_path, f"name: digits, view: {view}, {FIXED}", model)
    facts = facts_of(subject)["inputs"]["input"]
    pictures = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 1), dtype=np.uint8)
    values = (pictures / 255 - facts["mean"]) / facts["std"]
    if facts["layout"] == "batch, channels, height, width":
        values = values.transpose(0, 3, 1, 2)
    elif facts["layout"].startswith("one step for each row"):
        values = values.reshape(3, 8, 8)
    else:
        values = values.reshape(3, 64, 1)[:, facts.get("order", range(64))]
    expected = Preprocessing(subject.experiment.data, subject.experiment.facts)(torch.from_numpy(pictures))
    assert isinstance(expected, torch.Tensor)
    assert ["batch", *expected.shape[1:]] == facts["axes"]
    np.testing.assert_allclose(values, expected, rtol=1e-5, atol=1e-6)


def test_each_view_of_a_picture_has_its_facts() -> None:
    """By the names of the inputs; before a training nothing is known of their mean."""
    facts = facts_of(subject_of(CONFIGS / "zoo" / "two_inputs.yaml"))["inputs"]
    assert facts["image"]["axes"] == ["batch", 1, 28, 28]
    assert facts["rows"]["axes"] == ["batch", 28, 28]
    assert facts["rows"]["layout"].startswith("one step for each row")
    assert "which a training measures" in facts["image"]["meaning"]


def test_tokens_and_lengths_are_told() -> None:
    """What a text's characters are numbered as, and what the lengths are called and mean."""
    subject = subject_of(CONFIGS / "number_words.yaml")
    spec = subject.experiment.data.model_copy(update={"vocabulary": ("a", "b"), "lowercase": True})
    facts = facts_of(replace(subject, experiment=replace(subject.experiment, data=spec), classes=["x"] * 8))
    told = facts["inputs"]["input"]
    assert (told["type"], told["axes"]) == ("int64", ["batch", "time"])
    assert (told["unit"], told["unknown"], told["vocabulary_from_1"], told["lowercase"]) == ("characters", 0, ["a", "b"], True)
    assert facts["lengths"]["name"] == "lengths"
    assert facts["lengths"]["of"] == ["input"]
    assert facts["outputs"]["linear_1"]["classes"] == ["x"] * 8
    assert "softmax" in facts["outputs"]["linear_1"]["meaning"]


def test_bytes_need_no_vocabulary() -> None:
    """They are their own numbers."""
    subject = subject_of(CONFIGS / "number_words.yaml")
    spec = subject.experiment.data.model_copy(update={"unit": "bytes", "vocabulary": None})
    told = facts_of(replace(subject, experiment=replace(subject.experiment, data=spec)))["inputs"]["input"]
    assert told["unit"] == "bytes"
    assert "vocabulary_from_1" not in told


@pytest.mark.parametrize("classes", [None, 3, {"a": 1}, ["one"], "0123456789"])
def test_names_of_classes_are_told_only_where_they_fit(classes: object, tmp_path: Path) -> None:
    """A run.json may hold anything."""
    facts = facts_of(replace(_subject(tmp_path, "name: digits"), classes=classes))
    assert "classes" not in facts["outputs"]["linear_1"]


def test_values_are_brought_back_into_the_units_of_the_data(tmp_path: Path) -> None:
    """With the mean and the deviation of the answers, where they were taken out."""
    train = "train: {loss: mse}\n"
    data = "name: random, sizes: [3], num_targets: 2, normalize: none"
    model = "model: {layers: [linear: 2]}\n"
    subject = _subject(tmp_path, data, model, train)
    plain = subject.experiment.data.model_copy(update={"normalize_targets": {}})
    assert (
        "units of the data"
        in facts_of(replace(subject, experiment=replace(subject.experiment, data=plain)))["outputs"]["linear_1"]["meaning"]
    )
    scale = FixedNormalize(mean=(1.0, 2.0), std=(3.0, 4.0))
    for scales in (scale, {"linear_1": scale}):
        spec = subject.experiment.data.model_copy(update={"normalize_targets": scales})
        told = facts_of(replace(subject, experiment=replace(subject.experiment, data=spec)))["outputs"]["linear_1"]
        assert (told["mean"], told["std"]) == ([1.0, 2.0], [3.0, 4.0])
    assert facts_of(subject)["inputs"]["input"]["meaning"].endswith("other values are as they are")


def test_scores_of_labels_are_told(tmp_path: Path) -> None:
    """Each by itself."""
    model, train = "model: {layers: [linear: 2]}\n", "train: {loss: binary_cross_entropy}\n"
    facts = facts_of(_subject(tmp_path, "name: random, sizes: [3], num_targets: 2", model, train))
    assert "sigmoid" in facts["outputs"]["linear_1"]["meaning"]


def test_columns_of_a_table_stand_in_their_order(tmp_path: Path) -> None:
    """As the network reads them."""
    (tmp_path / "t.csv").write_text("a,b,c,kind\n" + "1.5,2.5,3.5,x\n1,2,3,y\n" * 9)
    subject = _subject(tmp_path, "name: csv, path: t.csv, features: [c, a]", "model: {layers: [linear: '${data.num_classes}']}\n")
    assert facts_of(subject)["inputs"]["input"]["columns"] == ["c", "a"]


def test_axes_behind_strides_are_counted_from_the_input(tmp_path: Path) -> None:
    """Of an output for each step."""
    experiment = read_experiment(CONFIGS / "tagger.yaml", (), None)
    network = build_network(experiment.graph, None).eval()
    subject = Subject(("config", "tagger.yaml"), "tagger.yaml", experiment, network, tmp_path, "tagger")
    assert facts_of(subject)["outputs"]["linear_1"]["axes"][:2] == ["batch", "time"]


def test_an_input_may_be_called_lengths() -> None:
    """Then the lengths make way."""
    assert lengths_name({"lengths": None, "lengths_": None}) == "lengths__"
