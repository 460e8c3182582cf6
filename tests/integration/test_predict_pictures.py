"""`dlcli predict` for pictures: what is found, what is told of it, and what is refused."""

from __future__ import annotations

import csv
import io
import json
import os
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import dlcli
from dlcli.app import prediction_inputs
from dlcli.data.raw import NewSamples
from dlcli.data.sources.new_pictures import PictureFile, PictureReader
from dlcli.errors import DataError
from tests.integration.conftest import Cli

CONFIG = {
    "data": {"name": "digits", "limit": 60},
    "model": {"layers": ["flatten", {"linear": 10}]},
    "train": {"epochs": 1, "batch_size": 32},
}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network of 8x8 digits."""
    return dlcli.train(CONFIG, runs=tmp_path_factory.mktemp("runs"), name="digits", device="cpu").path


def _save(path: Path, *, size: tuple[int, int] = (8, 8), seed: int = 0, mode: str = "L") -> None:
    """Noise with a black border."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.zeros(size, np.uint8)
    pixels[1:-1, 1:-1] = np.random.default_rng(seed).integers(0, 256, (size[0] - 2, size[1] - 2))
    Image.fromarray(pixels).convert(mode).save(path)


def _rows(text: str) -> list[dict[str, str]]:
    return [*csv.DictReader(io.StringIO(text))]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Pictures at three depths, hidden ones, and a file that is none; a link leads back up."""
    for number, name in enumerate(("b.png", "a/z.png", "a/c/1.PNG", "a/c/0.bmp", "c.png", ".hidden/x.png", "a/.x.png")):
        _save(tmp_path / "in" / name, seed=number)
    (tmp_path / "in" / "notes.txt").write_text("no picture")
    (tmp_path / "in" / "a" / "up").symlink_to(tmp_path / "in")
    return tmp_path / "in"


def test_a_folder_is_read_to_its_depths_in_order(cli: Cli, run: Path, folder: Path) -> None:
    """By name at each depth, without what is hidden; a link in a circle ends, and what is no picture is told."""
    outcome = cli("predict", run, "in", "--device", "cpu")
    assert [row["sample"] for row in _rows(outcome.out)] == ["a/c/0.bmp", "a/c/1.PNG", "a/z.png", "b.png", "c.png"]
    assert outcome.err.startswith("note: not read, since the name ends in none of ")
    assert outcome.err.endswith("notes.txt\n")


def test_several_inputs_are_one_table_in_the_order_they_were_given(cli: Cli, run: Path, folder: Path) -> None:
    """Each under the name it was given by; the answers are those that each gets alone."""
    outcome = cli("predict", run, "in/c.png", "in/a", "in/c.png", "--device", "cpu")
    rows = _rows(outcome.out)
    below = ["in/a/c/0.bmp", "in/a/c/1.PNG", "in/a/up/b.png", "in/a/up/c.png", "in/a/z.png"]
    assert [row["sample"] for row in rows] == ["in/c.png", *below, "in/c.png"]
    assert rows[0] == rows[-1]
    pixels = np.stack([np.asarray(Image.open(row["sample"]).convert("L")) for row in rows])
    expected = dlcli.predict(run, pixels, device="cpu")
    np.testing.assert_array_equal([int(row["class"]) for row in rows], np.asarray(expected).argmax(axis=1))
    np.testing.assert_allclose([float(row["probability"]) for row in rows], np.asarray(expected).max(axis=1), rtol=1e-6)


@pytest.mark.parametrize("first", ["in/b.png", "in"])
def test_without_a_run_the_newest_is_asked(cli: Cli, run: Path, folder: Path, first: str) -> None:
    """Where the first argument is a picture or a folder of them, and no run is called so; `latest` is a run."""
    alone = cli("predict", first, "in/c.png", "--runs-dir", run.parent, "--device", "cpu")
    assert alone.code == 0, alone.err
    for name in ("latest", run.parent / "latest", "digits"):
        assert cli("predict", name, first, "in/c.png", "--runs-dir", run.parent, "--device", "cpu").out == alone.out
    assert cli("predict", "x" * 300, "in", "--runs-dir", run.parent).code == 2


def test_all_pictures_that_can_not_be_read_are_named_and_nothing_is_written(cli: Cli, run: Path, tmp_path: Path) -> None:
    """The first ten with the reason, the rest counted; a long way behind the good ones, too."""
    for number in range(70):
        _save(tmp_path / "in" / f"{number:02}.png", seed=number)
    for number in range(60, 72):
        (tmp_path / "in" / f"{number}.png").write_bytes(b"\x89PNG" if number % 2 else b"GIF89a")
    outcome = cli("predict", run, "in", "--output", "out.csv", "--device", "cpu")
    assert (outcome.code, outcome.out) == (3, "")
    told = "error: 12 of 72 pictures can't be read, so nothing was predicted: "
    told += "60.png (it is no PNG, JPEG, BMP or WebP file), 61.png (it is damaged or not complete), "
    assert outcome.err.startswith(told)
    assert outcome.err.endswith("(it is damaged or not complete), and 2 more\nhelp: replace them, or leave them out\n")
    assert "69.png" in outcome.err
    assert "70.png" not in outcome.err
    assert not (tmp_path / "out.csv").exists()


def test_a_picture_that_would_fill_the_memory_is_not_decoded(cli: Cli, run: Path, tmp_path: Path) -> None:
    """10^10 pixels in a few bytes: refused by what its head says."""
    size = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 0, 0, 0, 0)
    chunks = [
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in ((b"IHDR", size), (b"IDAT", b""))
    ]
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunks))
    outcome = cli("predict", run, "a.png")
    assert outcome.code == 3
    assert "a.png (it has more than 89,478,485 pixels)" in outcome.err


def test_pictures_are_read_a_part_at_a_time(cli: Cli, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Never more than a batch of an evaluation where that is all there is room for; the answers stay the same."""
    for number in range(150):
        _save(tmp_path / "in" / f"{number:03}.png", seed=number)
    at_once = cli("predict", run, "in", "--device", "cpu").out
    sizes: list[int] = []
    read = PictureReader.read

    def noting(self: PictureReader, files: Sequence[PictureFile]) -> NewSamples | None:
        sizes.append(len(files))
        return read(self, files)

    monkeypatch.setattr(PictureReader, "read", noting)
    monkeypatch.setattr(prediction_inputs, "_PART_BYTES", 1)
    assert cli("predict", run, "in", "--device", "cpu").out == at_once
    assert sizes == [64, 64, 22]
    monkeypatch.setattr(prediction_inputs, "_PART_BYTES", 1 << 20)
    monkeypatch.setattr(prediction_inputs, "_PART", 128)
    assert cli("predict", run, "in", "--device", "cpu").out == at_once
    assert sizes[3:] == [128, 22]


def test_what_pictures_are_brought_to_is_told(cli: Cli, run: Path, tmp_path: Path) -> None:
    """Another size and colour, dark on bright, nothing at all; under `--json` in the object too."""
    _save(tmp_path / "in" / "a.png")
    _save(tmp_path / "in" / "b.png", size=(16, 24), mode="RGB")
    _save(tmp_path / "in" / "c.png", size=(4, 4))
    Image.fromarray(255 - np.asarray(Image.open(tmp_path / "in" / "a.png"))).save(tmp_path / "in" / "d.png")
    Image.new("RGBA", (8, 8)).save(tmp_path / "in" / "e.png")
    outcome = cli("predict", run, "in", "--device", "cpu", "--json")
    told = [
        "3 of 5 pictures are brought to 8x8 in grey, like those of digits; the first: b.png (16x24 in colour)",
        "1 of 5 pictures is dark on bright, unlike those of digits: add --invert; the first: d.png",
        "1 of 5 pictures is of one brightness all over; what is transparent is read as black; the first: e.png",
    ]
    assert outcome.json["notices"] == told
    assert outcome.err.splitlines() == [f"note: {line}" for line in told]
    upright = cli("predict", run, "in/a.png", "--device", "cpu")
    mended = cli("predict", run, "in/d.png", "--invert", "--device", "cpu")
    assert mended.err == ""
    assert mended.out == upright.out.replace("a.png", "d.png")
    assert "leave --invert out" in cli("predict", run, "in/a.png", "--invert").err


def test_names_that_steer_a_terminal_or_are_no_text_can_be_written(cli: Cli, run: Path, tmp_path: Path) -> None:
    """In the table as they are or with their bytes spelt out; in notices and errors without what would steer."""
    _save(tmp_path / "in" / "\x1b[2J.png", size=(9, 9))
    _save(tmp_path / "in" / "=1+2.png")
    _save(tmp_path / "x.png")
    (tmp_path / "x.png").rename(os.fsdecode(os.fsencode(tmp_path / "in") + b"/\xff.png"))
    outcome = cli("predict", run, "in", "--device", "cpu")
    assert outcome.code == 0, outcome.err
    assert [row["sample"] for row in _rows(outcome.out)] == ["\x1b[2J.png", "'=1+2.png", r"\udcff.png"]
    assert "?[2J.png (9x9)" in outcome.err
    assert "\x1b" not in outcome.err
    (tmp_path / "in" / "\x1b[2J.png").write_bytes(b"")
    assert "\x1b" not in cli("predict", run, "in").err


def test_the_most_probable_classes_stand_side_by_side(cli: Cli, run: Path, folder: Path) -> None:
    """The first K of all probabilities, by their size; with a column for every class on request."""
    every = cli("predict", run, "in", "--device", "cpu", "--json").json["predictions"]
    rows = _rows(cli("predict", run, "in", "--top-k", 3, "--probabilities", "--device", "cpu").out)
    for row, record in zip(rows, every, strict=True):
        shares = sorted(record["probabilities"].items(), key=lambda entry: -entry[1])
        for place, (name, share) in enumerate(shares[:3], 1):
            assert (row[f"class_{place}"], float(row[f"probability_{place}"])) == (name, share)
        assert {name: float(row[f"probability/{name}"]) for name in record["probabilities"]} == record["probabilities"]
    assert [*rows[0]] == [
        *("sample", "class_1", "probability_1", "class_2", "probability_2", "class_3", "probability_3"),
        *(f"probability/{digit}" for digit in range(10)),
    ]
    listed = cli("predict", run, "in", "--top-k", 2, "--device", "cpu", "--json").json["predictions"]
    assert [*listed[0]] == ["sample", "class_1", "probability_1", "class_2", "probability_2", "probabilities"]
    refused = cli("predict", run, "in", "--top-k", 11)
    assert refused.code == 2
    assert "--top-k 11 asks for more classes than the 10 there are" in refused.err
    assert cli("predict", run, "in", "--top-k", 0).code == 2


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["empty"], 3, ["empty holds no picture", "PNG, JPEG, BMP or WebP"]),
        (["others"], 3, ["others holds no picture; it holds t10k-images-idx3-ubyte (and 1 more)"]),
        (["x.npz", "a.png"], 2, ["x.npz holds many samples, and a.png is a picture", "one after the other"]),
        (["a.csv"], 2, ["a.csv is a table", "was trained on `digits`", "pictures, folders of them, or an .npz file"]),
        (["a.gif"], 3, ["a.gif is neither a PNG, JPEG, BMP or WebP file nor an .npz file"]),
        (["big.npz"], 3, ["has pictures of 9x9x1, and those of digits are 8x8x1"]),
        (["float.npz"], 3, ["holds no 8-bit values", "astype('uint8')"]),
        (["y.npz"], 3, ["y.npz has no array x; there are: y"]),
        (["-"], 2, ["`-` reads texts, and the run was trained on `digits`"]),
        (["x.npz", "--invert"], 2, ["--invert is for picture files"]),
        (["nowhere"], 3, ["there is no file"]),
    ],
)
def test_what_is_no_picture_is_refused(
    cli: Cli, run: Path, tmp_path: Path, arguments: list[str], code: int, words: list[str]
) -> None:
    """What was found and what to do."""
    for name in ("empty/.hidden", "others/t10k-images-idx3-ubyte", "others/t10k-labels-idx1-ubyte", "a.csv", "a.gif"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("GIF89a")
    _save(tmp_path / "a.png")
    x = np.zeros((2, 8, 8), np.uint8)
    for name, arrays in {
        "x": {"x": x},
        "big": {"x": np.zeros((2, 9, 9), np.uint8)},
        "float": {"x": x / 1},
        "y": {"y": x},
    }.items():
        np.savez(tmp_path / f"{name}.npz", **arrays)
    outcome = cli("predict", run, *arguments)
    assert (outcome.code, outcome.out) == (code, ""), outcome.err
    for word in words:
        assert word in outcome.err


def test_a_file_is_a_picture_by_its_content_where_its_name_does_not_say(
    cli: Cli, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name without an end, or one that is not known; a file that may not be read is named."""
    _save(tmp_path / "a.png")
    answer = cli("predict", run, "a.png", "--device", "cpu").out
    for name in ("scan", "a.jfif"):
        (tmp_path / name).write_bytes((tmp_path / "a.png").read_bytes())
        assert cli("predict", run, name, "--device", "cpu").out == answer.replace("a.png", name)

    def refused(_: Path) -> bool:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(prediction_inputs.pictures, "begins_as_picture", refused)
    outcome = cli("predict", run, "scan")
    assert outcome.code == 3
    assert "scan is neither" in outcome.err


@pytest.mark.parametrize(
    ("scale", "fields", "code", "words"),
    [
        (1, {}, 0, "brought to 6x6 in grey, like those of the training"),
        (1, {"resize": 4}, 0, ""),
        (1, {"view": "rows"}, 0, "brought to 6x6 in grey"),
        (1, {"view": ["rows", "image"]}, 0, "brought to 6x6 in grey"),
        (1, {"view": "pixels"}, 2, "a.png is a picture, and"),
        (1.5, {}, 2, "a.png is a picture, and"),
        (1, {"normalize": "none"}, 2, "a.png is a picture, and"),
    ],
)
def test_networks_of_arrays_read_pictures_where_it_is_clear_what_they_were(
    cli: Cli, tmp_path: Path, scale: float, fields: dict[str, object], code: int, words: str
) -> None:
    """8-bit values of a known size, as far as what was measured of them tells; else an array is asked for."""
    x = np.random.default_rng(0).integers(0, 256, (30, 6, 6)).astype(np.uint8)
    np.savez(tmp_path / "a.npz", x=x if scale == 1 else x[..., None] * np.float32(scale), y=np.arange(30) % 2)
    outputs = [{"flatten": {"from": name}} for name in ("image",)] if isinstance(fields.get("view"), list) else ["flatten"]
    config = {
        "data": {"name": "arrays", "path": str(tmp_path / "a.npz"), **fields},
        "model": {"layers": [*outputs, {"linear": 2}]},
        "train": {"epochs": 1},
    }
    dlcli.train(config, name="r", device="cpu")
    _save(tmp_path / "a.png", size=(12, 12))
    _save(tmp_path / "b.png", size=(6, 6))
    outcome = cli("predict", "r", "a.png", "b.png", "--json", "--device", "cpu")
    assert outcome.code == code, outcome.err
    assert words in outcome.err
    if code:
        assert "give an .npz file" in outcome.err
    else:
        found = outcome.json["predictions"][1]["probabilities"]
        expected = np.asarray(dlcli.predict("r", np.asarray(Image.open("b.png"))[None], device="cpu"))[0]
        np.testing.assert_allclose([*found.values()], expected, rtol=1e-6)


def test_pictures_of_a_network_that_does_not_say_their_size_are_refused(cli: Cli, tmp_path: Path) -> None:
    """It reads all pixels in a row; with `resize` it is known again."""
    for number in range(12):
        _save(tmp_path / "in" / "ab"[number % 2] / f"{number}.png", seed=number)
    for resize, code in ((None, 2), (8, 0)):
        data = {"name": "image_folder", "path": "in", "view": "pixels", "resize": resize}
        layers = [{"gru": {"hidden_size": 2, "return": "last"}}, {"linear": 2}]
        dlcli.train({"data": data, "model": {"layers": layers}, "train": {"epochs": 1}}, name=f"r{resize}", device="cpu")
        outcome = cli("predict", f"r{resize}", "in")
        assert outcome.code == code
    told = cli("predict", "rNone", "in").err
    assert "does not say how high and wide its pictures are" in told
    assert "train with data.resize" in told
    np.savez(tmp_path / "x.npz", x=np.zeros((2, 8, 8), np.uint8))
    assert cli("predict", "rNone", "x.npz").code == 0


def test_several_inputs_need_an_array_for_each(cli: Cli, tmp_path: Path) -> None:
    """A picture alone says nothing of the others."""
    image, meta = np.zeros((30, 4, 4), np.uint8), np.random.default_rng(0).random((30, 2))
    np.savez(tmp_path / "a.npz", image=image, meta=meta, y=np.arange(30) % 2)
    layers = [{"flatten": {"from": "image"}}, {"concat": {"from": ["flatten_1", "meta"]}}, {"linear": 2}]
    data = {"name": "arrays", "path": "a.npz", "inputs": ["image", "meta"]}
    dlcli.train({"data": data, "model": {"layers": layers}, "train": {"epochs": 1}}, name="r", device="cpu")
    _save(tmp_path / "a.png", size=(4, 4))
    outcome = cli("predict", "r", "a.png")
    assert (outcome.code, outcome.out) == (2, "")
    assert "a.png is a picture, and runs/r was trained on `arrays`" in outcome.err
    assert "its arrays" in outcome.err
    np.savez(tmp_path / "new.npz", image=image[:3])
    assert "has no array meta" in cli("predict", "r", "new.npz").err


def test_files_of_many_samples_are_told_apart(cli: Cli, run: Path, tmp_path: Path) -> None:
    """By a column that says which file a row is of; a single file needs none."""
    for name, count in (("a", 2), ("b", 1)):
        np.savez(tmp_path / f"{name}.npz", x=np.zeros((count, 8, 8), np.uint8))
    rows = _rows(cli("predict", run, "a.npz", "b.npz").out)
    assert [(row["file"], row["sample"]) for row in rows] == [("a.npz", "0"), ("a.npz", "1"), ("b.npz", "0")]
    assert "file" not in _rows(cli("predict", run, "b.npz").out)[0]
    found = cli("predict", run, "a.npz", "b.npz", "--json").json
    assert (found["inputs"], found["samples"]) == (["a.npz", "b.npz"], 3)
    assert cli("predict", run, "a.npz", "b.npz", "--output", "o.csv").out == "o.csv: 3 rows for 3 samples of 2 inputs\n"


@pytest.mark.parametrize("classes", [5, None, {"a": 1}, ["x"], [["y"]] * 10])
def test_class_names_of_a_strangers_run_may_be_anything(cli: Cli, run: Path, folder: Path, classes: object) -> None:
    """Without ten names the classes are numbered."""
    path = run / "run.json"
    kept = path.read_text()
    try:
        path.write_text(json.dumps(json.loads(kept) | {"data": json.loads(kept)["data"] | {"classes": classes}}))
        outcome = cli("predict", run, "in/b.png", "--json")
    finally:
        path.write_text(kept)
    assert outcome.code == 0, outcome.err
    listed = [*outcome.json["predictions"][0]["probabilities"]]
    assert listed == (["['y']"] if classes == [["y"]] * 10 else [str(digit) for digit in range(10)])


def test_python_is_given_arrays_and_says_so(run: Path) -> None:
    """For files there is the command."""
    with pytest.raises(DataError, match="str can't be read as samples") as caught:
        dlcli.predict(run, "pictures")
    assert caught.value.help == "files are read by the command: dlcli predict RUN pictures"
