"""Networks taken elsewhere: written as plain PyTorch, and checked to say the same as dlcli's own."""

from __future__ import annotations

import shlex
import textwrap
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Final, cast

import torch
from torch import Tensor, nn

import dlcli
from dlcli.app.commented_yaml import printable
from dlcli.app.configs import is_config
from dlcli.app.runs import open_run
from dlcli.app.use import build, load
from dlcli.config.compose import STDIN
from dlcli.config.graph import Graph
from dlcli.config.shapes import Sequence, Shape, Time, at_steps, holds_tokens, token_of
from dlcli.errors import CheckpointError, ResourceError, UsageError
from dlcli.models.network import Network, Values
from dlcli.models.python_module import NETWORK, python_module, shapes_text
from dlcli.runtime.durable_files import disk_errors, write_durably
from dlcli.runtime.memory import memory_errors
from dlcli.training.checkpoint_folder import best_checkpoint

PYTHON: Final = "python"
TARGETS: Final = (PYTHON,)
"""What a network can be exported to."""

_MARK: Final = "# Made by `dlcli export --to python`."
"""The first line of every such file: only a file that has it is replaced."""
_BATCHES: Final = (2, 5)
_TOLERANCE: Final = 1e-6


@dataclass(frozen=True)
class Export:
    """A network as plain PyTorch.

    Attributes:
        origin: `run` or `config`, and which.
        file: where it belongs.
        text: the whole of it.
        largest_difference: between its outputs and those of dlcli's network.
    """

    origin: tuple[str, str]
    file: Path
    text: str
    largest_difference: float

    def as_json(self) -> dict[str, Any]:
        """What `export --json` prints."""
        key, value = self.origin
        verified = {"batches": list(_BATCHES), "largest_difference": self.largest_difference}
        return {key: value, "to": PYTHON, "file": str(self.file), "verified": verified}


def export(what: str | None, overrides: tuple[str, ...] = (), *, runs: Path, data_dir: Path | None) -> Export:
    """Writes out a network and checks it; nothing is kept yet.

    Args:
        what: a run, by its folder or its name, a config, or `-` for one from standard input; None for the newest run.
        overrides: for a config: as for `--set`.
        runs: the folder of all runs.
        data_dir: for a config: where its data is looked for first.

    Raises:
        UsageError: there are overrides for a run, whose weights fit its own network alone.
        DlcliError: run or config can't be read.
        CheckpointError: the text says something else than dlcli's network.
    """
    if what is not None and is_config(what):
        with memory_errors():
            network = cast("Network", build(what, overrides, data_dir))
        name = "model" if what == STDIN else Path(what).name
        title, origin, file = name, ("config", what), Path(f"{Path(name).stem}.py")
    else:
        folder = open_run(what, runs).folder
        if overrides:
            raise UsageError(f"{folder.path} is a run, and --set changes a config", help="leave out --set, or export a config")
        which = "best" if best_checkpoint(folder.checkpoints, _ignore) else "last"
        with memory_errors():
            network = cast("Network", load(folder.path, checkpoint=which))
        title, origin, file = f"the run {folder.path.name}", ("run", str(folder.path)), folder.path / "exports" / "model.py"
    text = export_python(network.graph, title)
    return Export(origin, file, text, _checked(text, network))


def export_python(graph: Graph, title: str) -> str:
    """A graph as a Python file that needs nothing but torch, with the class `Network`.

    Args:
        graph: the layers.
        title: what the network is of, for the docstring.
    """
    shown = printable(title, 50).replace("\\", "/").replace('"', "'")
    shapes = "\n".join(textwrap.wrap(f"Input and output: {shapes_text(graph)}{_tokens(graph)}.", 100, break_long_words=False))
    introduction = f"""The network of {shown} in plain PyTorch, made by dlcli {dlcli.__version__}.

{shapes}

    from safetensors.torch import load_file

    network = {NETWORK}()
    network.load_state_dict(load_file("model.safetensors"))
    network.eval()

A checkpoint of a run holds such a file (where it has an ema.safetensors too, that one). Without it
the weights start as PyTorch starts them, whatever the config says. The inputs are those that dlcli
gives its network: scaled and normalised as the config's `data` section says."""
    return f"{_MARK}\n{python_module(graph, introduction)}"


def _tokens(graph: Graph) -> str:
    """Which whole numbers an input takes."""
    known = {name: token_of(shape).num_values for name, shape in graph.inputs.items() if holds_tokens(shape)}
    return "".join(f"; `{name}` is of whole numbers (torch.int64) below {number}" for name, number in known.items())


def check_free(file: Path) -> None:
    """Whether an export can be written there.

    Raises:
        UsageError: it can't.
    """
    help = "choose another with --output FILE"
    if not str(file).strip():
        raise UsageError(f"'{file}' is no name for a file", help=help)
    if file.is_dir():
        raise UsageError(f"{file} is a folder", help=help)
    if not file.absolute().parent.is_dir():
        parent = shlex.quote(str(file.parent))
        raise UsageError(f"there is no folder {file.parent}", help=f"make it first: mkdir -p {parent}")
    if file.exists() and not _is_ours(file):
        raise UsageError(f"{file} is there already, and no export", help=help)


def write(made: Export, output: Path | None) -> Path:
    """Writes an export, whole or not at all; gives where.

    Args:
        made: what was written out.
        output: the file; without it its own, whose folder is made.

    Raises:
        UsageError: another file is in the way.
        ResourceError: the file system refuses.
    """
    file = output or made.file
    help = "give another file: --output FILE"
    with disk_errors(file, help=help):
        if output is None:
            file.parent.mkdir(exist_ok=True)
        check_free(file)
    write_durably(file, made.text.encode(), help=help)
    return file


def _is_ours(file: Path) -> bool:
    try:
        with file.open("rb") as opened:
            return opened.read(len(_MARK)) == _MARK.encode()
    except OSError:
        return False


def _checked(text: str, network: Network) -> float:
    """The largest difference between what both networks make of random batches.

    Raises:
        CheckpointError: it is more than rounding, or the text can't be run.
    """
    help = "this is a fault of dlcli: please report it with the config"
    try:
        with memory_errors():
            written = _executed(text)
            written.load_state_dict(network.state_dict(), strict=True)
            largest = max(_difference(written.eval(), network.eval(), size) for size in _BATCHES)
    except ResourceError:
        raise
    except Exception as error:
        raise CheckpointError(f"the exported network does not run: {type(error).__name__}: {error}", help=help) from error
    if not largest <= _TOLERANCE:
        raise CheckpointError(f"the exported network gives other values: they differ by {largest:g}", help=help)
    return largest


def _executed(text: str) -> nn.Module:
    module = ModuleType("exported")
    exec(compile(text, "exported.py", "exec"), module.__dict__)  # noqa: S102  # our own text; names in it are identifiers
    return cast("nn.Module", getattr(module, NETWORK)())


@torch.no_grad()
def _difference(written: nn.Module, network: Network, batch: int) -> float:
    """The largest of any output for one random batch."""
    graph = network.graph
    steps = _steps(graph)
    generator = torch.Generator().manual_seed(batch)
    inputs = [_random(at_steps(shape, steps), batch, generator) for shape in graph.inputs.values()]
    given: Values = inputs[0] if len(inputs) == 1 else dict(zip(graph.inputs, inputs, strict=True))
    theirs, ours = written(*inputs), network(given)
    if isinstance(ours, Tensor):
        return _largest(theirs, ours)
    assert list(theirs) == list(ours)
    return max(_largest(theirs[name], output) for name, output in ours.items())


def _largest(theirs: Tensor, ours: Tensor) -> float:
    """NaN where one has a number and the other none."""
    assert theirs.shape == ours.shape
    same = (theirs == ours) | (theirs.isnan() & ours.isnan())
    return float(torch.where(same, 0.0, (theirs - ours).abs()).max())


def _random(shape: Shape, batch: int, generator: torch.Generator) -> Tensor:
    sizes = (batch, *cast("tuple[int, ...]", shape.sizes))
    if holds_tokens(shape):
        return torch.randint(token_of(shape).num_values, sizes, generator=generator)
    return torch.randn(sizes, generator=generator)


def _steps(graph: Graph) -> int:
    """Enough steps for every window, where their number is free."""
    times = [shape.time for shape in _shapes(graph) if isinstance(shape, Sequence) and isinstance(shape.time, Time)]
    steps = 16
    while any(time.at(steps) < 2 for time in times):
        steps *= 2
    return steps


def _shapes(graph: Graph) -> list[Shape]:
    inside = [shape for node in graph.nodes if node.body for shape in _shapes(node.body)]
    return [*graph.inputs.values(), *(node.output_shape for node in graph.nodes), *inside]


def _ignore(text: str) -> None:
    """For notices about checkpoints that are not the chosen one."""
