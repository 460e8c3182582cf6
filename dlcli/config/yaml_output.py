"""Plain values as YAML."""

from __future__ import annotations

from typing import Any

import yaml

from dlcli.config.yaml_source import resolve as resolve_scalar


def as_yaml(config: dict[str, Any]) -> str:
    """Plain values as YAML that reads back as the same values."""
    return yaml.dump(config, Dumper=_Dumper, sort_keys=False, default_flow_style=None, width=110, allow_unicode=True)


class _Dumper(yaml.SafeDumper):
    """Quotes what would otherwise read back as something else."""


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = None if isinstance(resolve_scalar(text), str) else "'"
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent_text)
