"""A network as a file of `torch.export`: torch alone runs it, and no class of dlcli."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Final

import torch
from torch import Tensor
from torch.export import ExportedProgram

from dlcli.app.export.batches import Batch
from dlcli.app.export.facts import Facts, as_text
from dlcli.app.export.verification import Answer, Outputs
from dlcli.config.graph import Graph

FACTS_FILE: Final = "dlcli.json"
"""What the facts are called among the file's `extra_files`."""


def write_program(program: ExportedProgram, facts: Facts, file: Path) -> None:
    """Writes a program of torch's own operations."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.export.save(program, file, extra_files={FACTS_FILE: as_text(facts)})


def open_program(file: Path, graph: Graph) -> Answer:
    """Reads such a file, which this process or its child has just written: torch keeps parts of it as pickles."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = torch.export.load(file).module()

    def answer(batch: Batch) -> Outputs:
        values = module(batch.values) if batch.lengths is None else module(batch.values, batch.lengths)
        return {graph.outputs[0]: values} if isinstance(values, Tensor) else values

    return answer
