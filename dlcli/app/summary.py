"""What a network is made of, layer by layer, without building it and without torch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dlcli.app.configs import is_config, read_experiment
from dlcli.app.runs import open_run, recorded_experiment
from dlcli.config.experiment import Experiment
from dlcli.config.graph import Graph, LayerNode, times
from dlcli.config.layers.nesting import Share, TimeDistributed
from dlcli.config.limits import BYTES, training_memory
from dlcli.config.receptive_field import ReceptiveField, receptive_fields
from dlcli.config.shapes import Shape, ShapeError, Size, num_values
from dlcli.errors import UsageError


@dataclass(frozen=True)
class LayerSummary:
    """One layer.

    Attributes:
        path: its name behind those of the layers it stands inside, as in a state_dict.
        type: its name in the vocabulary; of a block's use the block's.
        shares: the layer above whose weights it uses.
        is_nesting: whether the layers inside follow; what they have is not counted here.
        output_shape: what it gives; inside of `time_distributed` for each step.
        parameters: trainable values of its own.
        flops: floating-point operations for one sample, all steps; None where that depends on the sample.
        memory: bytes of its output for one sample, all steps; None where that depends on the sample.
        receptive_field: what part of the input a value of its output depends on; inside of `time_distributed` of the step.
    """

    path: str
    type: str
    shares: str | None
    is_nesting: bool
    output_shape: Shape
    parameters: int
    flops: int | None
    memory: int | None
    receptive_field: ReceptiveField

    @property
    def sizes(self) -> str:
        """The output shape as a text."""
        return sizes_text(self.output_shape)

    def as_json(self) -> dict[str, Any]:
        """Plain values; sizes and counts that depend on the sample are null."""
        field = {name: list(extents) for name, extents in self.receptive_field.items()}
        return {
            "name": self.path,
            "type": self.type,
            "output_shape": [size if isinstance(size, int) else None for size in self.output_shape.sizes],
            "parameters": self.parameters,
            "flops": self.flops,
            "memory": self.memory,
            "receptive_field": next(iter(field.values())) if len(field) == 1 else field,
        }


@dataclass(frozen=True)
class Summary:
    """A network.

    Attributes:
        graph: its layers.
        layers: these and those inside of them, in the order in which they run.
        parameters: trainable values.
        flops: floating-point operations of a forward pass of one sample; None where that depends on the sample.
        memory: bytes of a training step, estimated.
        batch_size: the samples of that step.
    """

    graph: Graph
    layers: tuple[LayerSummary, ...]
    parameters: int
    flops: int | None
    memory: int
    batch_size: int

    @property
    def weight_bytes(self) -> int:
        """What the trainable values take."""
        return BYTES * self.parameters

    def as_json(self) -> dict[str, Any]:
        """What `summary --json` prints: the layers' parameters and operations add up to those of the network."""
        layers = [layer.as_json() for layer in self.layers]
        return {"layers": layers, "parameters": self.parameters, "flops": self.flops, "memory": self.memory}


def summarise(target: str, overrides: Iterable[str] = (), data_dir: Path | None = None, runs: Path = Path("runs")) -> Summary:
    """The summary of a config, or of a run's network.

    Args:
        target: a YAML file, `-` for standard input, a run's folder, or a run's name.
        overrides: as for `--set`.
        data_dir: where data is looked for first.
        runs: the folder of all runs.

    Raises:
        UsageError: there is neither such a config nor such a run.
        ConfigError: the config has mistakes.
        DataError: its data is not there, and nothing can be known of it.
        CheckpointError: the run's record can't be read.
    """
    if is_config(target):
        return summary_of(read_experiment(target, overrides, data_dir))
    try:
        run = open_run(target, runs)
    except UsageError as error:
        raise UsageError(f"`{target}` is neither a config nor a run", help=error.help) from error
    return summary_of(recorded_experiment(run.folder, overrides))


def summary_of(experiment: Experiment) -> Summary:
    """The summary of a network that was read."""
    graph, train = experiment.graph, experiment.train
    layers = tuple(_layers(graph, "", 1, receptive_fields(graph), runs=True))
    memory = training_memory(graph, train)
    return Summary(graph, layers, graph.parameter_count(), graph.flops(), memory, train.batch_size)


def _layers(graph: Graph, prefix: str, steps: Size, fields: dict[str, ReceptiveField], *, runs: bool) -> Iterator[LayerSummary]:
    running = {node.name for node in graph.running()} if runs else set()
    for node in graph.nodes:
        path, is_running = prefix + node.name, node.name in running
        opened = None if node.shares is not None else node.body
        counted = node if opened is None and is_running else None
        yield LayerSummary(
            path=path,
            type=type_of(node),
            shares=node.shares,
            is_nesting=opened is not None,
            output_shape=node.output_shape,
            parameters=node.parameter_count() if opened is None else node.spec.parameter_count(*node.input_shapes),
            flops=times(counted.flops(), steps) if counted else 0,
            memory=times(_output_bytes(node), steps) if counted else 0,
            receptive_field=fields[path],
        )
        if opened is not None:
            inside = _times_steps(steps, node) if isinstance(node.spec, TimeDistributed) else steps
            yield from _layers(opened, f"{path}.", inside, fields, runs=is_running)


def type_of(node: LayerNode) -> str:
    """What the entry in the config is called."""
    return Share.kind if node.shares is not None else node.block or node.spec.kind


def sizes_text(shape: Shape) -> str:
    """`32 x 26 x 26`; a number of steps that differs is T. A single token has no axes."""
    return " x ".join(str(size) for size in shape.sizes) or "1"


def _times_steps(steps: Size, node: LayerNode) -> Size:
    own: Size = node.input_shapes[0].sizes[0]
    return steps * own if isinstance(steps, int) and isinstance(own, int) else own if isinstance(steps, int) else steps


def _output_bytes(node: LayerNode) -> int | None:
    try:
        return BYTES * num_values(node.output_shape)
    except ShapeError:
        return None
