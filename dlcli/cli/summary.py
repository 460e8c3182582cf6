"""`dlcli summary`."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from dlcli.cli.console import print_json, print_result, table
from dlcli.cli.options import DataDir, Json, Plugins, RunOrConfigArgument, RunsDir, Set
from dlcli.errors import UsageError
from dlcli.runtime.durable_files import size_text
from dlcli.runtime.garbage import without_garbage_collection

if TYPE_CHECKING:
    from dlcli.app.summary import LayerSummary, Summary
    from dlcli.config.receptive_field import ReceptiveField

_HEAD: Final = ["layer", "output", "params", "FLOPs", "memory", "field"]
_NUMBERS: Final = (2, 3, 4)
_LEAST_WIDTH: Final = 16
"""Of the column of names, however narrow the terminal."""


def summary_command(
    target: RunOrConfigArgument,
    set_: Set = None,
    data_dir: DataDir = None,
    runs_dir: RunsDir = Path("runs"),
    mermaid: Annotated[bool, typer.Option("--mermaid", help="Print a Mermaid flowchart of the layers.")] = False,
    plugin: Plugins = None,
    json: Json = False,
) -> None:
    """Show the layers of a network: shapes, parameters, operations, memory and receptive fields. Nothing is built or read.

    Example: dlcli summary configs/cnn.yaml
    """
    if mermaid and json:
        raise UsageError("a summary is JSON or a flowchart", help="leave out --json or --mermaid")
    with without_garbage_collection():
        from dlcli.app.mermaid import mermaid as flowchart  # pydantic: only once there is work to do
        from dlcli.app.summary import summarise
        from dlcli.plugins import load_plugins

        load_plugins(plugin or ())
        summary = summarise(target, set_ or (), data_dir, runs_dir)
    if json:
        print_json(summary.as_json())
    elif mermaid:
        print_result(flowchart(summary.graph))
    else:
        print_result("\n".join(_lines(summary, shutil.get_terminal_size().columns)))


def _lines(summary: Summary, width: int) -> list[str]:
    """The table and the totals, in so many columns."""
    cells = [_cells(layer) for layer in summary.layers]
    others = table([_HEAD[1:], *cells], right=[column - 1 for column in _NUMBERS]).splitlines()
    names = _fitted([["layer"], *map(_names, summary.layers)], width - max(map(len, others)) - 2)
    return [*(f"{name}  {rest}".rstrip() for name, rest in zip(names, others, strict=True)), "", *_totals(summary)]


def _names(layer: LayerSummary) -> list[str]:
    """What the layer is called, from the long form to the short one; a name that has the type in it says both."""
    indent = "  " * layer.path.count(".")
    name = indent + layer.path.rpartition(".")[2]
    kind = f"share of {layer.shares}" if layer.shares is not None else layer.type
    return [name] if name.startswith(f"{indent}{kind}_") else [f"{name} ({kind})", name]


def _fitted(names: list[list[str]], width: int) -> list[str]:
    """The names in a column that is at most so wide: without their types where that is not enough, or cut off."""
    width = min(max(width, _LEAST_WIDTH), max(len(forms[0]) for forms in names))
    chosen = [next((form for form in forms if len(form) <= width), f"{forms[-1][: width - 2]}..") for forms in names]
    return [name.ljust(width) for name in chosen]


def _cells(layer: LayerSummary) -> list[str]:
    if layer.is_nesting:
        return [layer.sizes, _count(layer.parameters) if layer.parameters else "", "", "", _field(layer.receptive_field)]
    return [
        layer.sizes,
        _count(layer.parameters),
        _count(layer.flops),
        "-" if layer.memory is None else size_text(layer.memory),
        _field(layer.receptive_field),
    ]


def _field(field: ReceptiveField) -> str:
    """`5x5`; `all` for the whole input, `-` for one that has no axes to see a part of."""
    texts = {name: _extents(extents) for name, extents in field.items()}
    return next(iter(texts.values())) if len(texts) == 1 else ", ".join(f"{name} {text}" for name, text in texts.items())


def _extents(extents: tuple[int | None, ...]) -> str:
    if not extents:
        return "-"
    if all(extent is None for extent in extents):
        return "all"
    return "x".join("all" if extent is None else str(extent) for extent in extents)


def _totals(summary: Summary) -> list[str]:
    samples = f"{summary.batch_size} sample{'' if summary.batch_size == 1 else 's'}"
    flops = "depend on the number of steps T" if summary.flops is None else f"{summary.flops:,} for one sample"
    rows = [
        ["parameters", f"{summary.parameters:,}"],
        ["FLOPs", flops],
        ["weights", size_text(summary.weight_bytes)],
        ["training", f"about {size_text(summary.memory)} for a step of {samples}"],
    ]
    lines = table(rows).splitlines()
    if any(layer.type == "time_distributed" for layer in summary.layers):
        lines.append("inside of time_distributed, output and field are those of one step")
    return lines


def _count(count: int | None) -> str:
    """`9,999`, `12.3K`, `1.23M`; `-` where it depends on the sample."""
    if count is None:
        return "-"
    return f"{count:,}" if count < 10_000 else _scaled(count)


def _scaled(count: float) -> str:
    """Three digits and a unit."""
    scaled, units = count / 1000, iter("MGTPE")
    unit = "K"
    while scaled >= 999.5 and (following := next(units, None)):
        scaled, unit = scaled / 1000, following
    digits = 2 if scaled < 9.995 else 1 if scaled < 99.95 else 0
    return f"{scaled:.{digits}f}{unit}"
