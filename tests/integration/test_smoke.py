"""`dlcli smoke`: what CI runs over every config."""

from __future__ import annotations

from pathlib import Path

from tests.integration.conftest import CONFIGS, Cli


def test_every_shipped_config_passes(cli: Cli, no_download: None) -> None:
    """Trained, saved, read back and judged to the last digit; nothing is kept."""
    configs = sorted(CONFIGS.glob("*.yaml"))
    outcome = cli("smoke", *configs, "--json")
    assert outcome.code == 0, outcome.err
    assert [result["ok"] for result in outcome.json["configs"]] == [True] * len(configs)
    assert not Path("runs").exists()


def test_a_config_that_fails_is_named_and_the_others_still_run(cli: Cli, quick: Path, tmp_path: Path) -> None:
    """The worst exit code, and one row a config."""
    broken = tmp_path / "broken.yaml"
    broken.write_text(quick.read_text().replace("- relu", "- rellu"))
    outcome = cli("smoke", broken, quick)
    assert outcome.code == 2
    assert "did you mean `relu`?" in outcome.out
    assert [line.split()[-1] for line in outcome.out.splitlines()[1:3]] == ["FAILED", "ok"]
