"""What `dlcli predict` says of the files of the test split is right exactly as often as run.json says of the run."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest
from PIL import Image

from dlcli.app.experiments import open_experiment
from tests.integration.conftest import Cli
from tests.unit.data.idx_files import pictures_and_labels, write_family

_TS: Final = "@problemName x\n@univariate false\n@dimensions 2\n@equalLength false\n@classLabel true one two\n@data\n"
_SMALL: Final = "train: {epochs: 2, batch_size: 16, optimizer: {name: adam, lr: 0.01}, metrics: [accuracy]}\n"


def _train(cli: Cli, config: str, *arguments: object) -> float:
    """Trains to the run `r`, and gives the accuracy that its record says."""
    Path("c.yaml").write_text(config + _SMALL)
    outcome = cli("train", "c.yaml", "--name", "r", "--device", "cpu", *arguments)
    assert outcome.code == 0, outcome.err
    accuracy = json.loads(Path("runs/r/run.json").read_text())["test"]["accuracy"]
    assert isinstance(accuracy, float)
    assert 0 < accuracy < 1, "a figure that nothing can be told from"
    return accuracy


def _rows(cli: Cli, *arguments: object) -> list[dict[str, str]]:
    outcome = cli("predict", "r", *arguments, "--device", "cpu")
    assert outcome.code == 0, outcome.err
    return [*csv.DictReader(io.StringIO(outcome.out))]


def _share(found: list[Any], expected: list[Any]) -> float:
    """Right answers over all, in the order of the samples."""
    return sum(one == other for one, other in zip(found, expected, strict=True)) / len(expected)


@pytest.mark.parametrize(
    ("fields", "layers"),
    [
        ("", "conv2d: {out_channels: 4, kernel_size: 3}, relu, flatten"),
        ("resize: 9, augment: [flip]", "conv2d: {out_channels: 4, kernel_size: 3}, batch_norm2d, flatten"),
        ("channels: 1, view: rows", "gru: {hidden_size: 8, return: last}"),
    ],
)
def test_of_picture_files(cli: Cli, tmp_path: Path, fields: str, layers: str) -> None:
    """PNG and JPEG, grey and colour; more than one batch, and the last one not full."""
    generator = np.random.default_rng(0)
    for split, count in (("train", 60), ("test", 150)):
        for number in range(count):
            name = ("cat", "dog", "eel")[number % 3]
            pixels = generator.integers(0, 200, (12, 10, 3)) + 18 * (number % 3)
            path = tmp_path / "pets" / split / name / f"{number}.{'png' if number % 2 else 'jpg'}"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels.astype(np.uint8)).convert("L" if number % 5 == 4 else "RGB").save(path)
    data = ", ".join(filter(None, ("name: image_folder, path: pets", fields)))
    accuracy = _train(cli, f'data: {{{data}}}\nmodel: {{layers: [{layers}, linear: "${{data.num_classes}}"]}}\n')
    rows = _rows(cli, "pets/test")
    assert [row["sample"] for row in rows] == sorted(row["sample"] for row in rows)
    assert _share([row["class"] for row in rows], [row["sample"].partition("/")[0] for row in rows]) == accuracy
    assert len(rows) == 150
    again = _rows(cli, *(f"pets/test/{row['sample']}" for row in rows))
    assert [(row["class"], row["probability"]) for row in again] == [(row["class"], row["probability"]) for row in rows]


@pytest.mark.parametrize("are_alike", [False, True])
def test_of_series(cli: Cli, tmp_path: Path, are_alike: bool) -> None:
    """Of different lengths; also where only those of the training differ."""
    generator = np.random.default_rng(1)
    for split, count in (("TRAIN", 60), ("TEST", 150)):
        lines = []
        for number in range(count):
            steps = 6 if are_alike and split == "TEST" else int(generator.integers(3, 10))
            values = generator.normal(size=(2, steps)) + number % 2
            lines.append(":".join(",".join(f"{value:.3f}" for value in channel) for channel in values))
        lines = [f"{line}:{('one', 'two')[number % 2]}" for number, line in enumerate(lines)]
        (tmp_path / f"V_{split}.ts").write_text(_TS + "\n".join(lines))
    layers = 'conv1d: {out_channels: 6, kernel_size: 3, padding: 1}, relu, gru: {hidden_size: 6, return: last}, linear: "${data.num_classes}"'
    accuracy = _train(cli, f"data: {{name: ts, path: V_TRAIN.ts}}\nmodel: {{layers: [{layers}]}}\n")
    found = [row["class"] for row in _rows(cli, "V_TEST.ts")]
    assert _share(found, [("one", "two")[number % 2] for number in range(150)]) == accuracy


def test_of_real_series(cli: Cli, tmp_path: Path, shared_data: Path) -> None:
    """Utterances of 7 to 29 steps by nine speakers."""
    series = shared_data / "timeseries"
    layers = 'gru: {hidden_size: 8, return: last}, linear: "${data.num_classes}"'
    config = f"data: {{name: ts, path: {series / 'JapaneseVowels_TRAIN.ts'}}}\nmodel: {{layers: [{layers}]}}\n"
    accuracy = _train(cli, config)
    test = series / "JapaneseVowels_TEST.ts"
    labels = [line.rpartition(":")[2] for line in test.read_text().partition("@data")[2].split()]
    assert _share([row["class"] for row in _rows(cli, test)], labels) == accuracy


def test_of_texts(cli: Cli, tmp_path: Path) -> None:
    """Long ones are cut off as in training, and one of unknown words alone is judged like any other."""
    generator = np.random.default_rng(2)
    words = ["good", "fine", "nice", "bad", "sad", "poor", "it", "is", "was", "very"]
    labels = {}
    for split, count in (("train", 80), ("test", 150)):
        chosen = [generator.choice(words, int(generator.integers(1, 12))).tolist() for _ in range(count)]
        labels[split] = ["up" if len({*words[:3]} & {*text}) > len({*words[3:6]} & {*text}) else "down" for text in chosen]
        texts = [" ".join(text) for text in chosen]
        texts[7] = "utterly unheard of" if split == "test" else texts[7]
        lines = [f"{text}\t{label}" for text, label in zip(texts, labels[split], strict=True)]
        (tmp_path / f"{split}.txt").write_text("\n".join(lines))
    data = "name: text_lines, path: train.txt, test: test.txt, unit: words, max_length: 8"
    layers = 'embedding: 6, gru: {hidden_size: 6, return: last}, linear: "${data.num_classes}"'
    accuracy = _train(cli, f"data: {{{data}}}\nmodel: {{layers: [{layers}]}}\n")
    outcome = cli("predict", "r", "test.txt", "--device", "cpu", "--json")
    assert _share([row["class"] for row in outcome.json["predictions"]], labels["test"]) == accuracy
    cut, unknown = outcome.json["notices"]
    assert "of 150 texts are cut off after 8 words" in cut
    assert unknown.startswith("1 of 150 texts have no known word, the first in ")
    assert outcome.err == f"note: {cut}\nnote: {unknown}\n"


@pytest.mark.parametrize("source", ["csv", "arrays"])
def test_of_rows_and_arrays(cli: Cli, tmp_path: Path, source: str) -> None:
    """Those of the split, written to a file of their own."""
    generator = np.random.default_rng(3)
    x = generator.normal(size=(400, 3)).astype(np.float32)
    y = (x[:, 0] + generator.normal(size=400) > 0).astype(int)
    rows = [f"{a},{b},{c},{('no', 'yes')[label]}" for (a, b, c), label in zip(x.tolist(), y, strict=True)]
    (tmp_path / "a.csv").write_text("\n".join(["a,b,c,d", *rows]))
    np.savez(tmp_path / "a.npz", x=x, y=y)
    path = "a.csv" if source == "csv" else "a.npz"
    config = f"data: {{name: {source}, path: {path}, split: {{test: 0.4}}}}\nmodel: {{layers: [linear: 5, relu, linear: 2]}}\n"
    accuracy = _train(cli, config)
    _, dataset = open_experiment(tmp_path / "c.yaml", (), None, lambda _: None)
    assert dataset.test is not None
    assert not isinstance(dataset.test.inputs, dict)
    kept = dataset.test.inputs.numpy()
    (tmp_path / "new.csv").write_text("\n".join(["c,b,a", *(f"{c},{b},{a}" for a, b, c in kept.tolist())]))
    np.savez(tmp_path / "new.npz", x=kept)
    found = [row["class"] for row in _rows(cli, f"new.{path[2:]}")]
    assert (
        _share(found, [str(name) for name in np.array([["no", "yes"], [0, 1]][source == "arrays"])[dataset.test.targets]])
        == accuracy
    )


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_of_idx_files(cli: Cli, tmp_path: Path, suffix: str) -> None:
    """The test file of a data set like MNIST, packed or not; the same from pictures of it, and from an array."""
    write_family(tmp_path / "fashion_mnist", train=60, test=150, suffix=suffix)
    layers = 'flatten, linear: "${data.num_classes}"'
    accuracy = _train(cli, f"data: fashion_mnist\nmodel: {{layers: [{layers}]}}\n", "--data-dir", ".")
    pictures, labels = pictures_and_labels(150, 1)
    rows = _rows(cli, f"fashion_mnist/t10k-images-idx3-ubyte{suffix}", "--top-k", 10)
    names = ["T-shirt/top", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot"]
    assert _share([names.index(row["class_1"]) for row in rows], labels.tolist()) == accuracy
    np.savez(tmp_path / "x.npz", x=pictures)
    (tmp_path / "png").mkdir()
    for number, picture in enumerate(pictures):
        Image.fromarray(picture).save(tmp_path / "png" / f"{number:03}.png")
        Image.fromarray(255 - picture).save(tmp_path / "png" / f"{number:03}.bmp")
        (tmp_path / "png" / f"{number:03}.bmp").rename(tmp_path / f"{number:03}.bmp")
    for arguments in (["x.npz"], ["png"], ["--invert", *sorted(path.name for path in tmp_path.glob("*.bmp"))]):
        others = _rows(cli, *arguments, "--top-k", 10)
        assert [[*row.values()][1:] for row in others] == [[*row.values()][1:] for row in rows]


def test_of_the_digits_inside_the_package(cli: Cli, tmp_path: Path) -> None:
    """As pictures, whatever the network's view of them is."""
    accuracy = _train(
        cli, "data: {name: digits, view: permuted_pixels}\nmodel: {layers: [gru: {hidden_size: 4, return: last}, linear: 10]}\n"
    )
    _, dataset = open_experiment(tmp_path / "c.yaml", (), None, lambda _: None)
    assert dataset.test is not None
    assert not isinstance(dataset.test.inputs, dict)
    assert not isinstance(dataset.test.targets, dict)
    for number, picture in enumerate(dataset.test.inputs.numpy()):
        Image.fromarray(picture[..., 0]).save(tmp_path / f"{number:04}.png")
    outcome = cli("predict", "r", *sorted(tmp_path.glob("*.png")), "--device", "cpu", "--json")
    assert outcome.json["notices"] == []
    assert (
        _share([row["class"] for row in outcome.json["predictions"]], [str(n) for n in dataset.test.targets.tolist()]) == accuracy
    )
