"""Runs side by side."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
import yaml

from dlcli.app.kept_runs.comparison import ABSENT, compare
from dlcli.cli.run_pages import comparison_lines
from dlcli.errors import UsageError
from tests.unit.app.run_folders import CONFIG, make_run


def _differences(runs: Path, *configs: str) -> dict[str, tuple[object, ...]]:
    for number, config in enumerate(configs):
        make_run(runs, str(number), resolved=config)
    found = compare([str(number) for number in range(len(configs))], runs).differences
    assert found is not None
    return {difference.path: difference.values for difference in found}


def test_only_what_differs_is_named(tmp_path: Path) -> None:
    """By the path that `--set` takes, layers by their names, a value for each run in their order."""
    other = CONFIG.replace("out_channels: 8", "out_channels: 16").replace("lr: 0.01", "lr: 0.1").replace("epochs: 3", "epochs: 3")
    third = CONFIG.replace("lr: 0.01", "lr: 0.5")
    assert _differences(tmp_path, CONFIG, other, third) == {
        "model.layers.conv2d_1.out_channels": (8, 16, 8),
        "train.optimizer.lr": (0.01, 0.1, 0.5),
    }


def test_a_layer_that_only_one_has_differs_alone(tmp_path: Path) -> None:
    """The layers behind it are still the same ones."""
    without = CONFIG.replace("  - conv2d: {name: conv2d_1, out_channels: 8}\n", "")
    assert _differences(tmp_path, CONFIG, without) == {
        "model.layers.conv2d_1.type": ("conv2d", ABSENT),
        "model.layers.conv2d_1.out_channels": (8, ABSENT),
    }


def test_on_the_page_such_a_layer_is_one_line_behind_the_results(tmp_path: Path) -> None:
    """Its type stands for all its fields; numbers have four digits, unless they then look the same."""
    changed = CONFIG.replace("lr: 0.01", "lr: 0.0123456").replace("  - relu: {name: relu_1}\n", "")
    for name, config in (("a", CONFIG), ("b", changed)):
        make_run(tmp_path, name, resolved=config.replace("  epochs: 3", f"  epochs: 3\n  mean: [0.13066047, 0.5{name == 'a':d}]"))
    lines = comparison_lines(compare(["a", "b"], tmp_path), 80)
    assert [line.split(maxsplit=1) for line in lines[-4:]] == [
        ["config", "A              B"],
        ["model.layers.relu_1", "relu              -"],
        ["train.mean", "[0.1307, 0.51]  [0.1307, 0.5]"],
        ["train.optimizer.lr", "0.01        0.01235"],
    ]
    assert lines[3].startswith("result ")


def test_another_type_under_the_same_name_is_a_difference(tmp_path: Path) -> None:
    """The type stands above the fields of a layer."""
    other = CONFIG.replace("relu: {name: relu_1}", "gelu: {name: relu_1}")
    assert _differences(tmp_path, CONFIG, other) == {"model.layers.relu_1.type": ("relu", "gelu")}


def test_values_of_another_type_are_other_values(tmp_path: Path) -> None:
    """`1`, `1.0`, `true` and `'1'` are not the same; NaN is itself; lists are compared as a whole."""
    configs = [f"{{a: {value}, nan: .nan, list: [1, 2]}}" for value in ("1", "1.0", "true", "'1'")]
    assert _differences(tmp_path, *configs) == {"a": (1, 1.0, True, "1")}


def test_a_difference_is_there_exactly_where_plain_values_differ(tmp_path: Path) -> None:
    """Against a walk over what another reader of YAML makes of the texts."""
    changed = CONFIG.replace("limit: null", "limit: 5").replace("name: accuracy", "name: f1").replace("epochs: 3", "epochs: 4")

    def leaves(value: object, path: tuple[object, ...] = ()) -> dict[tuple[object, ...], object]:
        items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
        if items is None:
            return {path: value}
        return {key: leaf for step, inner in items for key, leaf in leaves(inner, (*path, step)).items()}

    before, after = (leaves(yaml.safe_load(config)) for config in (CONFIG, changed))
    expected = {
        value
        for key in before.keys() | after.keys()
        if before.get(key) != after.get(key)
        for value in (before.get(key), after.get(key))
    }
    found = _differences(tmp_path, CONFIG, changed)
    assert expected == {None, 5, "accuracy", "f1", 3, 4}
    assert set(found) == {"data.limit", "train.metrics.accuracy", "train.metrics.f1", "train.epochs"}


def test_equal_configs_have_no_differences(tmp_path: Path) -> None:
    """And the page says so."""
    assert _differences(tmp_path, CONFIG, CONFIG) == {}
    assert "the configs are the same" in comparison_lines(compare(["0", "1"], tmp_path), 80)


def test_curves_are_aligned_by_epoch(tmp_path: Path) -> None:
    """All as long as the longest, None where a run has no such epoch; on the page in the same column and of one scale."""
    make_run(tmp_path, "a", epochs=4)
    make_run(tmp_path, "b", epochs=2)
    comparison = compare(["a", "b"], tmp_path)
    assert comparison.curves["valid/accuracy"] == ([0.1, 0.2, 0.3, 0.4], [0.1, 0.2, None, None])
    assert list(comparison.curves) == ["train/loss", "valid/loss", "valid/accuracy"]
    lines = comparison_lines(comparison, 80)
    start = lines.index("valid/accuracy") + 1
    assert lines[start : start + 2] == ["A     0.1000  ▁▃▆█  0.4000", "B     0.1000  ▁▃    0.2000"]


def test_results_are_those_of_the_records(tmp_path: Path) -> None:
    """Best and test figures, time and parameters; a figure that one has not is missing there."""
    make_run(tmp_path, "a")
    make_run(tmp_path, "b", test={"loss": 0.1, "f1": 0.5}, parameters=7, train_seconds=100.0)
    results = compare(["a", "b"], tmp_path).results()
    assert results["best"] == [0.9, 0.9]
    assert results["best_epoch"] == [2, 2]
    assert results["test/accuracy"] == [0.8, None]
    assert results["test/f1"] == [None, 0.5]
    assert results["test/loss"] == [0.4, 0.1]
    assert results["parameters"] == [810, 7]
    rows = [line.split() for line in comparison_lines(compare(["a", "b"], tmp_path), 80)]
    assert ["training", "2.5", "s", "1", "min", "40", "s"] in rows
    assert ["test/f1", "-", "0.5000"] in rows


def test_a_config_that_can_not_be_read_leaves_the_rest_comparable(tmp_path: Path) -> None:
    """It is named; of two of three runs the difference is still there; of one alone nothing is said."""
    for name, config in (("a", CONFIG), ("b", CONFIG.replace("epochs: 3", "epochs: 4")), ("c", "{a: [}"), ("d", CONFIG)):
        make_run(tmp_path, name, resolved=config)
    (tmp_path / "d" / "config.resolved.yaml").unlink()
    found = compare(["a", "c", "b"], tmp_path)
    assert found.differences is not None
    assert [(each.path, each.values) for each in found.differences] == [("train.epochs", (3, ABSENT, 4))]
    assert len(found.problems) == 1
    alone = compare(["a", "c", "d"], tmp_path)
    assert alone.differences is None
    assert len(alone.problems) == 2
    assert not any(line.startswith(("config", "the configs")) for line in comparison_lines(alone, 80))


def test_a_config_that_extends_a_file_does_not_read_it(tmp_path: Path) -> None:
    """A resolved config extends nothing: one of a stranger that names a file of the person's does not show it."""
    (tmp_path / "secret.yaml").write_text("password: swordfish")
    found = _differences(tmp_path, "extends: ../secret.yaml\na: 1", "a: 2")
    assert found == {"extends": ("../secret.yaml", ABSENT), "a": (1, 2)}


def test_many_runs_are_still_told_apart(tmp_path: Path) -> None:
    """Each has a letter, and behind the last letter a number; values are cut."""
    for number in range(30):
        make_run(tmp_path, f"run-{number:02}", resolved=CONFIG.replace("lr: 0.01", f"lr: 0.01234567{number:02}"))
    lines = comparison_lines(compare([f"run-{number:02}" for number in range(30)], tmp_path), 80)
    assert lines[0].startswith("A  ")
    assert lines[29].startswith("30  ")
    row = next(line for line in lines if line.startswith("train.optimizer.lr"))
    assert list(itertools.islice(row.split(), 1, 3)) == ["0.0123..", "0.0123.."]


def test_one_run_is_nothing_to_compare(tmp_path: Path) -> None:
    """The help has the command."""
    make_run(tmp_path, "a")
    with pytest.raises(UsageError, match="nothing to compare"):
        compare(["a"], tmp_path)
