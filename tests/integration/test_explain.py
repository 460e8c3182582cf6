"""`dlcli explain`: a page for every kind of network, whole by itself, that says what it was asked."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from torch.nn import functional

import dlcli
from dlcli.app.experiments import open_experiment
from dlcli.app.explain.explaining import Explanation, explain_run
from dlcli.app.explain.samples import Choice, judge
from tests.integration.browser import started_browser
from tests.integration.conftest import Cli

ONE_STEP: Final = {"max_steps": 2, "batch_size": 8}
RNN: Final = [
    {"lstm": {"hidden_size": 5, "num_layers": 2, "bidirectional": True, "return": "last"}},
    {"linear": "${data.num_classes}"},
]
CNN: Final = [
    {"conv2d": {"out_channels": 4, "kernel_size": 3}},
    "batch_norm2d",
    "relu",
    {"max_pool2d": 2},
    "flatten",
    {"dropout": 0.1},
    {"linear": "${data.num_classes}"},
]
_DIGITS: Final = {"name": "digits", "limit": 60}

KINDS: Final[dict[str, dict[str, Any]]] = {
    "pictures": {"data": _DIGITS, "layers": CNN},
    "rows": {"data": {**_DIGITS, "view": "rows"}, "layers": RNN},
    "pixels": {
        "data": {**_DIGITS, "view": "permuted_pixels"},
        "layers": [{"gru": {"hidden_size": 3, "return": "last"}}, {"linear": 10}],
    },
    "views": {
        "data": {**_DIGITS, "view": ["image", "rows"]},
        "layers": [
            {"conv2d": {"from": "image", "out_channels": 2, "kernel_size": 3}},
            {"flatten": {"name": "seen"}},
            {"rnn": {"from": "rows", "hidden_size": 3, "return": "last", "name": "read"}},
            {"concat": ["seen", "read"]},
            {"linear": 10},
        ],
    },
    "clips": {
        "data": {"name": "moving_digits", "num_samples": 60},
        "layers": [
            {"time_distributed": [*CNN[:5], {"linear": 4}]},
            {"lstm": {"hidden_size": 4, "return": "last"}},
            {"linear": 8},
        ],
    },
    "volumes": {
        "data": {"name": "random", "sizes": [1, 6, 7, 8], "num_samples": 30},
        "layers": [{"conv3d": {"out_channels": 3, "kernel_size": 3}}, "relu", "global_avg_pool", {"linear": 10}],
    },
    "series": {
        "data": {"name": "adding", "steps": 12, "min_steps": 5, "num_samples": 60},
        "layers": [
            {"conv1d": {"out_channels": 4, "kernel_size": 3, "padding": 1}},
            "relu",
            {"gru": {"hidden_size": 4, "return": "last"}},
            {"linear": 1},
        ],
        "train": {"loss": "mse"},
    },
    "values of steps": {
        "data": {"name": "sine", "steps": 15, "num_samples": 60},
        "layers": [{"rnn": {"hidden_size": 4, "nonlinearity": "relu"}}, {"linear": 1}],
        "train": {"loss": "mse"},
    },
    "texts": {
        "data": {"name": "text_lines", "path": "words.csv"},
        "layers": [
            {"embedding": 4},
            {"gru": {"hidden_size": 4, "bidirectional": True, "return": "last"}},
            {"linear": "${data.num_classes}"},
        ],
    },
    "tags": {
        "data": {"name": "text_lines", "path": "tags.jsonl"},
        "layers": [{"embedding": 4}, {"lstm": 4}, {"linear": "${data.num_classes}"}],
    },
    "language": {
        "data": {"name": "text", "path": "words.csv", "window": 16, "split": {"valid": 0.2, "test": 0.2}},
        "layers": [{"embedding": 4}, {"lstm": 5}, {"linear": "${data.num_classes}"}],
        "train": {"stateful": True},
    },
    "bytes": {
        "data": {"name": "text", "unit": "bytes", "path": "words.csv", "window": 16, "split": {"valid": 0.2, "test": 0.2}},
        "layers": [{"embedding": 4}, {"gru": 5}, {"linear": 256}],
    },
    "forecast": {
        "data": {"name": "csv", "path": "hours.csv", "target": "all", "window": 8, "horizon": 3},
        "layers": [{"reversible_norm": [{"gru": {"hidden_size": 4, "return": "last"}}, {"linear": "${data.num_targets}"}]}],
        "train": {"loss": "mse"},
    },
    "another column": {
        "data": {"name": "csv", "path": "hours.csv", "target": "wind", "features": "load", "window": 8},
        "layers": [{"gru": {"hidden_size": 4, "return": "last"}}, {"linear": "${data.num_targets}"}],
        "train": {"loss": "mse"},
    },
    "table": {
        "data": {"name": "csv", "path": "hours.csv", "target": "wind"},
        "layers": [{"linear": 4}, "relu", {"linear": 1}],
        "train": {"loss": "mse"},
    },
    "several": {
        "data": {"name": "arrays", "path": "a.npz", "inputs": ["image", "meta"], "targets": ["digit", "parity", "sizes"]},
        "layers": [
            {"flatten": {"from": "image", "name": "pixels"}},
            {"concat": ["pixels", "meta"]},
            {"linear": {"out_features": 6, "name": "trunk"}},
            {"linear": {"out_features": 3, "name": "digit"}},
            {"linear": {"from": "trunk", "out_features": 1, "name": "parity"}},
            {"linear": {"from": "trunk", "out_features": 2, "name": "sizes"}},
        ],
        "outputs": ["digit", "parity", "sizes"],
        "train": {"loss": {"digit": "cross_entropy", "parity": "binary_cross_entropy", "sizes": "mse"}},
    },
    "padded": {
        "data": {"name": "arrays", "path": "padded.npz", "inputs": ["curve", "sound"], "targets": "kind"},
        "layers": [
            {"lstm": {"hidden_size": 4, "return": "last", "from": "curve"}},
            {"gru": {"hidden_size": 4, "return": "last", "from": "sound"}},
            {"concat": ["lstm_1", "gru_1"]},
            {"linear": 2},
        ],
    },
    "windows": {
        "data": {"name": "arrays", "path": "waves.npz"},
        "layers": [{"conv1d": {"out_channels": 3, "kernel_size": 5}}, "relu", "global_avg_pool", {"linear": 2}],
    },
    "labels": {
        "data": {"name": "arrays", "path": "labels.npz"},
        "layers": ["flatten", {"linear": 2}],
        "train": {"loss": "binary_cross_entropy"},
    },
}


WORDS: Final[dict[str, tuple[list[str], list[str]]]] = {
    "pictures": (["Filters of conv2d_1", "Grad-CAM", "Layer by layer", "conv2d_1 → batch_norm2d_1 → relu_1"], ["Gates"]),
    "rows": (["Gates and states", "layer 2 of 2, reading from the end", "How far back"], ["Grad-CAM", "Layer by layer"]),
    "clips": (["frame 8", "Grad-CAM", "Layer by layer", "Gates and states", "The ways of the states"], []),
    "texts": (["Gates and states", "empty vector", "update gate"], ["Grad-CAM", "picture"]),
    "language": (["most probable next", "What surprised the network", "forget gate", "at step 16"], ["Grad-CAM"]),
    "forecast": (["The forecast of load", "what came", "a forecast of 3 steps of 2 columns"], ["Grad-CAM"]),
    "padded": (["input curve", "input sound", "Inside lstm_1", "Inside gru_1"], ["Grad-CAM"]),
    "table": (["occlusion", "the mean of the training data"], ["Gates", "Layer by layer"]),
    "several": (["digit: ", "parity: ", "sizes: ", "input image", "input meta"], ["Gates"]),
    "series": (["Grad-CAM", "Filters of conv1d_1", "Gates and states", "a row for each channel"], []),
}
"""What is on the page of a kind, and what is not: of what does not apply there is no word, and no gap."""


def _write_data(folder: Path) -> None:
    """What the configs read."""
    generator = np.random.default_rng(0)
    words = ["one,en", "zwei,de", "drei,de", "two,en", "<b>x</b>,en", "ach\u202egut,de"] * 8
    (folder / "words.csv").write_text("\n".join(["text,label", *words]) + "\n", encoding="utf-8")
    tags = [
        {"text": word, "label": [letter.upper() if letter in "ab" else "X" for letter in word]}
        for word in ("abc", "bad", "abba") * 12
    ]
    (folder / "tags.jsonl").write_text("\n".join(map(json.dumps, tags)))
    rows = [f"{np.sin(hour / 4):.4f},{hour % 7}.5" for hour in range(90)]
    (folder / "hours.csv").write_text("\n".join(["load,wind", *rows]))
    image, meta = generator.integers(0, 256, (60, 4, 4), dtype=np.uint8), generator.normal(size=(60, 3)).astype(np.float32)
    digit = generator.integers(0, 3, 60)
    sizes = np.stack([image.mean((1, 2)), image.max((1, 2))], 1).astype(np.float32)
    np.savez(folder / "a.npz", image_train=image, meta_train=meta, digit_train=digit, parity_train=digit % 2, sizes_train=sizes)
    padded = {
        "sound": generator.normal(size=(60, 7, 1)).astype(np.float32),
        "curve": generator.normal(size=(60, 7, 2)).astype(np.float32),
        "kind": generator.integers(0, 2, 60),
        "lengths": generator.integers(3, 8, 60),
    }
    np.savez(folder / "padded.npz", **{f"{name}_train": array for name, array in padded.items()})
    waves = {"x": padded["curve"], "y": padded["kind"], "lengths": generator.integers(5, 8, 60)}
    np.savez(folder / "waves.npz", **{f"{name}_train": array for name, array in waves.items()})
    floats = generator.normal(size=(60, 3, 5, 6)).astype(np.float32)
    np.savez(folder / "labels.npz", x_train=floats, y_train=generator.integers(0, 2, (60, 2)).astype(np.float32))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a run of a kind, trained for two steps when it is first asked for."""
    folder = tmp_path_factory.mktemp("explained")
    _write_data(folder)

    def run(kind: str) -> Path:
        path = folder / kind.replace(" ", "_")
        if not path.exists():
            wanted = KINDS[kind]
            model = {"layers": wanted["layers"], **({"outputs": wanted["outputs"]} if "outputs" in wanted else {})}
            config = {"data": dict(wanted["data"]), "model": model, "train": {**ONE_STEP, **wanted.get("train", {})}}
            if "path" in config["data"]:
                config["data"]["path"] = str(folder / config["data"]["path"])
            file = folder / f"{path.name}.yaml"
            file.write_text(yaml.safe_dump(config))
            dlcli.train(file, runs=folder, name=path.name, device="cpu", seed=0)
        return path

    return run


def _explained(run: Path, choice: Choice | None = None) -> Explanation:
    options = {"checkpoint": "best", "device": "cpu", "runs": run.parent, "data_dir": None}
    return explain_run(run, choice or Choice(), **options, on_notice=lambda _: None)


def _check_whole(page: str) -> None:
    """Nothing active, nothing from elsewhere, each name once."""
    assert "<script" not in page
    assert not re.search(r'(?:src|href)="(?!data:|#)', page)
    assert set(re.findall(r"https?://[^\"' <)]*", page)) <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}
    names = re.findall(r'\bid="([^"]+)"', page)
    assert len(names) == len(set(names))
    assert "nan" not in re.sub(r"<svg.*?</svg>|<img[^>]*>", "", page, flags=re.DOTALL).lower().split()


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_network_is_explained(kind: str, trained: Callable[[str], Path]) -> None:
    """A page that is whole by itself and has what applies; figures with their numbers; shares that add up; an unchanged network."""
    run = trained(kind)
    found = _explained(run, Choice(index=1))
    page = found.write(None)
    assert page == run / "explain.html"
    text = page.read_text(encoding="utf-8")
    _check_whole(text)
    there, absent = WORDS.get(kind, ([], []))
    assert [words for words in there if words not in text] == []
    assert [words for words in absent if words in text[text.index("<body>") :]] == []
    drawings = sorted((run / "plots").glob("explain-*.svg"))
    assert drawings
    for drawing in drawings:
        ET.fromstring(drawing.read_text(encoding="utf-8"))  # noqa: S314 - it is ours
        assert "var(--" not in drawing.read_text(encoding="utf-8")
        assert len(drawing.with_suffix(".csv").read_text(encoding="utf-8").splitlines()) > 1
    integrated = [explained.integrated for report in found.reports for explained in report.explained]
    assert integrated
    assert all(one is not None and one.gap <= 0.01 for one in integrated)
    network, untouched = found.found.subject.network, dlcli.load(run)
    for name, value in untouched.state_dict().items():
        torch.testing.assert_close(network.state_dict()[name], value, rtol=0, atol=0)
    assert not network.training
    assert not any(module._forward_hooks or module._forward_pre_hooks or module._backward_hooks for module in network.modules())


def test_without_a_choice_a_right_one_of_each_class_and_the_worst_mistakes(trained: Callable[[str], Path]) -> None:
    """As the network judges them: right ones come first, one of a class, then mistakes, the greatest loss first."""
    found = _explained(trained("pictures"))
    answers = [report.answers[0] for report in found.reports]
    right = [answer.says.split("”")[0] for answer in answers if answer.is_right]
    assert [answer.is_right for answer in answers] == [True] * len(right) + [False] * 3
    assert len(right) == len(set(right)) > 0
    losses = [sample.loss for sample in found.found.samples[len(right) :]]
    assert losses == sorted(losses, reverse=True)
    wrong = answers[-1]
    assert len(wrong.questions) == 2
    network, split = dlcli.load(found.found.subject.path), found.found.samples
    for sample, answer in zip(split, answers, strict=True):
        assert f"“{int(network(sample.inputs['input']).argmax())}”" in answer.says


def test_of_values_the_first_samples_and_the_largest_losses(trained: Callable[[str], Path]) -> None:
    """Nothing is right or wrong there; also where samples differ in their number of steps."""
    found = _explained(trained("series")).found
    assert [sample.number for sample in found.samples[:3]] == [0, 1, 2]
    losses = [sample.loss or 0 for sample in found.samples]
    assert losses[3:] == sorted(losses[3:], reverse=True)
    assert found.in_depth == {0, 3}


def test_of_several_outputs_the_losses_add_up(trained: Callable[[str], Path]) -> None:
    """As plain torch has them; right is who has the class and the label."""
    run = trained("several")
    subject = _explained(run, Choice(index=0)).found.subject
    _, dataset = open_experiment(run / "config.resolved.yaml", (), None, print)
    split, scale = dataset.test, dataset.spec.normalize_targets
    assert split is not None
    assert isinstance(split.inputs, dict)
    assert isinstance(split.targets, dict)
    assert isinstance(scale, dict)
    mean, std = (torch.tensor(getattr(scale["sizes"], name)) for name in ("mean", "std"))
    outputs, truth = dlcli.load(run)(subject.prepared(split.inputs)), split.targets
    digit = functional.cross_entropy(outputs["digit"], truth["digit"], reduction="none")
    parity = functional.binary_cross_entropy_with_logits(outputs["parity"][:, 0], truth["parity"].float(), reduction="none")
    sizes = (outputs["sizes"] - (truth["sizes"] - mean) / std).square().mean(1)
    judged = judge(subject, split, len(split))
    torch.testing.assert_close(judged.losses, (digit + parity + sizes).detach())
    hits = (outputs["digit"].argmax(1) == truth["digit"]) & ((outputs["parity"][:, 0] > 0) == truth["parity"].bool())
    assert judged.is_right is not None
    assert judged.is_right.tolist() == hits.tolist()
    assert judged.classes is not None
    assert judged.classes.tolist() == truth["digit"].tolist()


def test_of_a_large_network_less_is_explained_and_the_page_says_so(
    trained: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fewer samples, chosen among fewer; fewer steps, and shares that then add up less well."""
    monkeypatch.setattr("dlcli.app.explain.effort._OPERATIONS", 5e6)
    monkeypatch.setattr("dlcli.app.explain.effort._JUDGED", 1.0)
    monkeypatch.setattr("dlcli.app.explain.effort._FEWEST_JUDGED", 20)
    found = _explained(trained("pictures"))
    assert found.notices == [
        f"{len(found.reports)} of the usual samples are explained: the network is large",
        "the samples are chosen among the first 20 of 60",
    ]
    assert 1 <= len(found.reports) < 13


def test_data_that_has_changed_since_is_said(trained: Callable[[str], Path]) -> None:
    """The samples are others than the network was trained on."""
    run = trained("texts")
    file = run.parent / "words.csv"
    before = file.read_text(encoding="utf-8")
    try:
        file.write_text(before.replace("one,en", "two,en"), encoding="utf-8")
        notices = _explained(run, Choice(index=0)).notices
    finally:
        file.write_text(before, encoding="utf-8")
    assert notices == [f"{file} has other values than when the run began"]


def test_the_command_says_where_the_page_is(trained: Callable[[str], Path], cli: Cli) -> None:
    """How many samples were explained, and the page; under --json one object, with what was explained and how far the shares add up."""
    run = trained("pictures")
    outcome = cli("explain", run, "--index", 3, "--device", "cpu")
    assert outcome.code == 0
    head, page = outcome.out.splitlines()
    assert head.startswith(f"{run} (step-")
    assert "), 1 sample explained, of test (" in head
    assert page == str(run / "explain.html")
    [sample] = cli("explain", run, "--index", 3, "--device", "cpu", "--json").json["samples"]
    assert sample["loss"] > 0
    assert sample["explained"][0]["gap"] <= 0.01


def test_the_worst_samples_are_those_of_the_largest_loss(trained: Callable[[str], Path], cli: Cli) -> None:
    """Cross-entropy of all samples of the split, in plain torch."""
    run = trained("pictures")
    told = cli("explain", run, "--worst", "--split", "valid", "--device", "cpu", "--json").json
    subject = _explained(run, Choice(index=0)).found.subject
    _, dataset = open_experiment(run / "config.resolved.yaml", (), None, print)
    assert dataset.valid is not None
    inputs = torch.cat([subject.prepared(dataset.valid.inputs[row : row + 1])["input"] for row in range(len(dataset.valid))])
    losses = functional.cross_entropy(dlcli.load(run)(inputs), dataset.valid.targets, reduction="none")
    assert [sample["index"] for sample in told["samples"]] == losses.argsort(descending=True)[:6].tolist()
    torch.testing.assert_close(
        torch.tensor([sample["loss"] for sample in told["samples"]]), losses.sort(descending=True).values[:6]
    )


def test_new_samples_are_read_as_predict_reads_them(trained: Callable[[str], Path], cli: Cli, tmp_path: Path) -> None:
    """A picture file, whose answer is that of `predict`; rows of a table, the first six; a page elsewhere, and no figures then."""
    run, picture = trained("pictures"), tmp_path / "new.png"
    Image.fromarray(np.random.default_rng(1).integers(0, 255, (8, 8), np.uint8)).save(picture)
    page = tmp_path / "page.html"
    told = cli("explain", run, "--input", picture, "--output", page, "--device", "cpu", "--json").json
    predicted = cli("predict", run, picture, "--device", "cpu", "--json").json["predictions"][0]
    [sample] = told["samples"]
    [answer] = sample["answers"].values()
    assert answer["says"]["class"] == str(predicted["class"])
    assert answer["says"]["probability"] == pytest.approx(predicted["probability"], abs=1e-6)
    assert (sample["index"], sample["loss"], answer["right"]) == (None, None, None)
    _check_whole(page.read_text(encoding="utf-8"))
    folder = tmp_path / "folder"
    folder.mkdir()
    picture.rename(folder / "new.png")
    (folder / "readme.txt").write_text("not a picture")
    assert "readme.txt" in " ".join(_explained(run, Choice(input=str(folder))).notices)
    table = tmp_path / "new.csv"
    table.write_text("load\n" + "\n".join(map(str, range(20))))
    outcome = cli("explain", trained("table"), "--input", table, "--device", "cpu")
    assert "the first 6 of 20 samples are explained" in outcome.err
    assert outcome.code == 0
    hours = tmp_path / "new_hours.csv"
    hours.write_text("load,wind\n" + "\n".join(f"{hour},1.5" for hour in range(9)))
    assert cli("explain", trained("forecast"), "--input", hours, "--device", "cpu").code == 0
    assert "what came" not in "".join(path.read_text() for path in (trained("forecast") / "plots").glob("*forecast.svg"))


def _save_pictures(folder: Path, count: int) -> None:
    """Frames, bright at the border and dark inside, where digits are bright on dark; of 9x9 pixels."""
    folder.mkdir()
    for number in range(count):
        pixels = np.full((9, 9), 250, np.uint8)
        pixels[3:6, 3:6] = number
        Image.fromarray(pixels).save(folder / f"{number:02}.png")


def test_of_a_folder_no_more_pictures_are_read_than_shown(trained: Callable[[str], Path], cli: Cli, tmp_path: Path) -> None:
    """Those that follow may be damaged; what is to be known of the first is told as `predict` tells it, and --invert mends it."""
    run, folder = trained("pictures"), tmp_path / "frames"
    _save_pictures(folder, 6)
    told = cli("predict", run, folder, "--device", "cpu", "--json").json["notices"]
    assert "6 of 6 pictures are dark on bright, unlike those of digits: add --invert; the first: 00.png" in told
    assert "6 of 6 pictures are brought to 8x8 in grey, like those of digits; the first: 00.png (9x9)" in told
    (folder / "99.png").write_bytes(b"no picture")
    found = cli("explain", run, "--input", folder, "--device", "cpu", "--json").json
    assert [sample["name"] for sample in found["samples"]] == [f"{number:02}.png" for number in range(6)]
    assert found["notices"] == [*told, "the first 6 of 7 samples are explained"]
    outcome = cli("explain", run, "--input", folder, "--invert", "--device", "cpu", "--json")
    assert not any("dark on bright" in notice for notice in outcome.json["notices"])
    predicted = cli("predict", run, folder / "00.png", "--invert", "--device", "cpu", "--json").json["predictions"][0]
    [answer] = outcome.json["samples"][0]["answers"].values()
    assert answer["says"]["class"] == str(predicted["class"])
    assert answer["says"]["probability"] == pytest.approx(predicted["probability"], abs=1e-6)


def test_of_a_large_network_one_picture_is_read(
    trained: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The notices are about it alone."""
    _save_pictures(tmp_path / "frames", 3)
    monkeypatch.setattr("dlcli.app.explain.effort._OPERATIONS", 1.0)
    found = _explained(trained("pictures"), Choice(input=str(tmp_path / "frames")))
    assert len(found.reports) == 1
    assert found.notices[0].startswith("1 of 1 pictures is brought to 8x8")
    assert found.notices[-1] == "the first 1 of 3 samples are explained"


def test_a_sequence_shorter_than_a_window_is_refused_as_predict_refuses_it(
    trained: Callable[[str], Path], cli: Cli, tmp_path: Path
) -> None:
    """With and without lengths beside it; what a window fits into is explained."""
    run, file = trained("windows"), tmp_path / "short.npz"
    waves = np.random.default_rng(0).normal(size=(2, 7, 2)).astype(np.float32)
    for arrays, told in (
        ({"x": waves[:, :4], "lengths": np.array([4, 3])}, "sample 1 has 3 steps, and `conv1d_1` needs at least 5"),
        ({"x": waves[:, :4]}, "sample 0 has 4 steps, and `conv1d_1` needs at least 5"),
        ({"x": waves[:, :, :1]}, "samples of 1 feature, and the network reads 2"),
    ):
        np.savez(file, **arrays)
        outcome = cli("explain", run, "--input", file, "--device", "cpu")
        assert (outcome.code, outcome.out) == (3, "")
        assert told in outcome.err
        assert str(file) in outcome.err
        assert "a bug in dlcli" not in outcome.err
        assert cli("predict", run, file, "--device", "cpu").err == outcome.err
    np.savez(file, x=waves, lengths=np.array([5, 7]))
    found = _explained(run, Choice(input=str(file))).found
    assert [sample.inputs["input"].shape[1] for sample in found.samples] == [5, 7]


def test_a_page_replaces_nothing_but_pages(trained: Callable[[str], Path], cli: Cli, tmp_path: Path) -> None:
    """A file of another kind is left as it is, before anything is computed."""
    mine = tmp_path / "config.yaml"
    mine.write_text("mine")
    outcome = cli("explain", trained("pictures"), "--index", 0, "--output", mine)
    assert (outcome.code, outcome.out) == (2, "")
    assert f"'{mine}' does not end in .html" in outcome.err
    assert mine.read_text() == "mine"


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--index", "9999"], 2, ["none of the number 9999", "numbers are 0 to"]),
        (["--index", "-1"], 2, ["none of the number -1"]),
        (["--index", "1", "--worst"], 2, ["--index and --worst were given", "give one of them"]),
        (["--split", "tset"], 2, ["no split `tset`", "train, valid, test"]),
        (["--checkpoint", "77777"], 2, ["no checkpoint `77777`"]),
        (["--input", "not_there.png"], 3, ["not_there.png"]),
        (["--device", "cuda:99"], 2, ["cuda:99"]),
        (["--output", "no_folder/page.html"], 2, ["there is no folder no_folder"]),
        (["--output", "."], 2, ["'.' does not end in .html", "--output page.html"]),
        (["--invert"], 2, ["--invert is for new pictures", "--input FILE"]),
    ],
)
def test_what_can_not_be_explained_is_said(
    arguments: list[str], code: int, words: list[str], trained: Callable[[str], Path], cli: Cli
) -> None:
    """Exit code, what was found, what to do; nothing on stdout, and no traceback."""
    outcome = cli("explain", trained("pictures"), *arguments)
    assert (outcome.code, outcome.out) == (code, "")
    assert "Traceback" not in outcome.err
    for word in words:
        assert word in outcome.err


def test_the_figures_beside_a_page_are_those_of_the_page(trained: Callable[[str], Path]) -> None:
    """Those of the page before are gone; other files in the folder stay, and a run still verifies."""
    run = trained("rows")
    (run / "plots").mkdir(exist_ok=True)
    mine = run / "plots" / "mine.svg"
    mine.write_text("<svg/>")
    stale = run / "plots" / "explain-99-stale.csv"
    stale.write_text("old")
    found = _explained(run, Choice(index=0))
    found.write(None)
    names = {figure.name for section in found.sections for figure in section.figures()}
    assert {path.stem for path in (run / "plots").glob("explain-*")} == names
    assert mine.exists()


def test_the_words_of_strangers_stay_words(trained: Callable[[str], Path]) -> None:
    """Texts of the data are escaped on the page and in the drawings, and what turns around what is read is shown by its code."""
    run = trained("texts")
    _, dataset = open_experiment(run / "config.resolved.yaml", (), None, print)
    assert dataset.train.lengths is not None
    longest = dataset.train.lengths.argsort(descending=True, stable=True)
    hostile = {int(length): int(number) for number, length in zip(longest, dataset.train.lengths[longest], strict=True)}
    page = "".join(
        _explained(run, Choice(index=hostile[length], split="train"))._html() for length in (len("ach-gut"), len("<b>x</b>"))
    )
    assert "<b>x</b>" not in page
    assert ">&lt;<" in page
    assert "\u202e" not in page
    assert "U+202E" in page


def test_a_layer_of_a_plug_in_is_explained_too(tmp_path: Path, cli: Cli) -> None:
    """Gradients go through it; what reads tokens in a way of its own has no entry, and the page says so."""
    plugin = tmp_path / "own.py"
    plugin.write_text(PLUGIN)
    for kind, data, layer in (
        ("scaled", {"name": "digits", "limit": 40}, "[flatten, scaled: {factor: 2}, linear: 10]"),
        (
            "counted",
            {"name": "random", "sizes": [6], "layout": "tokens", "vocabulary_size": 5, "num_samples": 30},
            "[counted, linear: 10]",
        ),
    ):
        config = {"data": data, "model": {"layers": yaml.safe_load(layer)}, "train": ONE_STEP}
        (tmp_path / f"{kind}.yaml").write_text(yaml.safe_dump(config))
        assert cli("train", f"{kind}.yaml", "--name", kind, "--plugin", plugin, "--device", "cpu").code == 0
        outcome = cli("explain", kind, "--index", 0, "--plugin", plugin, "--device", "cpu")
        assert outcome.code == 0, outcome.err
    assert "nothing that could be changed bit by bit" in (tmp_path / "runs" / "counted" / "explain.html").read_text()
    assert "integrated gradients" in (tmp_path / "runs" / "scaled" / "explain.html").read_text()


PLUGIN: Final = """\
import torch
from typing import ClassVar
from torch import nn
from dlcli.plugins import Layer, Plugin

class Scale(nn.Module):
    def __init__(self, factor):
        super().__init__()
        self.factor = factor
    def forward(self, x):
        return x * self.factor

class Count(nn.Module):
    def forward(self, tokens):
        return nn.functional.one_hot(tokens, 5).float().sum(1)

class Scaled(Layer):
    kind: ClassVar[str] = "scaled"
    factor: float = 1.0
    def build(self, shape):
        return Scale(self.factor)

class Counted(Layer):
    kind: ClassVar[str] = "counted"
    accepts: ClassVar[tuple[str, ...]] = ("tokens",)
    def build(self, shape):
        return Count()

PLUGIN = Plugin(layers=(Scaled, Counted))
"""


def test_pages_fit_a_phone_and_ask_for_nothing(trained: Callable[[str], Path], tmp_path: Path) -> None:
    """In a browser: no word in its console, no address asked for but the page's own, and nothing wider than the window."""
    pages = [_explained(trained(kind), Choice(index=0)).write(None) for kind in ("pictures", "language", "forecast")]
    with started_browser(tmp_path / "profile") as browser:
        for page in pages:
            for width, dark in ((375, True), (1280, False)):
                browser.open(page, width, dark=dark)
                assert browser.value("document.documentElement.scrollWidth") <= width
                assert browser.value("[...document.images].every(image => image.naturalWidth > 0)")
        assert browser.complaints == []
        assert {address for address in browser.requests if not address.startswith("data:")} == {
            page.resolve().as_uri() for page in pages
        }
