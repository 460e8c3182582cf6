"""Forecasts from a table: what is refused, and what a run keeps."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from dlcli.config import yaml_source
from dlcli.config.data import Csv
from dlcli.config.diagnostics import Report, Source
from dlcli.config.spec import dump, read
from dlcli.data.dataset import open_dataset
from dlcli.data.directories import search_directories
from tests.integration.conftest import Cli

_CONFIG = """\
data: {name: csv, path: hours.csv, target: [load, wind], time: date, window: 6, horizon: 3}
model:
  layers:
    - gru: {hidden_size: 4, return: last}
    - linear: ${data.num_targets}
train: {epochs: 1, loss: mse}
"""


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """100 hours beside a config that forecasts them, in the working directory."""
    monkeypatch.chdir(tmp_path)
    path = Path("hours.csv")
    rows = [f"2024-01-{1 + hour // 24:02} {hour % 24:02}:00,{np.sin(hour / 4):.4f},{hour % 7}.5" for hour in range(100)]
    path.write_text("\n".join(["date,load,wind", *rows]))
    Path("forecast.yaml").write_text(_CONFIG)
    return path


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("04:00,0.8415", "04:00,", ["hours.csv:6", "column `load` is empty", "fill the cell in or remove the row"]),
        ("04:00,0.8415", "04:00,nan", ["hours.csv:6", "column `load` holds 'nan'", "fill the cell in or remove the row"]),
        ("2024-01-01 05:00", "01/01/24 05:00", ["hours.csv:7", "`date` holds '01/01/24 05:00'", "a date like 2016-07-01 12:30"]),
        ("2024-01-01 05:00", "2024-01-01 04:00", ["hours.csv:7", "which line 6 holds too", "keep one row of each time"]),
        ("wind", "Wind", ["has no column `wind`, which data.target names", "did you mean `Wind`?"]),
    ],
)
def test_tables_that_can_not_be_forecast_end_a_training(cli: Cli, table: Path, old: str, new: str, words: list[str]) -> None:
    """File and line, what was found, what to do; exit code 3, and nothing half-written."""
    text = table.read_text()
    assert old in text
    table.write_text(text.replace(old, new))
    outcome = cli("train", "forecast.yaml")
    assert (outcome.code, outcome.out) == (3, "")
    assert "Traceback" not in outcome.err
    for word in words:
        assert word in outcome.err
    assert not Path("runs").exists()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("data.window=80", ["the train split has 72 of 100 rows, expected at least 83 for a window and the 3 after it"]),
        ("data.horizon=9", ["the valid split has 8 of 100 rows, expected at least the 9 of an answer", "data.split.valid=0"]),
        ("data.rows=101", ["has 100 rows, and data.rows asks for the first 101"]),
    ],
)
def test_windows_that_do_not_fit_are_shown_before_a_training(cli: Cli, table: Path, change: str, words: list[str]) -> None:
    """`validate` tells it as `train` does."""
    for command, code in (("validate", 2), ("train", 3)):
        outcome = cli(command, "forecast.yaml", "--set", change)
        assert outcome.code == code
        for word in words:
            assert word in outcome.err
    assert not Path("runs").exists()


@pytest.mark.parametrize(("target", "columns"), [("all", ("load", "wind")), (None, ("wind",))])
def test_a_run_keeps_which_columns_it_reads(table: Path, target: str | None, columns: tuple[str, ...]) -> None:
    """Its resolved config reads the same samples again; numbers are those of the training rows, each once."""
    spec = Csv(path="hours.csv", target=target, time="date", window=6, horizon=2, date_features=("hour",))
    directories = search_directories(None, None)
    first = open_dataset(spec, directories, lambda _: None)
    assert isinstance(first.spec, Csv)
    assert (first.spec.target, first.spec.features) == (columns, ("load", "wind"))
    report = Report()
    kept = read(yaml_source.parse(Source("kept", json.dumps(dump(first.spec))), report), Csv, "csv", report)
    report.raise_if_any()
    assert kept is not None
    again = open_dataset(kept, directories, lambda _: None)
    assert again.spec == first.spec
    torch.testing.assert_close(again.train.inputs, first.train.inputs, rtol=0, atol=0)
    torch.testing.assert_close(again.train.targets, first.train.targets, rtol=0, atol=0)
    values = np.genfromtxt(table, delimiter=",", skip_header=1, usecols=(1, 2))[:72]
    np.testing.assert_allclose(first.spec.normalize.mean[:2], values.mean(0), rtol=1e-5)
    np.testing.assert_allclose(first.spec.normalize.std[:2], values.std(0), rtol=1e-5)
    places = [("load", "wind").index(name) for name in columns]
    np.testing.assert_allclose(first.spec.normalize_targets.mean, np.tile(values.mean(0)[places], 2), rtol=1e-5)


def test_two_outputs_may_forecast_the_same_columns(cli: Cli, table: Path) -> None:
    """A run ends and is judged without a baseline, and its predictions have the columns of both."""
    one, several = _CONFIG.split("    - linear: ", maxsplit=1)[0], "    - linear: {out_features: 6, name: main}\n"
    several += "    - linear: {out_features: 6, name: side, from: body}\n  outputs: [main, side]\n"
    config = one.replace("return: last", "return: last, name: body") + several + "train: {epochs: 1, loss: mse}\n"
    Path("forecast.yaml").write_text(config)
    assert cli("train", "forecast.yaml", "--name", "two").code == 0
    assert json.loads(Path("runs/two/run.json").read_text())["baseline"] is None
    judged = json.loads(cli("eval", "two", "--json").out)
    assert "baseline" not in judged
    told = json.loads(cli("predict", "two", str(table), "--json").out)["predictions"]
    assert [row.keys() for row in told] == [{"date", "main/load", "main/wind", "side/load", "side/wind"}] * 3


@pytest.mark.parametrize("data", ["date_features: [hour]", "features: [wind, load]", "features: [load]"])
@pytest.mark.usefixtures("table")
def test_what_is_scaled_back_is_what_was_read(cli: Cli, data: str) -> None:
    """`reversible_norm` would give one column the mean of another: shown where it stands."""
    text = _CONFIG.replace("horizon: 3}", "horizon: 3, @}")
    layers = "    - reversible_norm: {layers: [{gru: {hidden_size: 4, return: last}}, {linear: 12}]}\n"
    head, _, tail = text.partition("    - gru")
    Path("norm.yaml").write_text(head.replace("@", data) + layers + "train: {epochs: 1, loss: mse}\n")
    outcome = cli("validate", "norm.yaml")
    assert outcome.code == 2
    assert "norm.yaml:4:7" in outcome.err
    assert "`reversible_norm` scales its output back as the features that it reads" in outcome.err
    Path("norm.yaml").write_text(
        (head.replace(", @", "") + layers + tail.partition("\n")[2].partition("\n")[2]).replace("12", "6")
    )
    assert cli("validate", "norm.yaml").code == 0
