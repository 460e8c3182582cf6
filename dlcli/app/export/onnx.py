"""A network as a file of ONNX, which runs without torch."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import torch
from torch.export import ExportedProgram

import dlcli
from dlcli.app.export.batches import Batch
from dlcli.app.export.facts import MARK, Facts, as_text, lengths_name
from dlcli.app.export.verification import Answer, Outputs
from dlcli.config.graph import Graph
from dlcli.config.shapes import has_any_time
from dlcli.errors import CheckpointError, UsageError

_PACKAGES: Final = ("onnx", "onnxscript", "onnxruntime")
MOST_BYTES: Final = 2**31 - 2**24
"""Of weights: a file of ONNX has no more than 2 GiB, and needs some for the rest."""
_ANY: Final = 2**62
"""Constants of any size are calculated beforehand."""


def check_packages() -> None:
    """Whether there is what writes and runs such files.

    Raises:
        UsageError: there is not.
    """
    missing = [name for name in _PACKAGES if find_spec(name) is None]
    if missing:
        what = f"an export to ONNX needs {', '.join(missing)}, which {'is' if len(missing) == 1 else 'are'} not installed here"
        raise UsageError(what, help=f"install what is missing: pip install {' '.join(missing)}")


def write_onnx(program: ExportedProgram, graph: Graph, facts: Facts, file: Path) -> None:
    """Writes a traced network.

    Raises:
        CheckpointError: it has an operation that can't be said in ONNX.
    """
    from onnxscript import optimizer  # noqa: PLC0415  # an extra

    from dlcli.app.export import onnx_pooling, onnx_recurrent  # noqa: PLC0415  # an extra

    with warnings.catch_warnings(), _translation_errors():
        warnings.simplefilter("ignore")
        made = torch.onnx.export(
            program,
            input_names=_input_names(graph, facts),
            output_names=list(graph.outputs),
            dynamo=True,
            verbose=False,
            custom_translation_table={**onnx_recurrent.TRANSLATIONS, **onnx_pooling.TRANSLATIONS},
        )
        assert made is not None
        optimizer.optimize(made.model, input_size_limit=_ANY, output_size_limit=_ANY)
        _name_axes(made.model, graph)
        _describe(made.model, facts)
        made.save(file, external_data=False)


@contextmanager
def _translation_errors() -> Iterator[None]:
    """Turns what torch's exporter raises, which is a report of many lines, into an error with its last cause.

    Raises:
        CheckpointError: instead of any other error.
    """
    try:
        yield
    except Exception as error:
        cause: BaseException = error
        while cause.__cause__ is not None:
            cause = cause.__cause__
        reason = " ".join(str(cause).split())[:300]
        what = f"torch can't write the network as ONNX: {type(cause).__name__}: {reason}"
        raise CheckpointError(what, help="export to pt2, or to safetensors, which keeps the weights and the config") from error


def open_onnx(file: Path, graph: Graph) -> Answer:
    """Reads such a file for onnxruntime, on the CPU."""
    import onnxruntime  # type: ignore[import-untyped]  # noqa: PLC0415  # an extra

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])

    def answer(batch: Batch) -> Outputs:
        given = {name: values.numpy() for name, values in batch.inputs.items()}
        if batch.lengths is not None:
            given[lengths_name(graph.inputs)] = batch.lengths.numpy()
        found = session.run(None, given)
        return {output.name: torch.from_numpy(values) for output, values in zip(session.get_outputs(), found, strict=True)}

    return answer


def _input_names(graph: Graph, facts: Facts) -> list[str]:
    return [*graph.inputs, *([facts["lengths"]["name"]] if "lengths" in facts else [])]


def _describe(model: Any, facts: Facts) -> None:
    """Says what the file is, and what its inputs and outputs mean; torch's remarks, which name files of this machine, go."""
    model.producer_name, model.producer_version = "dlcli", dlcli.__version__
    model.doc_string = f"{MARK} --to onnx`: {facts['network_of']}"
    for node in model.graph.all_nodes():
        node.metadata_props.clear()
    for value in _values(model):
        value.metadata_props.clear()
    model.metadata_props["facts"] = as_text(facts)


def _values(model: Any) -> Iterator[Any]:
    yield from model.graph.inputs
    yield from model.graph.initializers.values()
    for node in model.graph.all_nodes():
        yield from node.outputs


def _name_axes(model: Any, graph: Graph) -> None:
    """Calls the axes `batch` and `time` that torch numbers."""
    names: dict[str, str] = {}
    for value, shape in zip(model.graph.inputs, graph.inputs.values(), strict=False):
        names[str(value.shape[0])] = "batch"
        if has_any_time(shape):
            names[str(value.shape[1])] = "time"
    for value in _values(model):
        for axis, size in enumerate(value.shape or ()):
            if not isinstance(size, int):
                value.shape[axis] = re.sub(r"\b[su]\d+\b", lambda found: names.get(found[0], found[0]), str(size))
