"""Networks written as plain PyTorch: the same weights, outputs and gradients as dlcli's, whatever the layers and their names."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from torch import Tensor, nn

from dlcli.config import tree, yaml_source
from dlcli.config.diagnostics import Report, Source
from dlcli.config.facts import INPUT
from dlcli.config.graph import Graph
from dlcli.config.graph_reader import Vocabulary, read_graph
from dlcli.config.layers import LAYERS
from dlcli.config.layers.activation import Relu
from dlcli.config.layers.base import OwnLayer
from dlcli.config.layers.nesting import Nesting, Share
from dlcli.config.model import ModelSpec
from dlcli.config.model import read_layers as read_model
from dlcli.config.shapes import Image, Sequence, Shape, Vector, at_steps
from dlcli.config.spec import read
from dlcli.errors import UsageError
from dlcli.models import kernels, recurrent
from dlcli.models.network import Network
from dlcli.models.python_module import python_module
from dlcli.models.python_source import SOURCES
from tests.unit.models.generated_graphs import generate
from tests.unit.models.graphs import read_layers
from tests.unit.models.layer_cases import CASES, PROFILE, Fields, Shapes, random_input
from tests.unit.models.lengths_of_layers import ALONE
from tests.unit.models.test_network_lengths import LAST, PER_STEP


@pytest.fixture(autouse=True)
def _slow_ways(monkeypatch: pytest.MonkeyPatch) -> None:
    """The faster ways take sums in another order: what they give is compared with torch's elsewhere, to rounding."""
    monkeypatch.setattr(kernels, "library", lambda: None)
    monkeypatch.setattr(recurrent, "has_pass", lambda *_: False)


def _written(graph: Graph) -> tuple[str, nn.Module]:
    """The text, and the network that Python makes of it."""
    text = python_module(graph, "A network.")
    namespace: dict[str, Any] = {"__name__": "exported"}
    exec(compile(text, "exported.py", "exec"), namespace)  # noqa: S102  # that it runs is what is tested
    network = namespace["Network"]()
    assert isinstance(network, nn.Module)
    return text, network


def _assert_same(graph: Graph) -> str:
    """In training and in evaluation, for two sizes of batches: outputs and gradients are equal to the bit."""
    ours = Network(graph)
    text, theirs = _written(graph)
    assert list(theirs.state_dict()) == list(ours.state_dict())
    theirs.load_state_dict(ours.state_dict(), strict=True)
    for training, batch in ((True, 2), (True, 3), (False, 2), (False, 5)):
        inputs = {name: random_input(shape, batch) for name, shape in graph.inputs.items()}
        ours.train(training)
        theirs.train(training)
        expected = _traced(ours, inputs, by_name=len(inputs) > 1)
        found = _traced(theirs, inputs, by_name=None)
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            torch.testing.assert_close(one, other, rtol=0, atol=0, equal_nan=True)
    assert all(torch.equal(theirs.state_dict()[name], weight) for name, weight in ours.state_dict().items())
    return text


def _traced(network: nn.Module, inputs: Mapping[str, Tensor], *, by_name: bool | None) -> list[Tensor]:
    """Outputs, then the gradients of inputs and weights.

    `by_name` says whether dlcli's network is called with a mapping; None for a written network, which takes them one by one.
    """
    torch.manual_seed(0)
    read = {name: x.detach().requires_grad_(x.is_floating_point()) for name, x in inputs.items()}
    output = network(*read.values()) if by_name is None else network(read if by_name else next(iter(read.values())))
    outputs = list(output.values()) if isinstance(output, dict) else [output]
    loss = sum((x * torch.linspace(-1, 1, x.numel()).view_as(x)).sum() for x in outputs)
    assert isinstance(loss, Tensor)
    if not loss.requires_grad:
        return outputs
    sources = [*(x for x in read.values() if x.requires_grad), *network.parameters()]
    return [*outputs, *torch.autograd.grad(loss, sources, allow_unused=True, materialize_grads=True)]


def _read_model(text: str, inputs: Mapping[str, Shape]) -> Graph:
    """The graph of what stands under `model`: `layers`, and `blocks` and `outputs` where there are any."""
    report = Report()
    node = yaml_source.parse(Source("test", dedent(text)), report)
    assert isinstance(node, tree.Mapping)
    spec = read(node.without("blocks"), ModelSpec, "model", report)
    graph = read_model(node, inputs, {}, spec, report)
    report.raise_if_any()
    assert graph is not None
    return graph


def test_every_layer_can_be_written() -> None:
    """The table and the vocabulary name the same layers, but those that are written from their graph, and plug-ins'."""
    others = {spec for spec in LAYERS.values() if issubclass(spec, Nesting | Share | OwnLayer)}
    assert set(SOURCES) | others == set(LAYERS.values())
    assert not set(SOURCES) & others


def test_a_layer_of_a_plugin_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its code is not dlcli's to write: the message names the layer."""
    assert isinstance(SOURCES, dict)
    monkeypatch.delitem(SOURCES, Relu)
    with pytest.raises(UsageError, match="`mine` is a `relu`, a layer of a plug-in"):
        python_module(read_layers("[sequential: [relu: {name: mine}]]", Vector(3)), "A network.")


def _graph_of_one(kind: str, fields: Fields, shapes: Shapes) -> Graph | None:
    """The layer alone, or None where it is refused."""
    names = [f"layer_{index}" for index in range(len(shapes))] if len(shapes) > 1 else [INPUT]
    report = Report()
    node = yaml_source.parse(Source("test", json.dumps([{kind: fields}])), report)
    assert node is not None
    return read_graph(node, dict(zip(names, shapes, strict=True)), Vocabulary(report))


@pytest.mark.parametrize("kind", sorted(CASES))
@PROFILE
@given(data=st.data())
def test_every_layer_is_the_same_in_plain_torch(kind: str, data: st.DataObject) -> None:
    """With any fields and on any input: keys, outputs, gradients and statistics."""
    shapes, fields = data.draw(CASES[kind].examples)
    graph = _graph_of_one(kind, fields, shapes)
    assume(graph is not None)
    assert graph is not None
    _assert_same(graph)


@pytest.mark.parametrize("seed", range(40))
def test_any_network_is_the_same_in_plain_torch(seed: int) -> None:
    """Networks drawn at random: joins, blocks, repetitions, nestings, sequences; those of any length at one of them."""
    graph = generate(seed).graph
    fixed = {name: at_steps(shape, 64) for name, shape in graph.inputs.items()}
    layers = {"layers": graph.as_entries(), "outputs": graph.outputs}
    _assert_same(graph if fixed == graph.inputs else _read_model(json.dumps(layers), fixed))


BLOCKS = """
    blocks:
      residual:
        params: {channels: , stride: 1}
        layers:
          - conv2d: {out_channels: "${channels}", kernel_size: 3, stride: "${stride}", padding: same}
          - batch_norm2d: {name: body}
          - conv2d: {out_channels: "${channels}", kernel_size: 1, stride: "${stride}", from: input, name: skip}
          - add: [body, skip]
          - relu
      pair:
        params: {channels: }
        layers:
          - residual: "${channels}"
          - residual: "${2 * channels}"
    layers:
      - residual: {channels: 4, repeat: 2}
      - residual: {channels: 8, stride: 2, name: trunk}
      - pair: 8
      - pair: 16
      - global_avg_pool
      - linear: 3
"""


def test_uses_of_a_block_are_one_class_with_parameters() -> None:
    """Uses that differ in numbers alone, at any depth, are calls of the same class."""
    text = _assert_same(_read_model(BLOCKS, {INPUT: Image(3, 8, 8)}))
    classes = [node for node in ast.parse(text).body if isinstance(node, ast.ClassDef)]
    assert [node.name for node in classes] == ["Residual", "Pair", "Network"]
    assert "self.trunk = Residual(in_channels=4, out_channels=8, stride=2)" in text
    assert "self.residual_1 = Residual(in_channels=3, out_channels=4, stride=1)" in text


def test_a_block_with_several_structures_has_a_class_for_each() -> None:
    """What is more than another number, here the padding that an even kernel needs, is other code."""
    model = """
        blocks:
          filter: {params: {kernel: }, layers: [conv2d: {out_channels: 2, kernel_size: "${kernel}", padding: same}, relu]}
        layers: [filter: 3, filter: 2, filter: 5]
    """
    text = _assert_same(_read_model(model, {INPUT: Image(1, 6, 6)}))
    assert [node.name for node in ast.parse(text).body if isinstance(node, ast.ClassDef)] == ["Filter", "Filter2", "Network"]


def test_the_same_code_for_other_axes_is_another_class() -> None:
    """A block of functions alone reads images and vectors; its comments can't be right for both."""
    model = """
        blocks: {active: [relu, dropout: 0.5]}
        layers: [active, flatten, active]
    """
    _assert_same(_read_model(model, {INPUT: Image(1, 4, 4)}))


def test_shared_layers_are_one_module() -> None:
    """Weights that are used twice are registered once; what is shared without weights is a function again."""
    text = """
        - linear: {out_features: 5, name: encode}
        - relu: {name: first}
        - share: {layer: encode, from: input, name: again}
        - share: first
        - sequential: {layers: [linear: 4, tanh], name: head}
        - share: {layer: head, from: first, name: other}
        - concat: [head, other, again]
    """
    assert _assert_same(read_layers(text, Vector(5))).count("nn.Linear(") == 2


INPUTS_AND_OUTPUTS = """
    layers:
      - conv2d: {out_channels: 2, kernel_size: 3, from: image}
      - global_avg_pool: {name: seen}
      - lstm: {hidden_size: 3, bidirectional: true, return: last, from: rows, name: read}
      - concat: {from: [seen, read], name: both}
      - linear: {out_features: 2, name: digit}
      - linear: {out_features: 1, from: both, name: parity}
    outputs: [parity, digit]
"""


def test_several_inputs_and_outputs_have_their_names() -> None:
    """Inputs are arguments by name, outputs a dict in the config's order."""
    inputs = {"image": Image(1, 5, 5), "rows": Sequence(5, Vector(5))}
    graph = _read_model(INPUTS_AND_OUTPUTS, inputs)
    _assert_same(graph)
    _, network = _written(graph)
    outputs = network(rows=torch.zeros(2, 5, 5), image=torch.zeros(2, 1, 5, 5))
    assert {name: tuple(output.shape) for name, output in outputs.items()} == {"parity": (2, 1), "digit": (2, 2)}
    assert list(outputs) == ["parity", "digit"]


NAMES = [
    *("class", "lambda", "None", "self", "torch", "nn", "F", "x", "h", "Tensor", "class_", "max", "super", "input_", "Network"),
    "drop_recurrent",
]


def test_any_name_of_a_layer_can_be_written() -> None:
    """Keywords, built-in functions and what the code itself uses, as modules with weights and as values read twice."""
    layers = "".join(f"""
        - linear: {{out_features: 3, name: "{name}"}}
        - lstm: {{hidden_size: 3, return: last, recurrent_dropout: 0.5, from: series, name: "{name}_state"}}
        - add: ["{name}", "{name}_state"]""" for name in NAMES)  # fmt: skip
    joined = f"""
        - add: {json.dumps(NAMES)}
        - sequential: {{layers: [linear: 3], name: network}}
        - relu: {{name: if}}
        - tanh: {{from: if, name: is}}
        - softmax: {{from: if, name: "True"}}
        - add: [if, is, "True"]
    """
    start = "layers:\n        - global_avg_pool: {from: series}"
    _assert_same(_read_model(start + layers + joined, {"series": Sequence(4, Vector(3)), "import": Vector(3)}))


RECURRENT = """
    - gru: {hidden_size: 3, recurrent_dropout: 0.25}
    - lstm: {hidden_size: 4, proj_size: 2, recurrent_dropout: 0.5, name: with_a_name_so_long_that_its_line_is_broken}
    - rnn: {hidden_size: 3, num_layers: 2, bidirectional: true, recurrent_dropout: 0.5, return: last}
"""


def test_weights_between_states_are_dropped_by_one_function() -> None:
    """It stands in the module once, and only where it is needed."""
    text = _assert_same(read_layers(RECURRENT, Sequence(5, Vector(3))))
    assert text.count("def drop_recurrent(") == 1
    assert "drop_recurrent" not in _assert_same(read_layers("[gru: 3]", Sequence(5, Vector(3))))


def test_what_no_output_needs_is_kept_but_not_run() -> None:
    """Its weights are there, so that a state_dict fits."""
    layers = "[linear: {out_features: 4, name: a}, linear: {out_features: 9, name: lost}, linear: {out_features: 2, from: a}]"
    text = _assert_same(read_layers(layers, Vector(3)))
    assert text.count("self.lost") == 1


def test_shapes_stand_behind_the_lines_that_change_them() -> None:
    """As a batch has them; what keeps its shape has no comment."""
    text, _ = _written(read_layers("[conv2d: {out_channels: 4, kernel_size: 3}, relu, flatten]", Image(1, 6, 5)))
    assert "        x = self.conv2d_1(x)  # (batch, 4, 4, 3)\n        x = F.relu(x)\n" in text
    assert "        return x.flatten(1)  # (batch, 48)\n" in text


@pytest.fixture(scope="module")
def texts() -> list[str]:
    """Of networks of all kinds, long names among them."""
    names = [f"{'very_' * 6}long_{index}" for index in range(4)]
    layers = ", ".join(f"linear: {{out_features: 3, name: {name}}}" for name in names)
    graphs = [
        *(generate(seed).graph for seed in range(40, 60)),
        _read_model(BLOCKS, {INPUT: Image(3, 8, 8)}),
        _read_model(INPUTS_AND_OUTPUTS, {"image": Image(1, 5, 5), "rows": Sequence(5, Vector(5))}),
        read_layers(f"[{layers}, add: [{', '.join(names)}]]", Vector(3)),
        read_layers(RECURRENT, Sequence(5, Vector(3))),
        *(read_layers(layers, shape) for shape, layers in (*ALONE.values(), *LAST.values(), *PER_STEP.values())),
    ]
    return [python_module(graph, "A network.") for graph in graphs]


def test_written_code_is_laid_out_as_ruff_does(texts: list[str], tmp_path: Path) -> None:
    """No line over 100 characters, nothing unused, nothing that the formatter would change."""
    for index, text in enumerate(texts):
        (tmp_path / f"network_{index}.py").write_text(text)
    ruff = [sys.executable, "-m", "ruff"]
    options = ["--isolated", "--no-cache", "--line-length", "100"]
    rules = ["--select", "E,F,W,I,UP,B,C4,SIM,RET,RUF,ANN,D2,D3,D4", "--ignore", "D203,D213"]
    for command in (["check", *rules], ["format", "--check", "--diff"]):
        done = subprocess.run([*ruff, *command, *options, str(tmp_path)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_written_code_imports_torch_alone(texts: list[str]) -> None:
    """And not what it doesn't use."""
    for text in texts:
        tops = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Import | ast.ImportFrom)]
        modules = {alias.name for node in tops if isinstance(node, ast.Import) for alias in node.names}
        modules |= {node.module or "" for node in tops if isinstance(node, ast.ImportFrom)}
        assert modules <= {"torch", "torch.nn.functional"}


def test_the_same_graph_gives_the_same_text() -> None:
    """Letter by letter, so that a diff shows changes of the network alone."""
    assert python_module(generate(7).graph, "A network.") == python_module(generate(7).graph, "A network.")
