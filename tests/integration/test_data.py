"""`dlcli data` on the command line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dlcli.cli import data as module
from dlcli.config.data import SOURCES
from tests.integration.conftest import Cli
from tests.unit.data.idx_files import write_family

PLUGIN = """
from typing import ClassVar
import numpy as np
from dlcli.config.facts import DataFacts
from dlcli.config.shapes import Vector
from dlcli.data.raw import RawData, RawSplit
from dlcli.plugins import DataSource, Plugin

class Noise(DataSource):
    '''Noise that has a NaN in it.'''

    kind: ClassVar[str] = "noise"

    def facts(self, directories):
        return DataFacts.of(Vector(2), num_classes=2)

    def read(self, directories):
        x = np.random.default_rng(0).normal(size=(100, 2)).astype(np.float32)
        x[3, 1] = np.nan
        return RawData(RawSplit(x, np.arange(100) % 2), None, None, None, "nowhere")

PLUGIN = Plugin(sources=(Noise,))
"""


def test_sources_are_listed_for_people_and_for_scripts(cli: Cli, tmp_path: Path) -> None:
    """Each once; where one is found stands beside it."""
    write_family(tmp_path / "data" / "kmnist")
    listed = cli("data", "list", "--data-dir", "data", "--json").json["sources"]
    assert [source["name"] for source in listed] == list(SOURCES)
    assert {source["name"]: source["place"] for source in listed if source["place"]} == {
        "kmnist": str(tmp_path / "data" / "kmnist")
    }
    outcome = cli("data", "list", "--data-dir", "data")
    assert (outcome.code, outcome.err) == (0, "")
    assert all(f"  {name} " in outcome.out for name in SOURCES)


def test_data_is_described_by_a_name_or_a_config(cli: Cli, quick: Path) -> None:
    """The same counts either way, and those of the training that follows."""
    by_config = cli("data", "info", quick, "--json").json
    assert by_config == cli("data", "info", "digits", "--set", "data.limit=300", "--json").json
    page = cli("data", "info", quick)
    assert page.out.startswith(
        "data       digits\norigin     inside the package\nlicence    CC BY 4.0\nsamples    300 train, 144 valid, 300 test;"
    )
    assert cli("train", quick, "--name", "a", "--set", "train.max_steps=1").code == 0
    assert cli("runs", "show", "a", "--json").json["record"]["data"]["samples"] == by_config["samples"]


def test_data_without_a_fault_gives_0_and_one_with_a_fault_3(cli: Cli, tmp_path: Path) -> None:
    """A warning alone is no fault; JSON counts both."""
    assert cli("data", "check", "digits").code == 0
    values = np.random.default_rng(0).normal(size=(100, 3)).astype(np.float32)
    values[40] = values[41]
    np.savez("a.npz", x_train=values, y_train=np.arange(100) // 2 % 2, x_test=values[80:] + 1, y_test=np.arange(20) % 2)
    warned = cli("data", "check", "arrays", "--set", "data.path=a.npz", "--json")
    assert (warned.code, warned.json["ok"], warned.json["faults"]) == (0, True, 0)
    assert warned.json["warnings"] >= 1
    assert warned.json["samples"] == {"train": 90, "valid": 10, "test": 20}
    np.savez("a.npz", x_train=values, y_train=np.arange(100) // 2 % 2, x_test=values[:50], y_test=np.arange(50) // 2 % 2)
    outcome = cli("data", "check", "arrays", "--set", "data.path=a.npz")
    assert outcome.code == 3
    assert "fault    shared samples" in outcome.out
    assert outcome.out.splitlines()[-1].endswith("warning")


def test_a_fallback_is_not_taken_for_the_data(cli: Cli) -> None:
    """Both commands say which source stands in, the check in its last line too; a warning, and no fault."""
    Path("a.yaml").write_text(
        "data: {name: text_lines, path: none.csv, fallback: {name: random, layout: tokens, sizes: [16], vocabulary_size: 40}}"
    )
    outcome = cli("data", "check", "a.yaml")
    said = "in `random`, which stands in for `text_lines`; your data was not checked"
    assert (outcome.code, outcome.out.splitlines()[-1]) == (0, f"nothing found {said}")
    assert outcome.out.startswith("warning  data ")
    found = cli("data", "check", "a.yaml", "--json").json
    assert (found["ok"], found["warnings"], found["checks"][0]["check"]) == (True, 1, "data")
    head = cli("data", "info", "a.yaml").out.splitlines()[:2]
    assert [line.split(maxsplit=1)[-1] for line in head] == [
        "`random`, which stands in for `text_lines`;",
        "data is not described",
    ]


def test_the_source_of_a_plugin_is_listed_described_and_checked(cli: Cli) -> None:
    """What it hands over is looked at like any other data."""
    Path("noise.py").write_text(PLUGIN)
    sources = cli("data", "list", "--plugin", "noise.py", "--json").json["sources"]
    assert sources[-1]["what"] == "Noise that has a NaN in it."
    refused = cli("data", "check", "noise", "--plugin", "noise.py")
    assert refused.code == 3
    assert "the training samples hold NaN or infinity" in refused.err
    outcome = cli("data", "check", "noise", "--plugin", "noise.py", "--set", "data.normalize=none", "--json")
    assert outcome.code == 3
    [fault] = [check for check in outcome.json["checks"] if check["state"] == "fault"]
    assert fault["message"] == "NaN or infinity in 1 sample"


def test_damaged_data_is_an_error_as_in_a_training(cli: Cli) -> None:
    """Exit code 3, and one object on stdout under `--json`."""
    Path("a.npz").write_text("nothing")
    outcome = cli("data", "check", "arrays", "--set", "data.path=a.npz", "--json")
    assert outcome.code == 3
    assert outcome.json["exit_code"] == 3


def test_what_is_here_is_not_fetched(cli: Cli, tmp_path: Path, no_download: None) -> None:
    """It is read and counted; a name that is not here needs the network, and says so."""
    write_family(tmp_path / "data" / "kmnist")
    outcome = cli("data", "fetch", "kmnist", "--data-dir", "data")
    assert outcome.out == f"kmnist: was here already, 70 samples checked, in {tmp_path / 'data' / 'kmnist'}\n"
    fetched = cli("data", "fetch", "kmnist", "--data-dir", "data", "--json").json["fetched"]
    assert fetched == [{"name": "kmnist", "place": str(tmp_path / "data" / "kmnist"), "was_there": True, "samples": 70}]
    refused = cli("data", "fetch", "mnist", "--data-dir", "data")
    assert refused.code == 3
    assert "server can't be reached: no network in tests" in refused.err
    assert cli("data", "fetch", "digits").code == 2


@pytest.mark.parametrize("is_terminal", [True, False], ids=["terminal", "pipe"])
def test_a_download_is_shown(is_terminal: bool, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """As a bar that is taken away at the end, or by one line at its begin; on stderr."""
    monkeypatch.setattr(module, "is_interactive", lambda _: is_terminal)
    with module._download_display("mnist") as show:
        show(1_000_000, 11_594_722)
        show(11_594_722, 11_594_722)
    printed = capsys.readouterr()
    assert printed.out == ""
    if not is_terminal:
        assert printed.err == "downloading mnist, 11.6 MB\n"
