"""The network of a run: what it is made of."""

from __future__ import annotations

from typing import Final

from dlcli.app.pages.figures import Rows, label
from dlcli.app.report.gather import Saved
from dlcli.app.report.network_picture import network_figure, short_sizes
from dlcli.app.report.parts import Facts, Figures, Note, Section, Side, Table
from dlcli.app.summary import LayerSummary, summary_of
from dlcli.runtime.durable_files import size_text

_MOST_ROWS: Final = 14
_MOST_LISTED: Final = 500


def network_section(saved: Saved) -> Section:
    """Layers, sizes and costs."""
    section = Section("Network")
    if saved.experiment is None:
        section.parts.append(Note("The network can't be told from what the run has saved.", "faint"))
        return section
    summary = summary_of(saved.experiment)
    facts: list[tuple[str, str | int | float | None]] = [("parameters", summary.parameters)]
    facts.append(("weights", size_text(summary.weight_bytes)))
    if summary.flops is not None:
        facts.append(("operations a sample", f"{summary.flops:,} FLOPs"))
    section.parts.append(Facts(facts))
    figure = network_figure(summary.graph)
    rows: Rows = [["layer", "output", "parameters", "FLOPs"], *map(_row, summary.layers[:_MOST_LISTED])]
    table = Table(rows, f"The {len(summary.layers)} layers one by one", is_long=len(rows) > _MOST_ROWS)
    section.parts.append(Side([Figures([figure]), table]) if figure is not None else table)
    if figure is None:
        note = f"It branches too often for a picture here; as a chart: dlcli summary {saved.run.path} --mermaid"
        section.parts.append(Note(note, "faint"))
    return section


def _row(layer: LayerSummary) -> list[str | int | float | None]:
    own, kind = layer.path.rpartition(".")[2], layer.type if layer.shares is None else f"share of {layer.shares}"
    name = own if own.startswith(f"{kind}_") else f"{own} ({kind})"
    parameters = None if layer.is_nesting and not layer.parameters else layer.parameters
    indent = "\N{NO-BREAK SPACE}" * 3 * layer.path.count(".")
    return [indent + label(name, 60), short_sizes(layer.output_shape), parameters, None if layer.is_nesting else layer.flops]
