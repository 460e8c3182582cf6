"""`dlcli smoke`: what CI runs over every config."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from torch import Tensor

from dlcli.data.batches import Batch
from dlcli.training.trainer import Trainer
from tests.integration.conftest import CONFIGS, Cli

LARGE = CONFIGS / "zoo" / "vgg11.yaml"  # half a gigabyte for each checkpoint


def test_every_shipped_config_passes(cli: Cli, no_download: None) -> None:
    """Trained, saved, read back and judged to the last digit; nothing is kept."""
    configs = sorted(set(CONFIGS.rglob("*.yaml")) - {LARGE})
    outcome = cli("smoke", *configs, "--json")
    assert outcome.code == 0, outcome.err
    assert [result["ok"] for result in outcome.json["configs"]] == [True] * len(configs)
    assert not Path("runs").exists()


@pytest.mark.slow
def test_a_config_of_many_parameters_passes(cli: Cli, no_download: None) -> None:
    """The same with the 133 million of VGG-11."""
    outcome = cli("smoke", LARGE, "--json")
    assert outcome.code == 0, outcome.err
    assert [result["parameters"] for result in outcome.json["configs"]] == [132_863_336]


def test_an_interruption_ends_all_of_it(cli: Cli, quick: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C in the first config: exit code 130, and the second is not begun."""
    step = Trainer.step

    def interrupted(self: Trainer, group: list[Batch]) -> Tensor:
        os.kill(os.getpid(), signal.SIGINT)
        return step(self, group)

    monkeypatch.setattr(Trainer, "step", interrupted)
    outcome = cli("smoke", quick, quick, "--json")
    assert outcome.code == 130
    assert len(outcome.json["configs"]) == 1


def test_data_that_stood_in_is_told(cli: Cli, quick: Path, tmp_path: Path, no_download: None) -> None:
    """In the row of the config, and under --json."""
    fallen_back = tmp_path / "fallen_back.yaml"
    fallen_back.write_text(quick.read_text().replace("name: digits", "name: mnist, fallback: digits"))
    rows = cli("smoke", fallen_back, quick).out.splitlines()[1:]
    assert "  digits in place of mnist  " in rows[0]
    assert "in place of" not in rows[1]
    (result,) = cli("smoke", fallen_back, "--json").json["configs"]
    assert (result["asked"], result["data"]) == ("mnist", "digits")


def test_a_config_that_fails_is_named_and_the_others_still_run(cli: Cli, quick: Path, tmp_path: Path) -> None:
    """The worst exit code, and one row a config."""
    broken = tmp_path / "broken.yaml"
    broken.write_text(quick.read_text().replace("- relu", "- rellu"))
    outcome = cli("smoke", broken, quick)
    assert outcome.code == 2
    assert "did you mean `relu`?" in outcome.out
    assert [line.split()[-1] for line in outcome.out.splitlines()[1:3]] == ["FAILED", "ok"]
