"""`dlcli validate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dlcli.cli.completion import complete_config
from dlcli.cli.console import print_json, print_progress, print_result, terminal_width
from dlcli.cli.options import DataDir, Json, Plugins, Set
from dlcli.config.diagnostics import Diagnostic
from dlcli.runtime.garbage import without_garbage_collection


def validate_command(
    configs: Annotated[
        list[Path],
        typer.Argument(metavar="CONFIG...", help="YAML files, or - for standard input.", autocompletion=complete_config),
    ],
    set_: Set = None,
    data_dir: DataDir = None,
    strict: Annotated[bool, typer.Option("--strict", help="Treat warnings as errors.")] = False,
    github: Annotated[bool, typer.Option("--github", help="Print annotations for a GitHub workflow on stdout.")] = False,
    plugin: Plugins = None,
    json: Json = False,
) -> int:
    """Check each CONFIG without training: syntax, names, values, shapes, and what runs but is probably not meant.

    Example: dlcli validate configs/*.yaml --strict
    """
    with without_garbage_collection():
        found = _found(configs, set_ or [], data_dir, plugin or [])
    errors = [diagnostic for diagnostic in found if strict or diagnostic.severity == "error"]
    if json:
        print_json({"valid": not errors, "diagnostics": [diagnostic.as_json() for diagnostic in found]})
    if github:
        print_result("\n".join(diagnostic.as_github() for diagnostic in found))
    for diagnostic in found if not github else ():
        print_progress(diagnostic.render(terminal_width()) + "\n")
    summary = _summary(found, len(configs), strict=strict)
    if json or github:
        print_progress(summary)
    else:
        print_result(summary)
    return 2 if errors else 0


def _found(configs: list[Path], overrides: list[str], data_dir: Path | None, plugins: list[Path]) -> list[Diagnostic]:
    from dlcli.app.configs import diagnose
    from dlcli.plugins import load_plugins

    load_plugins(plugins)
    return [diagnostic for config in configs for diagnostic in diagnose(config, overrides, data_dir)]


def _summary(found: list[Diagnostic], configs: int, *, strict: bool) -> str:
    counts = [(sum(one.severity == severity for one in found), severity) for severity in ("error", "warning")]
    mistakes = " and ".join(f"{count} {word}{'' if count == 1 else 's'}" for count, word in counts if count)
    files = f"{configs} config{'' if configs == 1 else 's'}"
    if not mistakes:
        return f"{files} checked: no mistake found"
    return f"{files} checked: {mistakes}{', which --strict does not let pass' if strict and not counts[0][0] else ''}"
