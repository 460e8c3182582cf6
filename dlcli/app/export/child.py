"""What the fresh process does: a network read, traced and written as one file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from dlcli.app.export.exported_program import write_program
from dlcli.app.export.fresh_process import FAILURE, REQUEST, WEIGHTS
from dlcli.app.export.onnx import write_onnx
from dlcli.app.export.safetensors import read_safetensors
from dlcli.app.export.tracing import Traceable, as_torch_has_it, trace
from dlcli.errors import DlcliError
from dlcli.plugins import load_plugins, plugin_errors
from dlcli.runtime.memory import memory_errors


def main(folder: str) -> None:
    """Does what the request in a folder says; what keeps it from that stands in a file there.

    Args:
        folder: made by `fresh_process`, with the network as `--to safetensors` writes it.
    """
    place = Path(folder)
    try:
        with memory_errors(), plugin_errors():
            _export(place, json.loads((place / REQUEST).read_bytes()))
    except DlcliError as error:
        told = {"kind": type(error).__name__, "message": error.message, "help": error.help}
        unfinished = place / f"{FAILURE}.tmp"
        unfinished.write_text(json.dumps(told), encoding="utf-8")
        unfinished.replace(place / FAILURE)


def _export(place: Path, request: dict[str, Any]) -> None:
    load_plugins(map(Path, request["plugins"]))
    graph, weights, facts = read_safetensors(place / WEIGHTS)
    program = trace(Traceable(graph, weights))
    file = place / request["file"]
    if file.suffix == ".onnx":
        write_onnx(program, graph, facts, file)
    else:
        as_torch_has_it(program)
        write_program(program, facts, file)
