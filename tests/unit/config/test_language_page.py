"""docs/language.md: its examples are valid, and its tables name the whole vocabulary."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dlcli.app.configs import diagnose
from dlcli.config.augmentation import AUGMENTATIONS
from dlcli.config.data import SOURCES
from dlcli.config.facts import FACT_NAMES
from dlcli.config.initialisation import INITS
from dlcli.config.layers import LAYERS
from dlcli.config.loggers import LOGGERS
from dlcli.config.losses import LOSSES
from dlcli.config.metrics import METRICS
from dlcli.config.optimizers import OPTIMIZERS
from dlcli.config.schedules import SCHEDULES
from dlcli.config.training import TrainSpec

PAGE = (Path(__file__).parents[3] / "docs" / "language.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("text", EXAMPLES)
def test_examples_are_valid_and_give_no_warning(text: str, tmp_path: Path) -> None:
    """Each can be trained as it stands."""
    config = tmp_path / "example.yaml"
    config.write_text(text, encoding="utf-8")
    assert [found.render() for found in diagnose(config, (), None)] == []


@pytest.mark.parametrize(
    "name",
    [
        *LAYERS,
        *LOGGERS,
        *LOSSES,
        *METRICS,
        *OPTIMIZERS,
        *SCHEDULES,
        *INITS,
        *SOURCES,
        *AUGMENTATIONS,
        *FACT_NAMES,
        *TrainSpec.model_fields,
    ],
)
def test_every_name_of_the_language_is_on_the_page(name: str) -> None:
    """`max_pool1d/2d/3d` stands for three."""
    stem = re.sub(r"[123]d$", "1d", name)
    assert re.search(rf"\b({re.escape(name)}|{re.escape(stem)}/2d)\b", PAGE), name
