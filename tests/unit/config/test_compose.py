"""One config out of a file, what it extends and what `--set` changes."""

from __future__ import annotations

import errno
import io
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dlcli.config import compose, experiment, tree
from dlcli.config.diagnostics import ConfigError
from dlcli.errors import UsageError
from tests.unit.config.configs import facts_of, load, places, write

NO_CONFIG_NEARBY = "give the path of a YAML file; `dlcli init my.yaml` writes one to start from"


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
    ("base", "over", "patience"),
    [("3", "{min_delta: 0.5}", 3), ("{patience: 3}", "{min_delta: 0.5}", 3), ("null", "{patience: 2}", 2), ("3", "5", 5)],
)
def test_fields_on_top_of_a_short_form_keep_what_it_said(tmp_path: Path, base: str, over: str, patience: int) -> None:
    """`early_stopping: 3` in a base is its patience still where the file adds another field."""
    write(tmp_path / "base.yaml", f"data: digits\nmodel: {{layers: [flatten, linear: 10]}}\ntrain: {{early_stopping: {base}}}\n")
    config = write(tmp_path / "config.yaml", f"extends: base.yaml\ntrain: {{early_stopping: {over}}}\n")
    found = experiment.resolve(compose.load(config), facts_of).train.early_stopping
    assert found is not None
    assert found.patience == patience


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("extends: base.yaml\ntrain: {}\n", (1, 1)),
        ("extends: base.yaml\nmodel: {blocks: {}}\n", (2, 8)),
        ("extends: base.yaml\nmodel:\n  layers: [flatten]\ntrain: {optimizer: {}}\n", (4, 20)),
        ("extends: base.yaml\nvars: {b: 2}\n", (2, 7)),
    ],
)
def test_what_was_merged_stands_where_the_file_has_it(tmp_path: Path, text: str, place: tuple[int, int]) -> None:
    """So that what is missing in it is told in the file that was given, and not in its base."""
    write(tmp_path / "base.yaml", "\n\n\ndata: digits\nvars: {a: 1}\nmodel: {init: orthogonal}\ntrain: {optimizer: {lr: 1}}\n")
    composed = compose.load(write(tmp_path / "config.yaml", text))
    path = {(1, 1): [], (2, 8): ["model"], (4, 20): ["train", "optimizer"], (2, 7): ["vars"]}[place]
    found = tree.place_of(composed, path)
    assert (Path(found.source.name).name, found.line, found.column) == ("config.yaml", *place)


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
    """Many files, none of them twice: 32 can be extended, and the next is refused where it is named."""
    for index in range(40):
        write(tmp_path / f"{index}.yaml", f"extends: {index + 1}.yaml\n")
    with pytest.raises(ConfigError) as caught:
        compose.load(tmp_path / "0.yaml")
    (mistake,) = caught.value.diagnostics
    assert (mistake.code, mistake.message) == ("limit", "more than 32 files are extended")
    assert Path(mistake.place.source.name).name == "32.yaml"
    write(tmp_path / "32.yaml", "data: digits\n")
    assert _composed(tmp_path / "0.yaml") == {"data": "digits"}


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
    with pytest.raises(UsageError, match="something that YAML can't") as caught:
        compose.load(config)
    assert caught.value.help == "use plain values"


def test_a_dict_means_what_the_same_yaml_means() -> None:
    """Numbers, texts that look like numbers, empty things and nested lists survive."""
    config = {"a": 1e-5, "b": "1e-5", "c": "no", "d": None, "e": [], "f": {}, "g": [[1, True], "ü\n\t"], "h": "${x}"}
    assert _composed(config) == config


@pytest.mark.parametrize(
    ("config", "place", "line"),
    [
        ({"größe": 1, "<<": 2}, (3, 3, "merge"), '  "<<": 2'),
        ({"größe": 10**20}, (2, 12, "limit"), '  "größe": 100000000000000000000'),
        ({"extends": "gone.yaml"}, (2, 14, "extends"), '  "extends": "gone.yaml"'),
    ],
)
def test_a_mistake_in_a_dict_is_shown_in_it(config: dict[str, Any], place: tuple[int, int, str], line: str) -> None:
    """A config from Python has lines too: a key in each, as one would write it."""
    with pytest.raises(ConfigError) as caught:
        compose.load(config)
    (mistake,) = caught.value.diagnostics
    assert places([mistake]) == [place]
    assert mistake.place.source.name == "<dict>"
    assert mistake.place.source.lines[mistake.place.line - 1] == line


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
        # A short form that got fields is still called what it was, and by its new name.
        (
            ["model.layers.leaky_relu.name=act", "model.layers.leaky_relu.negative_slope=0.5", "model.layers.act.repeat=1"],
            {"model.layers.1.leaky_relu": {"negative_slope": 0.5, "name": "act"}},
        ),
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
        ("train.metrics=[accuracy, {name: top_k, k: many}]", (1, 43), "type", None),
        ("train.metrics=[accuracy, {name: top_k, kk: 3}]", (1, 40), "unknown-key", "did you mean `k`?"),
        ("train.optimizer={name: adam, lrr: 1}", (1, 30), "unknown-key", "did you mean `lr`?"),
        ("train.epochs=", (1, 14), "type", "Passes over the training samples."),
        ("model.layers.7.bias=true", (1, 1), "unknown-name", "the list has the entries 0 to 6"),
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


def test_the_place_of_an_override_is_all_of_its_path() -> None:
    """The carets stand under what was typed before the `=`, or behind the `~`."""
    for override, typed in (("trian.epochs=3", "trian.epochs"), ("~train.seed", "~train.seed")):
        with pytest.raises(ConfigError) as caught:
            load(BASE, [override])
        assert [mistake.place.text for mistake in caught.value.diagnostics] == [typed]


def test_the_mistakes_of_all_overrides_are_told() -> None:
    """YAML that can't be read in one does not hide the next."""
    with pytest.raises(ConfigError) as caught:
        load(BASE, ["train.epochs=[", "data={"])
    assert [mistake.place.source.text for mistake in caught.value.diagnostics] == ["data={", "train.epochs=["]


@pytest.mark.parametrize("override", ["", "train", "=3", ".=3", "train..epochs=3", "train.=3", ".epochs=3"])
def test_what_is_no_override_is_a_usage_error(override: str) -> None:
    """Without a path and `=` there is nothing to set."""
    with pytest.raises(UsageError) as caught:
        load(BASE, [override])
    assert caught.value.message == f"`--set {override}` is not of the form a.b.c=value"
    assert caught.value.help == "for example --set train.epochs=5, or --set ~train.schedule to take a key away"


def test_what_a_config_extends_is_its_own() -> None:
    """It was read before any override."""
    with pytest.raises(UsageError) as caught:
        load(BASE, ["extends=a.yaml"])
    assert caught.value.message == "`--set` can't change `extends`"
    assert caught.value.help == "a config says itself what it extends"


def test_a_name_that_two_entries_have_is_not_guessed() -> None:
    """`relu` twice in a list: the message names both indices instead of changing one of them."""
    config = {"model": {"layers": ["relu", {"linear": 3}, "relu"]}}
    with pytest.raises(ConfigError) as caught:
        compose.load(config, ["model.layers.relu.name=x"])
    (mistake,) = caught.value.diagnostics
    assert mistake.message == "2 entries of the list are called `relu`"
    assert mistake.help == "their indices: 0, 2"


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("model.layers.relu_2=elu", ["relu", "elu", "tanh", {"metric": {"k": 1}}, {"name": "top_k"}]),
        ("~model.layers.relu_1", ["relu", "tanh", {"metric": {"k": 1}}, {"name": "top_k"}]),
        ("~model.layers.metric.k", ["relu", "relu", "tanh", {"metric": {}}, {"name": "top_k"}]),
        ("~model.layers.metric.metric.k", ["relu", "relu", "tanh", {"metric": {}}, {"name": "top_k"}]),
        ("model.layers.top_k.k=3", ["relu", "relu", "tanh", {"metric": {"k": 1}}, {"name": "top_k", "k": 3}]),
    ],
)
def test_entries_are_counted_by_their_kind(override: str, expected: list[Any]) -> None:
    """`relu_2` is the second `relu`; an entry that only has a `name` is a choice, and of no kind."""
    layers = ["relu", "relu", "tanh", {"metric": {"k": 1}}, {"name": "top_k"}]
    assert _composed({"model": {"layers": layers}}, override) == {"model": {"layers": expected}}


def test_an_empty_list_has_no_entries() -> None:
    """And says so."""
    with pytest.raises(ConfigError) as caught:
        compose.load({"train": {"metrics": []}}, ["train.metrics.0=mae"])
    (mistake,) = caught.value.diagnostics
    assert (mistake.message, mistake.help) == ("there is no entry 0 in the list", "the list is empty")


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
        ("~model.layers.conv2d.kernel", "unknown-name"),
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
    with pytest.raises(ConfigError) as caught:
        compose.load(tmp_path / "a.yaml")
    (mistake,) = caught.value.diagnostics
    assert places([mistake]) == [(1, 10, "extends")]
    assert mistake.message == f"{tmp_path / 'picture.yaml'} is not a text file"
    assert mistake.help == "a config is YAML, in UTF-8"


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


def test_in_a_list_of_lists_nothing_has_a_name() -> None:
    """An entry that is a list itself is reached by its index."""
    config = {"vars": {"rows": [[1, 2], [3, 4]]}}
    assert _composed(config, "vars.rows.1.0=5") == {"vars": {"rows": [[1, 2], [5, 4]]}}
    with pytest.raises(ConfigError) as caught:
        compose.load(config, ["vars.rows.first.0=5"])
    (mistake,) = caught.value.diagnostics
    assert (mistake.message, mistake.help) == ("there is no entry `first` in the list", None)


def test_an_override_goes_as_deep_as_a_config() -> None:
    """64 levels and no more, as in a file."""
    inner = _composed({"data": 1}, ".".join("a" * 64) + "=5")
    for _ in range(64):
        inner = inner["a"]
    assert inner == 5
    with pytest.raises(UsageError, match="`--set` goes 65 levels deep, and a config at most 64"):
        compose.load({"data": 1}, [".".join("a" * 65) + "=5"])


@pytest.fixture
def given_on_stdin(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[bytes | None], None]]:
    """A standard input that holds something, or is closed."""

    def give(content: bytes | None) -> None:
        monkeypatch.setattr("sys.stdin", None if content is None else io.TextIOWrapper(io.BytesIO(content)))

    compose._standard_input.cache_clear()
    yield give
    compose._standard_input.cache_clear()


def test_a_dash_reads_standard_input_as_often_as_one_likes(given_on_stdin: Callable[[bytes | None], None]) -> None:
    """`-` is a config like any other, its mistakes are in `<stdin>`, and it is there for whoever asks again."""
    given_on_stdin("data: digits # größer\n".encode())
    for _ in range(2):
        composed = compose.load("-")
        assert tree.plain(composed) == {"data": "digits"}
    assert composed.place.source.name == "<stdin>"


def test_a_closed_or_endless_standard_input_is_refused(given_on_stdin: Callable[[bytes | None], None]) -> None:
    """Nothing there is an empty config; more than a config can hold is not read to its end."""
    given_on_stdin(None)
    with pytest.raises(ConfigError, match="the file is empty"):
        compose.load("-")
    compose._standard_input.cache_clear()
    given_on_stdin(b" " * 4_000_001)
    with pytest.raises(UsageError, match="more than 4,000,000 bytes"):
        compose.load("-")


def test_a_file_that_can_not_be_read_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder, and a file that the system refuses: one line each, with the system's words."""
    with pytest.raises(UsageError) as caught:
        compose.load(tmp_path)
    assert caught.value.message == f"{tmp_path} is a folder, and a config is a file"

    def refuse(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(UsageError) as caught:
        compose.load(tmp_path / "a.yaml")
    assert caught.value.message == f"{tmp_path / 'a.yaml'} can't be read: Permission denied"


def test_a_file_that_is_not_there_has_a_help(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One of its name that comes with dlcli, else a name beside it, else what to give; also where the folder can't be looked into."""
    shipped = write(tmp_path / "shipped" / "zoo" / "lenet.yaml", "data: mnist\n")
    monkeypatch.setattr(compose, "SHIPPED_CONFIGS", tmp_path / "shipped")
    assert _help_for_missing(tmp_path / "mine" / "lenet.yaml") == f"one of this name comes with dlcli: {shipped}"
    assert _help_for_missing(tmp_path / "mine" / "other.yaml") == NO_CONFIG_NEARBY
    write(tmp_path / "mine" / "a.yml", "data: mnist\n")
    assert _help_for_missing(tmp_path / "mine" / "b.yml") == "did you mean `a.yml`?"

    def refuse(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "glob", refuse)
    assert _help_for_missing(tmp_path / "mine" / "b.yml") == NO_CONFIG_NEARBY


def _help_for_missing(path: Path) -> str | None:
    with pytest.raises(UsageError) as caught:
        compose.load(path)
    assert caught.value.message == f"there is no file {path}"
    return caught.value.help
