"""Every shipped network as a file of torch.export and of ONNX, each made in a process of its own, as a person has it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.conftest import CONFIGS, Cli

SHIPPED = [*sorted(CONFIGS.glob("*.yaml")), *sorted((CONFIGS / "zoo").glob("*.yaml"))]


@pytest.mark.slow
@pytest.mark.parametrize("to", ["safetensors", "pt2", "onnx", "python"])
@pytest.mark.parametrize("config", SHIPPED, ids=[f"{path.parent.name}-{path.stem}" for path in SHIPPED])
def test_every_shipped_network_leaves_to_every_target(cli: Cli, config: Path, to: str) -> None:
    """With the weights that a training would start from; what is written is compared before it is kept."""
    outcome = cli("export", config, "--to", to, "--json")
    assert outcome.code == 0, outcome.err
    file = Path(outcome.json["file"])
    assert file.is_file()
    verified = outcome.json["verified"]
    assert max(verified["largest_difference"].values()) <= 1e-3
    file.unlink()
