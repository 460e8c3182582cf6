"""A run and data whose classes have other names by now."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.conftest import Cli

_SERIES = """\
@equalLength true
@classLabel true {classes}
@data
{rows}
"""


@pytest.mark.parametrize("command", [("eval",), ("train", "--resume", "--set", "train.epochs=2")])
def test_renamed_classes_are_not_judged_as_the_old_ones(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    """The header names them in another order: every label would be taken for the other one."""
    monkeypatch.chdir(tmp_path)
    rows = "\n".join(f"{row},{row % 3},{row % 5}:{'ab'[row % 2]}" for row in range(24))
    Path("x_TRAIN.ts").write_text(_SERIES.format(classes="a b", rows=rows))
    layers = "{layers: [{gru: {hidden_size: 4, return: last}}, {linear: '${data.num_classes}'}]}"
    Path("x.yaml").write_text(f"data: {{name: ts, path: x_TRAIN.ts}}\nmodel: {layers}\ntrain: {{epochs: 1, clip_gradients: 1}}\n")
    assert cli("train", "x.yaml").code == 0
    Path("x_TRAIN.ts").write_text(_SERIES.format(classes="b a", rows=rows))
    outcome = cli(*command)
    assert outcome.code == 3
    assert "the classes were a, b, and are b, a" in outcome.err
    assert "help: train anew" in outcome.err
