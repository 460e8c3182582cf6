"""Bad input is normal: one clear message with place and mend, the exit code of the design, nothing half-written."""

from __future__ import annotations

import gzip
import json
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.integration.conftest import Cli, Outcome


def _assert_refused(outcome: Outcome, code: int, *words: str) -> None:
    """Exit code, an `error:` line, every word, no traceback, and no run folder."""
    assert outcome.code == code, outcome.err
    assert "error" in outcome.err
    assert "Traceback" not in outcome.err
    assert outcome.out == ""
    for word in words:
        assert word in outcome.err, outcome.err
    assert not Path("runs").exists()


def _edited(quick: Path, old: str, new: str) -> Path:
    text = quick.read_text()
    assert old in text
    quick.write_text(text.replace(old, new))
    return quick


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("epochs: 2", "epoch: 2", ["quick.yaml:11:3", "`train` has no key `epoch`", "did you mean `epochs`?"]),
        ("- relu", "- rellu", ["quick.yaml:5:7", "there is no layer `rellu`", "did you mean `relu`?"]),
        ("kernel_size: 3", "kernel_size: three", ["quick.yaml:4:46", "`kernel_size`", "the text 'three'"]),
        ("epochs: 2", "epochs: 2.5", ["quick.yaml:11:11", "`epochs` must be a whole number"]),
        ("lr: 1e-2", "lr: -1", ["quick.yaml:13:31", "`lr` must be greater than 0"]),
        ("    - flatten\n", "", ["quick.yaml:8:7", "`linear` reads the last axis", "put `- flatten` before it"]),
        ("name: digits", "name: digitz", ["quick.yaml:1:14", "did you mean `digits`?"]),
        ("batch_size: 32", "batch_size: 0", ["quick.yaml:12:15", "`batch_size` must be at least 1"]),
        (
            "metrics: [accuracy]",
            "loss: {name: cross_entropy, class_weights: [1, 2]}",
            ["quick.yaml:14:46", "2 numbers", "10 scores"],
        ),
        ("metrics: [accuracy]", "loss: {name: cross_entropy, class_weights: [-1]}", ["`class_weights` must be at least 0"]),
        ("metrics: [accuracy]", "metrics: [mae]", ["quick.yaml:14:13", "`mae` judges values"]),
        ("${data.num_classes}", "${data.num_clases}", ["quick.yaml:9:15", "did you mean `data.num_classes`?"]),
        ("${data.num_classes}", "3", ["quick.yaml:9:7", "10 classes", "gives 3"]),
    ],
)
def test_mistakes_in_a_config_are_shown_where_they_are(cli: Cli, quick: Path, old: str, new: str, words: list[str]) -> None:
    """Unknown keys, misspelt layers, wrong types, shapes that don't fit: exit code 2."""
    _assert_refused(cli("train", _edited(quick, old, new)), 2, *words)


def test_batches_of_one_and_batch_norm_over_a_vector_are_refused(cli: Cli, quick: Path) -> None:
    """One value has no variance: told before the first step, with the layer's line."""
    _edited(quick, "- dropout: 0.1", "- batch_norm1d")
    _edited(quick, "batch_size: 32", "batch_size: 1")
    _assert_refused(cli("train", quick), 2, "quick.yaml:12:15", "`batch_norm1d` (line 8)")


def test_top_k_of_yes_or_no_labels_is_refused(cli: Cli, quick: Path, tmp_path: Path) -> None:
    """Labels have no rank: told before the first epoch ends in it."""
    np.savez(tmp_path / "a.npz", x=np.zeros((40, 8, 8), np.uint8), y=np.zeros((40, 3), np.float32))
    _edited(quick, "name: digits, limit: 300", "name: arrays, path: a.npz")
    _edited(quick, "${data.num_classes}", "${data.num_targets}")
    _edited(quick, "metrics: [accuracy]", "loss: binary_cross_entropy\n  metrics: [{name: top_k, k: 2}]")
    _assert_refused(cli("train", quick), 3 - 1, "`top_k` ranks classes")


def test_missing_data_is_told_and_not_what_follows_from_it(cli: Cli, quick: Path) -> None:
    """Facts that are not known make no mistakes of their own in what is calculated from them."""
    _edited(quick, "name: digits, limit: 300", "name: arrays, path: nowhere.npz")
    _edited(quick, "- dropout: 0.1", "- linear: ${64 // (data.height - 1)}")
    _assert_refused(cli("train", quick), 3, "nowhere.npz")


def test_all_mistakes_are_reported_at_once(cli: Cli, quick: Path) -> None:
    """Three mistakes, three diagnostics."""
    _edited(quick, "- relu", "- rellu")
    _edited(quick, "epochs: 2", "epoch: 2")
    _edited(quick, "name: adam", "name: adamm")
    outcome = cli("train", quick)
    _assert_refused(outcome, 2, "`rellu`", "`epoch`", "`adamm`", "3 mistakes")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\x89PNG\r\n\x1a\n\x00\xff", ["is not a text file"]),
        (b"just a sentence", ["a config is a mapping"]),
        (b"data: [1, 2", ["bad.yaml:1:", "error[syntax]"]),
        (b"data:\n\tname: digits\n", ["a tab can't indent YAML"]),
        (b"", ["the file is empty"]),
        (b"data: !!python/object/apply:os.system ['true']\n", ["error[tag]"]),
    ],
)
def test_files_that_are_no_config_are_refused(cli: Cli, tmp_path: Path, content: bytes, words: list[str]) -> None:
    """A picture, a sentence, broken YAML, tabs, nothing at all, code."""
    path = tmp_path / "bad.yaml"
    path.write_bytes(content)
    _assert_refused(cli("train", path), 2, *words)


def test_an_absent_config_is_refused_with_the_nearest_name(cli: Cli, quick: Path) -> None:
    """A misspelt path suggests the file beside it."""
    _assert_refused(cli("train", "quik.yaml"), 2, "there is no file quik.yaml", "did you mean `quick.yaml`?")


@pytest.mark.parametrize("written", ["configs/cnn.yaml", "configs/zoo/resnet18.yaml", "resnet18.yaml"])
def test_a_config_that_comes_with_the_package_is_named(
    written: str, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever installed dlcli without a checkout learns where its configs are, those of the zoo too."""
    shipped = tmp_path / "package"
    (shipped / "zoo").mkdir(parents=True)
    paths = {"cnn.yaml": shipped / "cnn.yaml", "resnet18.yaml": shipped / "zoo" / "resnet18.yaml"}
    for path in paths.values():
        path.touch()
    monkeypatch.setattr("dlcli.config.compose.SHIPPED_CONFIGS", shipped)
    _assert_refused(cli("train", written), 2, str(paths[Path(written).name]))


def test_an_absent_data_folder_is_refused(cli: Cli, quick: Path) -> None:
    """--data-dir of a folder that is not there: exit code 3, its name."""
    _assert_refused(cli("train", quick, "--data-dir", "nowhere"), 3, "nowhere")


def test_a_device_that_is_not_there_is_refused(cli: Cli, quick: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An explicit device is taken or refused, never swapped."""
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    _assert_refused(cli("train", quick, "--device", "cuda"), 2, "there is no CUDA device here", "--device cpu")
    _assert_refused(cli("train", quick, "--device", "gpu"), 2, "there is no device `gpu`")


@pytest.mark.parametrize("arguments", [["--epochs", "3"], ["--seed", "x"], ["--seed", "-1"], ["--set", "train.epochs"]])
def test_options_that_can_not_be_are_refused(cli: Cli, quick: Path, arguments: list[str]) -> None:
    """Unknown options and values: exit code 2 and where to read on."""
    _assert_refused(cli("train", quick, *arguments), 2, "help:")


def _write_idx(folder: Path, *, labels: list[int]) -> None:
    count = len(labels)
    folder.mkdir(parents=True)
    for prefix in ("train", "t10k"):
        images = struct.pack(">IIII", 0x803, count, 28, 28) + bytes(count * 784)
        (folder / f"{prefix}-images-idx3-ubyte.gz").write_bytes(gzip.compress(images))
        (folder / f"{prefix}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(struct.pack(">II", 0x801, count) + bytes(labels)))


def test_a_truncated_gz_is_refused_and_no_fallback_hides_it(cli: Cli, quick: Path, tmp_path: Path) -> None:
    """Damaged data is an error, also where the config has a fallback."""
    _write_idx(tmp_path / "data" / "FashionMNIST" / "raw", labels=list(range(10)) * 5)
    cut = tmp_path / "data" / "FashionMNIST" / "raw" / "train-images-idx3-ubyte.gz"
    cut.write_bytes(cut.read_bytes()[:-20])
    _edited(quick, "name: digits", "name: fashion_mnist, fallback: digits")
    _assert_refused(cli("train", quick, "--data-dir", "data"), 3, "train-images-idx3-ubyte.gz")


def test_labels_out_of_range_are_refused(cli: Cli, quick: Path, tmp_path: Path) -> None:
    """A label 11 of 10 classes: file and row."""
    _write_idx(tmp_path / "data" / "FashionMNIST" / "raw", labels=[*range(10), 11])
    _edited(quick, "name: digits", "name: fashion_mnist")
    _assert_refused(cli("train", quick, "--data-dir", "data"), 3, "label 11", "train-labels-idx1-ubyte.gz")


def test_an_unreadable_picture_is_refused_by_name(cli: Cli, quick: Path, tmp_path: Path) -> None:
    """One broken file among the pictures of a folder."""
    for name in ("cat", "dog"):
        (tmp_path / "pets" / name).mkdir(parents=True)
        for index in range(6):
            Image.fromarray(np.full((8, 8), index, np.uint8)).save(tmp_path / "pets" / name / f"{index}.png")
    (tmp_path / "pets" / "dog" / "3.png").write_bytes(b"not a picture")
    _edited(quick, "name: digits", "name: image_folder, path: pets")
    _assert_refused(cli("train", quick), 3, str(Path("dog") / "3.png"))


def test_arrays_that_do_not_fit_are_refused(cli: Cli, quick: Path, tmp_path: Path) -> None:
    """More samples than answers: both counts."""
    np.savez(tmp_path / "a.npz", x_train=np.zeros((20, 8, 8), np.uint8), y_train=np.zeros(19, np.int64))
    _edited(quick, "name: digits", "name: arrays, path: a.npz")
    _assert_refused(cli("train", quick), 3, "20", "19")


def test_under_json_an_error_is_one_object_too(cli: Cli, quick: Path) -> None:
    """Stdout carries exactly one JSON object, also when the config has mistakes."""
    outcome = cli("train", _edited(quick, "- relu", "- rellu"), "--json")
    assert outcome.code == 2
    (diagnostic,) = outcome.json["diagnostics"]
    assert (diagnostic["line"], diagnostic["column"], diagnostic["code"]) == (5, 7, "unknown-layer")


@pytest.mark.parametrize("arguments", [["train", "--epochs"], ["eval", "nothing"], ["train", "absent.yaml"]])
def test_under_json_every_refusal_has_the_same_keys(cli: Cli, arguments: list[str]) -> None:
    """Usage errors too."""
    outcome = cli(*arguments, "--json")
    assert set(outcome.json) == {"error", "help", "exit_code", "diagnostics"}
    assert outcome.json["exit_code"] == outcome.code == 2


def test_a_training_that_diverges_ends_with_4_and_says_so(cli: Cli, quick: Path) -> None:
    """NaN: step and learning rate, the run's record, and no checkpoint of it."""
    _edited(quick, "name: adam, lr: 1e-2", "name: sgd, lr: 1e30")
    outcome = cli("train", quick, "--name", "wild")
    assert outcome.code == 4
    assert "Traceback" not in outcome.err
    record = json.loads(Path("runs/wild/run.json").read_text())
    assert (record["status"], record["exit_code"]) == ("diverged", 4)
    assert not list(Path("runs/wild/checkpoints").iterdir())


def test_a_checkpoint_that_does_not_verify_ends_with_5(cli: Cli, quick: Path) -> None:
    """One changed byte in the weights is found before they are used."""
    run = Path(cli("train", quick, "--json").json["run"])
    for weights in run.glob("checkpoints/*/model.safetensors"):
        content = bytearray(weights.read_bytes())
        content[-1] ^= 1
        weights.write_bytes(content)
    outcome = cli("eval")
    assert outcome.code == 5
    assert "model.safetensors is damaged" in outcome.err


def test_a_bug_leaves_its_traceback_in_a_file(cli: Cli, quick: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 1, the file's path, and the traceback itself only under --debug."""

    def broken(request: object) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr("dlcli.app.train.train", broken)
    outcome = cli("train", quick)
    assert outcome.code == 1
    path = Path(outcome.err.split("traceback in ")[1].strip())
    assert "ZeroDivisionError: a bug" in path.read_text()
    assert str(cli("train", quick, "--json").json["exit_code"]) == "1"
    assert "Traceback" not in outcome.err
    path.unlink()
    outcome = cli("train", quick, "--debug")
    assert "Traceback" in outcome.err
    Path(outcome.err.split("traceback in ")[1].strip()).unlink()


def test_runs_keep_inside_their_folder(cli: Cli, quick: Path) -> None:
    """A name is no path, and no run is overwritten."""
    _assert_refused(cli("train", quick, "--name", "../elsewhere"), 2, "can't be called")
    assert cli("train", quick, "--name", "a").code == 0
    before = Path("runs/a/run.json").read_bytes()
    outcome = cli("train", quick, "--name", "a")
    assert outcome.code == 2
    assert "--resume" in outcome.err
    assert Path("runs/a/run.json").read_bytes() == before


def test_eval_without_any_run_says_how_to_get_one(cli: Cli) -> None:
    """An empty folder: exit code 2 and the command to run."""
    outcome = cli("eval")
    assert outcome.code == 2
    assert "dlcli train" in outcome.err


@pytest.mark.parametrize(
    "content", ["{}", '{"data": null}', "[" * 100_000, '{"data": {}, "overrides": null, "resumed": []}', "\xff"]
)
def test_a_record_that_is_none_is_refused(cli: Cli, quick: Path, content: str) -> None:
    """run.json damaged: eval and --resume end with 5 and name the file."""
    cli("train", quick, "--name", "a")
    Path("runs/a/run.json").write_text(content, encoding="latin-1")
    for command in (["eval", "runs/a"], ["train", "--resume", "runs/a"]):
        outcome = cli(*command)
        assert outcome.code == 5, outcome.err
        assert "run.json" in outcome.err


@pytest.mark.parametrize(
    "setting",
    [
        "model.layers.0.conv2d.padding=1000000000",
        "train.clip_gradients={max_value: 1e300}",
        "data.augment=[{name: crop, padding: 999999999999999999}]",
        "data={name: image_folder, path: ''}",
        ".".join(["a"] * 3000) + "=1",
    ],
)
def test_numbers_beyond_all_use_are_refused(cli: Cli, quick: Path, setting: str) -> None:
    """What no tensor can hold is a mistake of the config, not a bug."""
    _assert_refused(cli("train", quick, "--set", setting), 2)


def test_a_rate_beyond_all_numbers_diverges(cli: Cli, quick: Path) -> None:
    """A schedule that leaves the floats: exit code 4."""
    schedule = "train.schedule={name: exponential, gamma: 1e38}"
    assert cli("train", quick, "--set", schedule, "--set", "train.epochs=12").code == 4
