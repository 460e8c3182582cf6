"""`dlcli init`: a config that runs as it is, from a template or to fit data."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from dlcli.app.configs import diagnose
from dlcli.app.smoke import smoke
from dlcli.app.templates import TEMPLATES
from tests.integration.conftest import Cli, Outcome
from tests.unit.data.idx_files import write_family

GENERATOR = np.random.default_rng(0)


def _assert_trains(config: Path, data_dir: Path | None = None) -> None:
    """Nothing to remark on, and smoke gets through it."""
    assert diagnose(config, (), data_dir) == []
    result = smoke(config, data_dir=data_dir)
    assert result.ok, result.error


def _assert_refused(outcome: Outcome, *words: str, code: int = 2) -> None:
    assert outcome.code == code, outcome.err
    assert outcome.out == ""
    assert "Traceback" not in outcome.err
    for word in words:
        assert word in outcome.err, outcome.err


def _read(config: str = "model.yaml") -> dict[str, dict[str, object]]:
    value = yaml.safe_load(Path(config).read_text())
    assert isinstance(value, dict)
    return value


def _pictures(folder: Path, *, classes: tuple[str, ...] = ("cat", "dog"), count: int = 12, mode: str = "RGB") -> Path:
    """Pictures of different sizes, darker in each next class."""
    for number, name in enumerate(classes):
        (folder / name).mkdir(parents=True)
        for index in range(count):
            shade = 40 * number + index
            size = (30 + index, 40)
            Image.new(mode, size, shade if mode == "L" else (shade, 255 - shade, 0)).save(folder / name / f"{index}.png")
    return folder


@pytest.mark.parametrize("name", TEMPLATES)
def test_every_template_trains(cli: Cli, no_download: None, name: str) -> None:
    """As it is written, also where there are only the digits inside the package."""
    assert cli("init", "--template", name).code == 0
    _assert_trains(Path("model.yaml"))


def test_without_options_it_is_the_cnn_and_the_next_command_is_told(cli: Cli) -> None:
    """stdout has the path and what to type."""
    outcome = cli("init")
    assert outcome.out == "config    model.yaml\nnext      dlcli train model.yaml\n"
    assert cli("init", "-").out == Path("model.yaml").read_text()
    lines = Path("model.yaml").read_text().splitlines()
    assert lines[0].startswith("# yaml-language-server: $schema=")
    assert "#   dlcli train model.yaml" in lines
    assert list(Path().iterdir()) == [Path("model.yaml")]


def test_json_says_what_was_written(cli: Cli) -> None:
    """The file, where it came from, and the next command, quoted for a shell."""
    outcome = cli("init", "my model.yaml", "--template", "gru", "--json")
    assert outcome.json == {"config": "my model.yaml", "template": "gru", "next": "dlcli train 'my model.yaml'"}


def test_help_names_every_template(cli: Cli) -> None:
    """Each with a word."""
    text = " ".join(cli("init", "--help").out.split())
    assert all(f"{name} ({word})" in text for name, word in TEMPLATES.items())


def test_a_config_that_is_there_is_kept(cli: Cli) -> None:
    """Only --force replaces it."""
    Path("model.yaml").write_text("mine")
    _assert_refused(cli("init"), "model.yaml is there already", "--force")
    assert Path("model.yaml").read_text() == "mine"
    assert cli("init", "--force").code == 0
    assert "conv2d" in Path("model.yaml").read_text()


def test_class_folders_of_pictures(cli: Cli, tmp_path: Path) -> None:
    """Of different sizes: scaled to one; in colour: mirrored; the head counts them."""
    _pictures(tmp_path / "pics")
    assert cli("init", "--from", "pics").code == 0
    assert "# 24 pictures in 2 classes: cat, dog; of different sizes" in Path("model.yaml").read_text()
    data = _read()["data"]
    assert (data["name"], data["path"], data["resize"]) == ("image_folder", "pics", [64, 64])
    assert "flip" in str(data["augment"])
    _assert_trains(Path("model.yaml"))


def test_pictures_beside_the_classes_are_said_to_be_passed_over(cli: Cli, tmp_path: Path) -> None:
    """In the head of the config."""
    _make_loose_pictures(_pictures(tmp_path / "pics"))
    assert cli("init", "--from", "pics").code == 0
    assert "# 1 picture beside the folders of the classes is passed over" in Path("model.yaml").read_text()


def test_grey_pictures_with_splits_of_their_own(cli: Cli, tmp_path: Path) -> None:
    """What is in `train` is counted; a mirrored scan is another thing."""
    for split, count in (("train", 8), ("val", 3), ("test", 3)):
        _pictures(tmp_path / "scans" / split, count=count, mode="L")
    assert cli("init", "--from", "scans").code == 0
    assert "# 16 pictures for training in 2 classes: cat, dog" in Path("model.yaml").read_text()
    assert "flip" not in str(_read()["data"]["augment"])
    _assert_trains(Path("model.yaml"))


def test_names_of_folders_can_not_break_the_config(cli: Cli, tmp_path: Path) -> None:
    """A line break, a colon, a hash and an escape sequence in the names of the classes and of the folder."""
    folder = _pictures(tmp_path / "my: pics #1\n'x'", classes=("a\nmodel: 1", "b # c", "\x1b[31md"))
    assert cli("init", "--from", folder).code == 0
    assert _read()["data"]["path"] == "my: pics #1\n'x'"
    assert "\x1b" not in Path("model.yaml").read_text()
    _assert_trains(Path("model.yaml"))


@pytest.mark.parametrize("name", ["a${vars.x}b", b"not-utf-8-\xff".decode(errors="surrogateescape")])
def test_a_path_that_no_config_can_hold_is_refused(cli: Cli, tmp_path: Path, name: str) -> None:
    """A reference, and bytes that are no text."""
    try:
        folder = _pictures(tmp_path / name)
    except OSError:
        pytest.skip("the file system takes no such name")
    _assert_refused(cli("init", "--from", folder), "rename it")
    assert not Path("model.yaml").exists()


CLASSES = np.arange(120) % 3


@pytest.mark.parametrize(
    ("inputs", "answers", "network", "loss"),
    [
        (GENERATOR.integers(0, 256, (120, 12, 12), dtype=np.uint8), CLASSES, "conv2d", "cross_entropy"),
        (GENERATOR.random((120, 3, 16, 20), dtype=np.float32), CLASSES, "conv2d", "cross_entropy"),
        (GENERATOR.random((120, 14, 14), dtype=np.float32), CLASSES, "conv2d", "cross_entropy"),
        (GENERATOR.integers(0, 256, (40, 150, 150, 3), dtype=np.uint8), CLASSES[:40], "conv2d", "cross_entropy"),
        (GENERATOR.random((120, 300, 2)), CLASSES, "lstm", "cross_entropy"),
        (GENERATOR.random((120, 15, 2)), GENERATOR.random((120, 2)), "lstm", "mse"),
        (GENERATOR.integers(0, 50, (120, 9)), CLASSES, "embedding", "cross_entropy"),
        (GENERATOR.integers(0, 256, (120, 9), dtype=np.uint8), CLASSES, "linear", "cross_entropy"),
        (GENERATOR.random((120, 7)), CLASSES, "linear", "cross_entropy"),
        (GENERATOR.random((120, 7)), GENERATOR.random(120), "linear", "mse"),
    ],
)
def test_arrays(cli: Cli, inputs: np.ndarray, answers: np.ndarray, network: str, loss: str) -> None:
    """Pictures, series, tokens and vectors; classes and values: each gets its kind of network and its loss."""
    np.savez("data.npz", x=inputs, y=answers)
    assert cli("init", "--from", "data.npz").code == 0
    config = _read()
    assert network in str(config["model"]["layers"])
    assert config["train"]["loss"] == loss
    assert config["data"]["path"] == "data.npz"
    _assert_trains(Path("model.yaml"))


def test_answers_for_each_step(cli: Cli) -> None:
    """The recurrent layer gives every step, and so does the network."""
    np.savez("steps.npz", x=GENERATOR.random((60, 11, 2)), y=GENERATOR.integers(0, 3, (60, 11)))
    assert cli("init", "--from", "steps.npz").code == 0
    assert "'return': 'sequence'" in str(_read()["model"]["layers"])
    _assert_trains(Path("model.yaml"))


def _write_ts(path: Path, *, steps: int = 30, count: int = 30) -> None:
    """Two classes, with spaces in no name; UEA's format by hand."""
    path.parent.mkdir(exist_ok=True)
    lines = ["@problemName made", "@timeStamps false", "@univariate true", "@classLabel true up down", "@data"]
    for index in range(count):
        values = ",".join(f"{value:.3f}" for value in GENERATOR.random(steps))
        lines.append(f"{values}:{'up' if index % 2 else 'down'}")
    path.write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize("given", ["made", "made/Made_TRAIN.ts"])
def test_series_of_a_ts_file(cli: Cli, tmp_path: Path, given: str) -> None:
    """A file or the folder that holds it: a recurrent network, the classes by name in the head."""
    _write_ts(tmp_path / "made" / "Made_TRAIN.ts")
    _write_ts(tmp_path / "made" / "Made_TEST.ts", count=10)
    assert cli("init", "--from", given).code == 0
    assert "# 30 series of 30 steps with 1 value each for training, with 2 classes: up, down." in Path("model.yaml").read_text()
    config = _read()
    assert (config["data"]["name"], config["data"]["path"]) == ("ts", given)
    assert "lstm" in str(config["model"]["layers"])
    _assert_trains(Path("model.yaml"))


def test_a_table_with_dates_is_forecast(cli: Cli, tmp_path: Path) -> None:
    """Windows of rows in the order of time, and the next rows of the last column of numbers to predict."""
    hours = [f"2024-01-{1 + hour // 24:02d} {hour % 24:02d}:00,{hour % 24},{np.sin(hour / 4):.4f},x" for hour in range(300)]
    Path("hours.csv").write_text("\n".join(["date,hour,load,note", *hours]))
    assert cli("init", "--from", "hours.csv").code == 0
    data = _read()["data"]
    assert {key: data[key] for key in ("name", "target", "time", "window", "horizon")} == {
        "name": "csv",
        "target": "load",
        "time": "date",
        "window": 8,
        "horizon": 2,
    }
    assert "not read: `note`" in Path("model.yaml").read_text()
    assert "lstm" in str(_read()["model"]["layers"])
    _assert_trains(Path("model.yaml"))


@pytest.mark.parametrize("rows", [40, 90, 220])
def test_dates_that_can_not_be_sorted_leave_the_rows_in_their_order(cli: Cli, rows: int) -> None:
    """`3.1.2024` may be March or January: said in the head, and the windows fit short tables too."""
    lines = [f"{1 + day % 28}.{1 + day // 28}.2024,{np.sin(day / 4):.4f}" for day in range(rows)]
    Path("days.csv").write_text("\n".join(["Date,load", *lines]))
    assert cli("init", "--from", "days.csv").code == 0
    assert "time" not in _read()["data"]
    assert "`Date` holds no dates like" in Path("model.yaml").read_text()
    _assert_trains(Path("model.yaml"))


def test_times_that_are_there_twice_leave_the_rows_in_their_order(cli: Cli) -> None:
    """As where a clock is put back: said in the head. A column that is called `all` is that column alone."""
    hours = [*range(100), 99, *range(100, 300)]
    lines = [f"2024-10-{1 + hour // 24:02} {hour % 24:02}:00,1,{np.sin(hour / 4):.4f}" for hour in hours]
    Path("hours.csv").write_text("\n".join(["date,one,all", *lines]))
    assert cli("init", "--from", "hours.csv").code == 0
    data = _read()["data"]
    assert (data["target"], data["horizon"], "time" in data) == (["all"], 2, False)
    assert "`date` holds a time twice, so the rows have to stand in their order" in Path("model.yaml").read_text()
    _assert_trains(Path("model.yaml"))


def test_a_parquet_table_is_forecast(cli: Cli, tmp_path: Path) -> None:
    """As its text would be."""
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    days = [date(2024, 1, 1) + timedelta(days=day) for day in range(300)]
    parquet.write_table(arrow.table({"date": days, "load": np.sin(np.arange(300) / 4)}), tmp_path / "days.parquet")
    assert cli("init", "--from", "days.parquet").code == 0
    data = _read()["data"]
    assert (data["name"], data["target"], data["time"], data["window"]) == ("csv", "load", "date", 8)
    _assert_trains(Path("model.yaml"))


@pytest.mark.parametrize(("answer", "loss"), [("setosa virginica", "cross_entropy"), ("0.5 0.25", "mse")])
def test_rows_of_a_table(cli: Cli, answer: str, loss: str) -> None:
    """Classes and values; a column called like a target is one; one that numbers the rows is left out."""
    answers = answer.split()
    rows = [f"{index},{index % 5}.5,{answers[index % 2]},{index % 3}.25" for index in range(80)]
    Path("flowers.csv").write_text("\n".join(["id,petal width: cm,class,sepal #", *rows]))
    assert cli("init", "--from", "flowers.csv").code == 0
    config = _read()
    assert (config["data"]["target"], config["data"]["features"]) == ("class", ["petal width: cm", "sepal #"])
    assert config["train"]["loss"] == loss
    assert not {"lstm", "gru"} & set(str(config["model"]["layers"]).split("'"))
    _assert_trains(Path("model.yaml"))


@pytest.mark.parametrize(
    ("files", "given", "root"),
    [("FashionMNIST/raw", "FashionMNIST/raw", "."), ("x/fashion_mnist", "x/fashion_mnist", "x/fashion_mnist")],
)
def test_a_folder_of_the_mnist_family(cli: Cli, tmp_path: Path, files: str, given: str, root: str) -> None:
    """Its name says which data set the four files are; the command names where to look."""
    write_family(tmp_path / files)
    outcome = cli("init", "--from", given, "--json")
    assert outcome.code == 0, outcome.err
    assert outcome.json["next"] == f"dlcli train model.yaml --data-dir {(tmp_path / root).resolve()}"
    assert _read()["data"]["name"] == "fashion_mnist"
    _assert_trains(Path("model.yaml"), data_dir=tmp_path / root)


def test_files_of_an_unnamed_member_of_the_family_are_not_taken_for_mnist(cli: Cli, tmp_path: Path) -> None:
    """The four files have the same names in each: what they hold decides."""
    write_family(tmp_path / "some")
    _assert_refused(cli("init", "--from", "some"), "is not mnist", "Call the folder fashion_mnist", code=3)


@pytest.mark.parametrize(
    ("config", "data", "written"),
    [
        ("model.yaml", "in.npz", "in.npz"),
        ("configs/model.yaml", "in.npz", "../in.npz"),
        ("configs/deep/model.yaml", "in.npz", "{here}/in.npz"),
    ],
)
def test_paths_count_from_the_config(cli: Cli, tmp_path: Path, config: str, data: str, written: str) -> None:
    """Relative where the data lies below or beside it, else absolute; either way it is found."""
    (tmp_path / "configs" / "deep").mkdir(parents=True)
    np.savez(tmp_path / data, x=GENERATOR.random((50, 4)), y=np.arange(50) % 2)
    assert cli("init", config, "--from", data).code == 0
    assert _read(config)["data"]["path"] == written.format(here=tmp_path)
    _assert_trains(Path(config))


def _make_nothing(folder: Path) -> None:
    """Leaves the folder as it is."""


def _make_loose_pictures(folder: Path) -> None:
    Image.new("L", (8, 8)).save(folder / "a.png")


def _make_one_class(folder: Path) -> None:
    (folder / "sub").mkdir()
    for name in ("a.png", "b.png", "sub/c.png"):
        Image.new("L", (8, 8)).save(folder / name)


def _make_text(folder: Path) -> None:
    (folder / "notes.txt").write_text("nothing to learn from")


@pytest.mark.parametrize(
    ("make", "given", "words", "code"),
    [
        (_make_nothing, "data/none", ["there is nothing at data/none", "an .npz file"], 2),
        (_make_nothing, "data", ["data is empty", "a folder of pictures for each class"], 2),
        (_make_text, "data", ["holds neither pictures nor a data set"], 2),
        (_make_text, "data/notes.txt", ["notes.txt is no data that init knows", "an .npz file"], 2),
        (_make_loose_pictures, "data", ["holds no folders of classes"], 3),
        (_make_one_class, "data", ["one class only, `sub`; 2 pictures beside", "are passed over", "data/cats"], 3),
    ],
)
def test_what_is_no_data_is_refused(
    cli: Cli, tmp_path: Path, make: Callable[[Path], None], given: str, words: list[str], code: int
) -> None:
    """Each time with what is read instead, and nothing is written."""
    (tmp_path / "data").mkdir()
    make(tmp_path / "data")
    _assert_refused(cli("init", "--from", given), *words, code=code)
    assert not Path("model.yaml").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--template", "resnett"], ["no template `resnett`", "did you mean `resnet`?"]),
        (["--template", "cnn", "--from", "x"], ["give one of them"]),
        (["cnn"], ["cnn is no name for a config", "cnn.yaml"]),
        (["."], ["is a folder", "--from ."]),
        (["nowhere/model.yaml"], ["there is no folder nowhere", "mkdir"]),
        (["x" * 300 + ".yaml"], ["can't be written"]),
        (["--from", "x" * 300], ["can't be read"]),
        (["-", "--json"], ["both the config and --json want stdout"]),
    ],
)
def test_what_can_not_be_asked_for_is_refused(cli: Cli, arguments: list[str], words: list[str]) -> None:
    """An error, what was found and what to do; nothing is written."""
    outcome = cli("init", *arguments)
    assert outcome.code in (2, 3)
    assert "Traceback" not in outcome.err
    for word in words:
        assert word in outcome.err
    assert list(Path().iterdir()) == []


def test_a_folder_that_can_not_be_written_is_told(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk's refusal with a mend that fits this command."""

    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("dlcli.runtime.durable_files.write_and_sync", refuse)
    _assert_refused(cli("init"), "model.yaml", "dlcli init PATH.yaml", code=6)
    assert list(Path().iterdir()) == []


def test_a_pipe_is_no_data(cli: Cli, tmp_path: Path) -> None:
    """It would be waited for without end."""
    os.mkfifo(tmp_path / "pipe.csv")
    outcome = cli("init", "--from", "pipe.csv")
    assert outcome.code == 2
    assert "is no data that init knows" in outcome.err
