"""One config out of a file, what it extends and what `--set` changes."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest

from dlcli.config import compose, tree
from dlcli.config.diagnostics import ConfigError
from dlcli.errors import UsageError
from tests.unit.config.configs import load, places, write


def _composed(config: Path | dict[str, Any], *overrides: str) -> Any:
    return tree.plain(compose.load(config, overrides))


# Files.


def test_extends_goes_from_the_oldest_to_the_newest(tmp_path: Path) -> None:
    """Each file of a chain has the last word on what it says itself, and keeps the rest."""
    write(tmp_path / "a.yaml", "train: {epochs: 1, batch_size: 1, seed: 1}\nvars: {x: 1}\n")
    write(tmp_path / "b.yaml", "extends: a.yaml\ntrain: {epochs: 2, batch_size: 2}\n")
    last = write(tmp_path / "c.yaml", "extends: b.yaml\ntrain: {epochs: 3}\n")
    assert _composed(last) == {"train": {"epochs": 3, "batch_size": 2, "seed": 1}, "vars": {"x": 1}}


def test_extends_counts_from_the_folder_of_the_file(tmp_path: Path) -> None:
    """A path in a base counts from the base's folder, wherever the command runs."""
    write(tmp_path / "shared" / "base.yaml", "extends: more/data.yaml\ntrain: {epochs: 1}\n")
    write(tmp_path / "shared" / "more" / "data.yaml", "data: digits\n")
    config = write(tmp_path / "mine" / "config.yaml", "extends: ../shared/base.yaml\n")
    assert _composed(config) == {"data": "digits", "train": {"epochs": 1}}


def test_of_several_bases_the_later_wins(tmp_path: Path) -> None:
    """A list of bases is read from left to right, and the file itself comes last."""
    write(tmp_path / "a.yaml", "vars: {x: a, y: a, z: a}\n")
    write(tmp_path / "b.yaml", "vars: {x: b, y: b}\n")
    config = write(tmp_path / "c.yaml", "extends: [a.yaml, b.yaml]\nvars: {x: c}\n")
    assert _composed(config) == {"vars": {"x": "c", "y": "b", "z": "a"}}


def test_a_dict_extends_files_of_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A config from Python may build on a file too."""
    write(tmp_path / "base.yaml", "data: digits\ntrain: {epochs: 1}\n")
    monkeypatch.chdir(tmp_path)
    assert _composed({"extends": "base.yaml", "train": {"epochs": 2}}) == {"data": "digits", "train": {"epochs": 2}}


@pytest.mark.parametrize(
    ("base", "over", "merged"),
    [
        ("{name: sgd, lr: 0.1}", "{lr: 0.2}", {"name": "sgd", "lr": 0.2}),
        ("{name: sgd, lr: 0.1}", "{name: sgd, momentum: 0.9}", {"name": "sgd", "lr": 0.1, "momentum": 0.9}),
        ("{name: sgd, lr: 0.1}", "{name: adam}", {"name": "adam"}),
        ("{name: sgd, lr: 0.1}", "adam", "adam"),
        ("sgd", "{name: adam, lr: 1}", {"name": "adam", "lr": 1}),
        ("{lr: 0.1}", "{name: adam}", {"lr": 0.1, "name": "adam"}),
        ("{a: {b: {c: 1, d: 2}}}", "{a: {b: {c: 3}}}", {"a": {"b": {"c": 3, "d": 2}}}),
        ("[1, 2, 3]", "[4]", [4]),
        ("{a: 1}", "null", None),
        ("{a: [1, 2]}", "{a: {b: 1}}", {"a": {"b": 1}}),
    ],
)
def test_mappings_merge_and_everything_else_replaces(tmp_path: Path, base: str, over: str, merged: object) -> None:
    """A choice of another name brings no fields of the old one along; lists and values replace."""
    write(tmp_path / "base.yaml", f"part: {base}\n")
    config = write(tmp_path / "config.yaml", f"extends: base.yaml\npart: {over}\n")
    assert _composed(config) == {"part": merged}


@pytest.mark.parametrize(
    ("files", "place", "code", "words"),
    [
        ({"a.yaml": "extends: a.yaml\n"}, ("a.yaml", 1, 10), "extends", "extends itself"),
        ({"a.yaml": "extends: b.yaml\n", "b.yaml": "x: 1\nextends: a.yaml\n"}, ("b.yaml", 2, 10), "extends", "extends itself"),
        ({"a.yaml": "extends: ./../{folder}/a.yaml\n"}, ("a.yaml", 1, 10), "extends", "extends itself"),
        ({"a.yaml": "x: 1\nextends: [b.yaml]\n", "b.yaml": ""}, ("b.yaml", 1, 1), "syntax", "empty"),
        ({"a.yaml": "extends: gone.yaml\n"}, ("a.yaml", 1, 10), "extends", "there is no file"),
        ({"a.yaml": "extends: .\n"}, ("a.yaml", 1, 10), "extends", "there is no file"),
        ({"a.yaml": 'extends: "nul\\0byte"\n'}, ("a.yaml", 1, 10), "extends", "there is no file"),
        ({"a.yaml": "extends: " + "x" * 5000 + "\n"}, ("a.yaml", 1, 10), "extends", "there is no file"),
        ({"a.yaml": "extends: 3\n"}, ("a.yaml", 1, 10), "type", "not the number 3"),
        ({"a.yaml": "extends:\n"}, ("a.yaml", 1, 9), "type", "not nothing"),
        ({"a.yaml": "extends: {path: b.yaml}\n"}, ("a.yaml", 1, 10), "type", "not a mapping"),
        ({"a.yaml": "extends: b.yaml\n", "b.yaml": "- 1\n"}, ("b.yaml", 1, 1), "type", "this file holds a list"),
        ({"a.yaml": "- data: mnist\n"}, ("a.yaml", 1, 1), "type", "this file holds a list"),
        ({"a.yaml": "just words\n"}, ("a.yaml", 1, 1), "type", "this file holds the text 'just words'"),
    ],
)
def test_a_broken_chain_is_shown_where_it_is_written(
    tmp_path: Path, files: dict[str, str], place: tuple[str, int, int], code: str, words: str
) -> None:
    """Cycles, missing bases and bases that are no configs: the file, line and column of the mistake."""
    for name, text in files.items():
        write(tmp_path / name, text.replace("{folder}", tmp_path.name))
    with pytest.raises(ConfigError) as caught:
        compose.load(tmp_path / "a.yaml")
    mistake = caught.value.diagnostics[0]
    assert (Path(mistake.place.source.name).name, mistake.place.line, mistake.place.column) == place
    assert mistake.code == code
    assert words in mistake.message
    assert len(mistake.message) < 600


def test_a_chain_without_end_is_cut(tmp_path: Path) -> None:
    """Many files, none of them twice: refused after some."""
    for index in range(40):
        write(tmp_path / f"{index}.yaml", f"extends: {index + 1}.yaml\n")
    with pytest.raises(ConfigError, match="more than 32 files are extended"):
        compose.load(tmp_path / "0.yaml")


def _write_bytes(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01"


@pytest.mark.parametrize(
    ("content", "words"),
    [(PNG, "not a text file"), ("data: mnist".encode("utf-16"), "not a text file"), (b"\xff\xfe\x00", "not a text file")],
)
def test_a_file_that_is_no_text_is_refused(tmp_path: Path, content: bytes, words: str) -> None:
    """Pictures and other encodings get one line, and no traceback."""
    with pytest.raises(UsageError, match=words):
        compose.load(_write_bytes(tmp_path / "config.yaml", content))


def test_a_byte_order_mark_and_windows_line_ends_are_read(tmp_path: Path) -> None:
    """What an editor on Windows saves is a config like any other."""
    config = _write_bytes(tmp_path / "config.yaml", b"\xef\xbb\xbfdata: mnist\r\ntrain:\r\n  epochs: 2\r\n")
    assert _composed(config) == {"data": "mnist", "train": {"epochs": 2}}


def test_a_huge_file_is_not_read_whole(tmp_path: Path) -> None:
    """A file of the wrong kind, ever so large, is refused at once: here 10 GB with nothing in it, and an endless device."""
    huge = tmp_path / "data.yaml"
    with huge.open("wb") as file:
        file.truncate(10 * 1024**3)
    started = time.process_time()
    for path in (huge, Path(os.devnull).parent / "zero"):
        with pytest.raises(UsageError, match="more than 4,000,000 bytes"):
            compose.load(path)
    assert time.process_time() - started < 1


def test_a_missing_file_suggests_its_neighbour(tmp_path: Path) -> None:
    """A misspelt name is met with the nearest config beside it."""
    write(tmp_path / "lenet.yaml", "data: mnist\n")
    with pytest.raises(UsageError, match="there is no file") as caught:
        compose.load(tmp_path / "lennet.yaml")
    assert caught.value.help == "did you mean `lenet.yaml`?"


@pytest.mark.parametrize("path", ["", "a\0b", "x" * 5000])
def test_an_impossible_path_is_a_usage_error(path: str) -> None:
    """No path makes a traceback."""
    with pytest.raises(UsageError):
        compose.load(path)


@pytest.mark.parametrize("config", [{"a": object()}, {"a": {1, 2}}, {("a", "b"): 1}])
def test_a_dict_of_anything_but_plain_values_is_refused(config: dict[str, Any]) -> None:
    """What YAML can't say, a config can't hold."""
    with pytest.raises(UsageError, match="something that YAML can't"):
        compose.load(config)


def test_a_dict_means_what_the_same_yaml_means() -> None:
    """Numbers, texts that look like numbers, empty things and nested lists survive."""
    config = {"a": 1e-5, "b": "1e-5", "c": "no", "d": None, "e": [], "f": {}, "g": [[1, True], "ü\n\t"], "h": "${x}"}
    assert _composed(config) == config


# Overrides.

BASE = """
    data: mnist
    vars: {width: 4}
    model:
      layers:
        - conv2d: {out_channels: 4, kernel_size: 3}
        - leaky_relu
        - max_pool2d: 2
        - flatten
        - linear: {out_features: 20, name: body}
        - gelu: tanh
        - linear: ${data.num_classes}
    train:
      optimizer: sgd
      early_stopping: 3
      metrics: [accuracy, {name: top_k, k: 3}]
"""


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (["train.epochs=5"], {"train.epochs": 5}),
        (["train.epochs=5", "train.epochs=6"], {"train.epochs": 6}),
        ([" train.epochs = 5 "], {"train.epochs": 5}),
        (["train.optimizer=adam"], {"train.optimizer.name": "adam", "train.optimizer.lr": 1e-3}),
        (["train.optimizer={name: adam, lr: 1e-2}"], {"train.optimizer.name": "adam", "train.optimizer.lr": 1e-2}),
        (["train.optimizer.lr=1e-2"], {"train.optimizer.name": "sgd", "train.optimizer.lr": 1e-2}),
        (["train.optimizer.name=adam"], {"train.optimizer.name": "adam"}),
        (
            ["train.optimizer.lr=0.5", "train.optimizer.momentum=0.9"],
            {"train.optimizer.lr": 0.5, "train.optimizer.momentum": 0.9},
        ),
        (["train.early_stopping=7"], {"train.early_stopping.patience": 7}),
        (["train.early_stopping="], {"train.early_stopping": None}),
        (["train.ema.decay=0.9"], {"train.ema.decay": 0.9}),
        # Fields added to a short form keep what it said.
        (["train.early_stopping.min_delta=0.5"], {"train.early_stopping.patience": 3, "train.early_stopping.min_delta": 0.5}),
        (["train.metrics.1.k=4"], {"train.metrics.1.k": 4}),
        (["train.metrics.top_k.k=4"], {"train.metrics.1.k": 4, "train.metrics.0.name": "accuracy"}),
        (["train.metrics=[]"], {"train.metrics": []}),
        (["model.layers.0.conv2d.out_channels=8"], {"model.layers.0.conv2d.out_channels": 8}),
        (
            ["model.layers.0.out_channels=8"],
            {"model.layers.0.conv2d.out_channels": 8, "model.layers.0.conv2d.kernel_size": [3, 3]},
        ),
        (["model.layers.body.out_features=8"], {"model.layers.4.linear.out_features": 8, "model.layers.4.linear.name": "body"}),
        (
            ["model.layers.body.linear.bias=false"],
            {"model.layers.4.linear.bias": False, "model.layers.4.linear.out_features": 20},
        ),
        (
            ["model.layers.2.stride=1"],
            {"model.layers.2.max_pool2d.kernel_size": [2, 2], "model.layers.2.max_pool2d.stride": [1, 1]},
        ),
        (["model.layers.2.max_pool2d=3"], {"model.layers.2.max_pool2d.kernel_size": [3, 3]}),
        (["model.layers.1.negative_slope=0.5"], {"model.layers.1.leaky_relu.negative_slope": 0.5}),
        (["model.layers.1.leaky_relu.negative_slope=0.5"], {"model.layers.1.leaky_relu.negative_slope": 0.5}),
        (["model.layers.leaky_relu.negative_slope=0.5"], {"model.layers.1.leaky_relu.negative_slope": 0.5}),
        (
            ["model.layers.1.negative_slope=0.5", "model.layers.1.name=act"],
            {"model.layers.1.leaky_relu": {"negative_slope": 0.5, "name": "act"}},
        ),
        (["model.layers.5.name=act"], {"model.layers.5.gelu": {"approximate": "tanh", "name": "act"}}),
        (
            ["model.layers.6.bias=no", "model.layers.6.bias=false"],
            {"model.layers.6.linear.out_features": 10, "model.layers.6.linear.bias": False},
        ),
        (["model.layers.1=relu"], {"model.layers.1.relu.name": "relu_1"}),
        (["model.layers.1={elu: 0.5}"], {"model.layers.1.elu.alpha": 0.5}),
        (["vars.width=9", "model.layers.0.out_channels=${vars.width * 2}"], {"model.layers.0.conv2d.out_channels": 18}),
        (["data={name: digits, limit: 7}"], {"data.name": "digits", "data.limit": 7}),
        (["data.limit=7"], {"data.name": "mnist", "data.limit": 7}),
        (["model.init.name=orthogonal"], {"model.init.name": "orthogonal"}),
    ],
)
def test_set_reaches_every_value(overrides: list[str], expected: dict[str, object]) -> None:
    """Mappings, list entries by index or name, short and long forms: the resolved config has the new value, and kept the old."""
    resolved = load(BASE, overrides).resolved()
    for path, value in expected.items():
        found: Any = resolved
        for step in path.split("."):
            found = found[int(step)] if isinstance(found, list) else found[step]
        assert ({key: found[key] for key in value} if isinstance(value, dict) else found) == value, path


@pytest.mark.parametrize(
    ("override", "place", "code", "help"),
    [
        ("train.epochs=many", (1, 14), "type", "Passes over the training samples."),
        ("train.epochs=0", (1, 14), "range", "Passes over the training samples."),
        ("train.epoch=3", (1, 1), "unknown-key", "did you mean `epochs`?"),
        ("trian.epochs=3", (1, 1), "unknown-key", "did you mean `train`?"),
        ("train.epochs.x=3", (1, 1), "type", "Passes over the training samples."),
        ("train.optimizer.name=adamm", (1, 22), "unknown-name", "did you mean `adam`?"),
        ("train.optimizer={name: adam, lr: -1}", (1, 34), "range", "The learning rate before the schedule."),
        ("model.layers.99.bias=true", (1, 1), "unknown-name", "the list has the entries 0 to 6"),
        ("model.layers.9999999999999999999999.bias=true", (1, 1), "unknown-name", "the list has the entries 0 to 6"),
        ("model.layers.bodi.bias=true", (1, 1), "unknown-name", "did you mean `body`?"),
        ("model.layers.0.conv2d={out_channels: 3, kernel_size: 2", (1, 55), "syntax", None),
        ("train.epochs=*x", (1, 14), "alias", "put the value in `vars:` and write `${vars.NAME}`"),
        ("vars.width=${oops}", (1, 12), "unknown-name", None),
        ("data.limit=\udcff", (1, 12), "syntax", "a config is a text in UTF-8"),
    ],
)
def test_a_wrong_override_is_shown_in_its_own_text(override: str, place: tuple[int, int], code: str, help: str | None) -> None:
    """The message's line is the override as it was typed, and the caret under what is wrong with it."""
    with pytest.raises(ConfigError) as caught:
        load(BASE, [override])
    mistake = caught.value.diagnostics[0]
    assert places([mistake]) == [(*place, code)]
    assert mistake.help == help
    assert mistake.place.source.text == override
    assert mistake.place.source.name == "--set " + override.partition("=")[0]


@pytest.mark.parametrize("override", ["", "train", "=3", ".=3", "train..epochs=3", "train.=3", ".epochs=3", "extends=a.yaml"])
def test_what_is_no_override_is_a_usage_error(override: str) -> None:
    """Without a path and `=` there is nothing to set, and what a config extends is its own."""
    with pytest.raises(UsageError, match="--set") as caught:
        load(BASE, [override])
    assert caught.value.help


def test_a_name_that_two_entries_have_is_not_guessed() -> None:
    """`relu` twice in a list: the message names both indices instead of changing one of them."""
    config = {"model": {"layers": ["relu", {"linear": 3}, "relu"]}}
    with pytest.raises(ConfigError) as caught:
        compose.load(config, ["model.layers.relu.name=x"])
    (mistake,) = caught.value.diagnostics
    assert mistake.message == "2 entries of the list are called `relu`"
    assert mistake.help == "their indices: 0, 2"


def test_overrides_come_after_everything_that_is_extended(tmp_path: Path) -> None:
    """The command line has the last word."""
    write(tmp_path / "base.yaml", "train: {epochs: 1}\n")
    config = write(tmp_path / "config.yaml", "extends: base.yaml\ntrain: {epochs: 2}\n")
    assert _composed(config, "train.epochs=3") == {"train": {"epochs": 3}}


def _layers(tmp_path: Path, override: str) -> Any:
    text = "data: digits\nmodel: {layers: [conv2d: {out_channels: 4, kernel_size: 3}, relu, dropout: 0.5, relu, flatten, linear: 10]}\n"
    return _composed(write(tmp_path / "a.yaml", text + "train: {epochs: 3, seed: 1}\n"), override)


@pytest.mark.parametrize(
    ("override", "path", "expected"),
    [
        ("~train.seed", ("train",), {"epochs": 3}),
        ("~model.layers.dropout", ("model", "layers", 2), "relu"),
        ("~model.layers.2", ("model", "layers", 2), "relu"),
        ("~model.layers.conv2d.kernel_size", ("model", "layers", 0), {"conv2d": {"out_channels": 4}}),
        ("~model.layers.relu_2", ("model", "layers", 3), "flatten"),
        ("model.layers.dropout.p=0.1", ("model", "layers", 2), {"dropout": {"p": 0.1}}),
        ("model.layers.conv2d.out_channels=8", ("model", "layers", 0, "conv2d", "out_channels"), 8),
        ("model.layers.linear=12", ("model", "layers", 5), {"linear": 12}),
        ("model.layers.5=12", ("model", "layers", 5), {"linear": 12}),
        ("model.layers.relu_1=tanh", ("model", "layers", 1), "tanh"),
    ],
)
def test_set_reaches_layers_by_type_and_takes_away(
    tmp_path: Path, override: str, path: tuple[int | str, ...], expected: object
) -> None:
    """A layer by its type where it is the only one, else with its number; `~` removes a key or an entry."""
    found = _layers(tmp_path, override)
    for step in path:
        found = found[step]
    assert found == expected


@pytest.mark.parametrize(
    ("override", "code"),
    [
        ("~train.sed", "unknown-name"),
        ("~model.layers.relu", "unknown-name"),
        ("~model.layers.9", "unknown-name"),
        ("~data.x", "unknown-name"),
    ],
)
def test_what_is_not_there_can_not_be_taken_away(tmp_path: Path, override: str, code: str) -> None:
    """The place is the override's, with the nearest name."""
    with pytest.raises(ConfigError) as caught:
        _layers(tmp_path, override)
    (found,) = caught.value.diagnostics
    assert (found.code, found.place.source.name, found.place.column) == (code, f"--set {override}", 1)


def test_files_that_extend_each_other_many_times_are_cut(tmp_path: Path) -> None:
    """Ten files that each extend the next ten times would be read ten billion times."""
    for index in range(10):
        write(tmp_path / f"{index}.yaml", f"extends: [{', '.join([f'{index + 1}.yaml'] * 10)}]\n")
    write(tmp_path / "10.yaml", "data: digits\n")
    with pytest.raises(ConfigError, match="more than 32 files are extended"):
        compose.load(tmp_path / "0.yaml")


def test_a_base_that_is_no_text_is_shown_where_it_is_extended(tmp_path: Path) -> None:
    """The file that can't be read is a mistake of the file that names it."""
    (tmp_path / "picture.yaml").write_bytes(b"\x89PNG\xff")
    write(tmp_path / "a.yaml", "extends: picture.yaml\n")
    with pytest.raises(ConfigError, match=r"a\.yaml:1:10"):
        compose.load(tmp_path / "a.yaml")


def test_variables_merge_whatever_they_are_called(tmp_path: Path) -> None:
    """`name` among them makes no choice of them."""
    write(tmp_path / "base.yaml", "vars: {name: a, width: 64}\n")
    over = write(tmp_path / "over.yaml", "extends: base.yaml\nvars: {name: b}\n")
    assert _composed(over) == {"vars": {"name": "b", "width": 64}}


def test_a_key_can_not_be_taken_away_and_given_a_value() -> None:
    """Both ways to write what may be meant."""
    with pytest.raises(UsageError) as caught:
        _composed({"train": {"epochs": 1}}, "~train.epochs=5")
    assert caught.value.help == "write --set ~train.epochs to take it away, or --set train.epochs=5 to change it"


def test_a_path_of_nothing_is_no_override() -> None:
    """With or without a value."""
    for override in ("~", "~=", "="):
        with pytest.raises(UsageError, match="is not of the form"):
            _composed({"train": {"epochs": 1}}, override)
