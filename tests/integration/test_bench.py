"""`dlcli bench`: how fast a config trains here."""

from __future__ import annotations

from pathlib import Path

import pytest

from dlcli.app import bench
from tests.integration.conftest import Cli


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    """No longer than it takes to go through all of it."""
    monkeypatch.setattr(bench, "_SECONDS", 0.0)
    monkeypatch.setattr(bench, "_PRODUCT", 64)


def test_the_figures_of_a_bench_fit_together(cli: Cli, quick: Path) -> None:
    """Rate, parts of a step, what the machine can do; the config's overrides count, and nothing is kept."""
    outcome = cli("bench", quick, "--json", "--set", "train.batch_size=32", "--set", "train.accumulate=2")
    assert outcome.code == 0, outcome.err
    found = outcome.json
    assert found["batch_size"] == 32
    assert found["steps"] >= 20
    assert list(found["milliseconds"]) == ["data", "forward", "backward", "optimiser", "other"]
    assert all(value >= 0 for value in found["milliseconds"].values())
    assert found["samples_per_second"] > 0
    assert 0 < found["share_of_peak"] < 10
    assert found["peak_memory"] > 2**20
    assert [path.name for path in quick.parent.iterdir()] == [quick.name]


def test_a_limit_of_steps_does_not_end_a_bench(cli: Cli, quick: Path) -> None:
    """It takes the steps that it needs, and comes to an end."""
    outcome = cli("bench", quick, "--json", "--set", "train.max_steps=3")
    assert outcome.code == 0, outcome.err
    assert outcome.json["steps"] >= 20


def test_a_bench_is_read_by_people(cli: Cli, quick: Path) -> None:
    """One line for each part."""
    outcome = cli("bench", quick)
    assert outcome.code == 0, outcome.err
    assert "samples/s in " in outcome.out
    starts = [line.split()[0] for line in outcome.out.splitlines() if line]
    assert starts[2:] == ["data", "forward", "backward", "optimiser", "other", "product", "memory"]


def test_a_bench_without_compiled_kernels_says_so(cli: Cli, quick: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package that was built without a C compiler is slower than its figures."""
    monkeypatch.setattr("dlcli.app.bench.library", lambda: None)
    outcome = cli("bench", quick)
    assert "kernels    torch's alone: the package was built without a C compiler, or from other sources" in outcome.out


def test_a_sequence_of_any_length_has_no_share_of_the_peak(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its operations depend on the sample."""
    monkeypatch.chdir(tmp_path)
    config = tmp_path / "steps.yaml"
    config.write_text(
        "data: {name: parity, steps: 12, min_steps: 5, num_samples: 300}\nmodel: {layers: [embedding: 4, gru: 4, linear: 2]}\n"
    )
    outcome = cli("bench", config, "--json")
    assert outcome.code == 0, outcome.err
    assert outcome.json["samples_per_second"] > 0
