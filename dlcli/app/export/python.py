"""A network as plain PyTorch: a file that people read and go on with."""

from __future__ import annotations

import textwrap
from pathlib import Path
from types import ModuleType
from typing import Final, cast

from torch import Tensor, nn

import dlcli
from dlcli.app.commented_yaml import printable
from dlcli.app.export.batches import Batch
from dlcli.app.export.facts import MARK
from dlcli.app.export.verification import FAULT, Answer, Outputs
from dlcli.config.graph import Graph
from dlcli.config.shapes import holds_tokens, token_of
from dlcli.errors import CheckpointError
from dlcli.models.network import Network
from dlcli.models.python_lengths import takes_lengths
from dlcli.models.python_module import NETWORK, python_module, shapes_text

_FIRST_LINE: Final = f"# {MARK} --to python`."


def export_python(graph: Graph, title: str) -> str:
    """A graph as a Python file that needs nothing but torch, with the class `Network`.

    Args:
        graph: the layers.
        title: what the network is of, for the docstring.
    """
    shown = printable(title, 50).replace("\\", "/").replace('"', "'")
    shapes = "\n".join(textwrap.wrap(f"Input and output: {shapes_text(graph)}{_tokens(graph)}.", 100, break_long_words=False))
    introduction = f"""The network of {shown} in plain PyTorch, made by dlcli {dlcli.__version__}.

{shapes}{_lengths(graph)}

    from safetensors.torch import load_file

    network = {NETWORK}()
    network.load_state_dict(load_file("model.safetensors"))
    network.eval()

A checkpoint of a run holds such a file (where it has an ema.safetensors too, that one), and
`dlcli export --to safetensors` writes one. Without it the weights start as PyTorch starts them,
whatever the config says. The inputs are those that dlcli gives its network: scaled and normalised
as the config's `data` section says."""
    return f"{_FIRST_LINE}\n{python_module(graph, introduction)}"


def open_python(file: Path, network: Network) -> Answer:
    """Runs such a file, which this process has just written, with the weights of a network.

    Raises:
        CheckpointError: it is no network of these weights.
    """
    try:
        module = ModuleType("exported")
        exec(compile(file.read_text(encoding="utf-8"), "exported.py", "exec"), module.__dict__)  # noqa: S102  # our own text
        written = cast("nn.Module", getattr(module, NETWORK)())
        written.load_state_dict(network.state_dict(), strict=True)
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        raise CheckpointError(f"the exported network does not run: {reason}", help=FAULT) from error
    written.eval()

    def answer(batch: Batch) -> Outputs:
        lengths = () if batch.lengths is None else (batch.lengths,)
        values = written(*batch.inputs.values(), *lengths)
        return {network.graph.outputs[0]: values} if isinstance(values, Tensor) else values

    return answer


def _lengths(graph: Graph) -> str:
    """What else the network takes."""
    if not takes_lengths(graph):
        return ""
    return """

`lengths` says how many steps each sample has, as torch.int64 (batch,); what stands behind them is
padding, and may be anything. Without it all samples are as long as the longest."""


def _tokens(graph: Graph) -> str:
    """Which whole numbers an input takes."""
    known = {name: token_of(shape).num_values for name, shape in graph.inputs.items() if holds_tokens(shape)}
    return "".join(f"; `{name}` is of whole numbers (torch.int64) below {number}" for name, number in known.items())
