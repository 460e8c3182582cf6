"""What a network can be exported to: how the file is written, and how it is read back to be compared."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dlcli.app.export.exported_program import open_program
from dlcli.app.export.facts import Facts
from dlcli.app.export.fresh_process import write_in_fresh_process
from dlcli.app.export.onnx import MOST_BYTES, check_packages, open_onnx
from dlcli.app.export.python import export_python, open_python
from dlcli.app.export.safetensors import CONFIG, FACTS, open_safetensors, write_safetensors
from dlcli.app.export.subject import Subject
from dlcli.app.export.verification import Answer
from dlcli.config.graph import Graph, all_nodes
from dlcli.config.layers.convolution import ConvTranspose1d, ConvTranspose2d
from dlcli.config.layers.normalisation import BatchNorm1d, BatchNorm2d, BatchNorm3d
from dlcli.errors import UsageError
from dlcli.models.python_lengths import takes_lengths
from dlcli.runtime.durable_files import size_text

_KEEPS_ALL: Final = "export to safetensors, which keeps the weights and the config"


@dataclass(frozen=True)
class Target:
    """One kind of file.

    Attributes:
        suffix: its ending.
        tolerance: the largest difference from the network, as a share of a value above 1.
        packages: whose versions matter.
        write: writes the file, and those that belong to it, into a folder that is there for this alone.
        open: reads it back.
        check: refuses a network that can't be written so, before anything is done.
        check_installed: the same for an installation that lacks what it takes.
        beside: what stands in the place of the ending in the names of the files that belong to it.
    """

    suffix: str
    tolerance: float
    packages: tuple[str, ...]
    write: Callable[[Subject, Facts, Path], None]
    open: Callable[[Subject, Path], Answer]
    check: Callable[[Subject], None]
    check_installed: Callable[[], None] = lambda: None
    beside: tuple[str, ...] = ()


def _write_python(subject: Subject, _: Facts, file: Path) -> None:
    file.write_text(export_python(subject.experiment.graph, subject.title), encoding="utf-8")


def _anything(_: Subject) -> None:
    """Refuses nothing."""


def _check_traceable(subject: Subject) -> None:
    """Refuses what no batch of any size and length can be written for.

    Raises:
        UsageError: a layer mixes the samples of a batch.
    """
    graph = subject.experiment.graph
    if takes_lengths(graph):
        _check_norms(graph)


def _check_norms(graph: Graph) -> None:
    for node, _ in all_nodes(graph, unknown=1):
        if isinstance(node.spec, BatchNorm1d | BatchNorm2d | BatchNorm3d) and not node.spec.track_running_stats:
            what = f"`{node.name}` normalises by the sequences that happen to be in a batch (track_running_stats: false)"
            raise UsageError(f"{what}: where these differ in length, it can't be exported", help=_KEEPS_ALL)


def _check_onnx(subject: Subject) -> None:
    """Refuses what ONNX has no room for, and what onnxruntime can't run.

    Raises:
        UsageError: a layer mixes the samples of a batch or is not for onnxruntime, or the weights are too large.
    """
    _check_traceable(subject)
    for node, _ in all_nodes(subject.experiment.graph, unknown=1):
        if isinstance(node.spec, ConvTranspose1d | ConvTranspose2d):
            _check_transposed(node.name, node.spec)
    size = sum(tensor.nbytes for tensor in subject.network.state_dict().values())
    if size > MOST_BYTES:
        what = f"the weights take {size_text(size)}, and a file of ONNX holds 2 GB at most"
        raise UsageError(what, help="export to pt2 or safetensors")


def _check_transposed(name: str, spec: ConvTranspose1d | ConvTranspose2d) -> None:
    for added, stride in zip(spec.output_padding, spec.stride, strict=True):
        if added >= stride:
            what = f"`{name}` has an `output_padding` of {added}, and onnxruntime takes only less than the stride, {stride}"
            raise UsageError(what, help="export to pt2 or safetensors")


TARGETS: Final[Mapping[str, Target]] = {
    "python": Target(".py", 1e-6, (), _write_python, lambda subject, file: open_python(file, subject.network), _anything),
    "safetensors": Target(
        ".safetensors",
        1e-6,
        ("safetensors",),
        write_safetensors,
        lambda _, file: open_safetensors(file),
        _anything,
        beside=(CONFIG, FACTS),
    ),
    "pt2": Target(
        ".pt2",
        1e-5,
        (),
        write_in_fresh_process,
        lambda subject, file: open_program(file, subject.experiment.graph),
        _check_traceable,
    ),
    "onnx": Target(
        ".onnx",
        1e-4,
        ("onnx", "onnxscript", "onnxruntime"),
        write_in_fresh_process,
        lambda subject, file: open_onnx(file, subject.experiment.graph),
        _check_onnx,
        check_packages,
    ),
}
"""By the name that `--to` takes."""
