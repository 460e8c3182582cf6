"""Configs to begin with, by the kind of network. Each is a file beside this one that runs as it is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from dlcli.config.diagnostics import did_you_mean
from dlcli.errors import UsageError

TEMPLATES: Final[Mapping[str, str]] = {
    "cnn": "convolutions",
    "mlp": "dense",
    "lstm": "gated memory",
    "gru": "lighter gates",
    "resnet": "shortcuts",
    "conv_lstm": "both",
}
"""The name of each template, and what its network is made of in a word."""


def read_template(name: str) -> str:
    """The text of a template.

    Raises:
        UsageError: there is none of that name.
    """
    if name not in TEMPLATES:
        raise UsageError(f"there is no template `{name}`", help=did_you_mean(name, TEMPLATES))
    return (Path(__file__).parent / f"{name}.yaml").read_text(encoding="utf-8")
