"""Runs side by side on a page."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from dlcli.app.report import comparison
from dlcli.app.report.comparison import write_comparison
from tests.unit.app.pages.markup import Markup
from tests.unit.app.run_folders import CONFIG, RECORD, make_run


def text_of(page: Path) -> str:
    return " ".join(Markup(page.read_text()).text.split())


def test_a_layer_that_some_lack_is_one_line(tmp_path: Path) -> None:
    """Not one for each of its fields; of one that all have, the fields that differ."""
    deeper = CONFIG.replace("  - relu: {name: relu_1}\n", "  - relu: {name: relu_1}\n  - dropout: {name: dropout_1, p: 0.5}\n")
    make_run(tmp_path, "a")
    make_run(tmp_path, "b", resolved=deeper.replace("out_channels: 8", "out_channels: 16"))
    report = write_comparison(["a", "b"], tmp_path)
    text = text_of(report.path)
    assert "model.layers.dropout_1 - dropout" in text
    assert "dropout_1.p" not in text
    assert "model.layers.conv2d_1.out_channels 8 16" in text


def test_runs_whose_configs_can_not_be_read_have_results(tmp_path: Path) -> None:
    """And a sentence in place of the settings; without epochs there are no curves, and none is named the best."""
    for name in ("a", "b"):
        run = make_run(tmp_path, name, resolved="[", data={**RECORD["data"], "facts": 3})
        (run / "metrics.jsonl").unlink()
    report = write_comparison(["a", "b"], tmp_path)
    assert report.figures == ()
    assert len(report.problems) == 2
    text = text_of(report.path)
    assert "fewer than two can be read" in text
    assert "None of them is named the best" in text


def test_values_of_all_kinds_are_shown(tmp_path: Path) -> None:
    """Lists, nothing and truth as YAML has them; figures that are none, and whole numbers as they are."""
    make_run(
        tmp_path, "a", resolved=CONFIG.replace("limit: null", "limit: [1, 2]"), best={"metric": "valid/accuracy", "value": "x"}
    )
    make_run(tmp_path, "b", resolved=CONFIG.replace("limit: null", "limit: true"))
    text = text_of(write_comparison(["a", "b"], tmp_path).path)
    assert "data.limit [1, 2] true" in text
    assert "a digits in place of mnist completed 3 valid/accuracy" in text


def test_of_very_many_epochs_some_are_drawn(tmp_path: Path, monkeypatch: Any) -> None:
    """Evenly spread, the first and the last among them."""
    monkeypatch.setattr(comparison, "_MOST_EPOCHS", 5)
    assert comparison._spread(101) == [0, 25, 50, 75, 100]
    for name in ("a", "b"):
        run = make_run(tmp_path, name)
        lines = [json.dumps({"event": "epoch", "epoch": epoch, "train/loss": 1.0}) for epoch in range(1, 21)]
        (run / "metrics.jsonl").write_text("\n".join(lines))
    assert write_comparison(["a", "b"], tmp_path).figures == ("train-loss",)


def test_a_curve_that_only_one_run_has_is_no_comparison(tmp_path: Path) -> None:
    """It is left out, and the others are there."""
    make_run(tmp_path, "a")
    run = make_run(tmp_path, "b")
    lines = [json.dumps({"event": "epoch", "epoch": epoch, "train/loss": 1.0}) for epoch in range(1, 4)]
    (run / "metrics.jsonl").write_text("\n".join(lines))
    figures = write_comparison(["a", "b"], tmp_path).figures
    assert "train-loss" in figures
    assert "valid-loss" not in figures


def test_runs_of_the_same_data_have_a_best_one(tmp_path: Path) -> None:
    """Where the data was another, by its name or by its fingerprint, none is named; each says what it was trained on."""
    text = text_of(write_comparison([make_run(tmp_path, name).name for name in ("a", "b")], tmp_path).path)
    assert "not judged on the same data" not in text
    assert "a digits in place of mnist completed" in text
    make_run(tmp_path, "c", data={**RECORD["data"], "used": "mnist"}, best={**RECORD["best"], "value": 0.99})
    text = text_of(write_comparison(["a", "c"], tmp_path).path)
    assert "None of them is named the best: they were not judged on the same data." in text
    assert "c mnist completed" in text
    for name in ("d", "e"):
        make_run(tmp_path, name, data={"used": "digits", "fingerprint": name})
    assert "not judged on the same data" in text_of(write_comparison(["d", "e"], tmp_path).path)
    assert "not judged on the same data" not in text_of(write_comparison(["a", "e"], tmp_path).path)
    make_run(tmp_path, "f", data={"used": 3})
    assert "not judged on the same data" not in text_of(write_comparison(["a", "f"], tmp_path).path)
