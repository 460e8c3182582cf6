"""`dlcli summary`: a network layer by layer, without torch."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from torch.utils.flop_counter import FlopCounterMode

import dlcli
from dlcli.models.network import Network
from tests.integration.conftest import CONFIGS, Cli

NESTED = """\
data: digits
model:
  blocks:
    residual:
      params: {channels: }
      layers:
        - conv2d: {out_channels: "${channels}", kernel_size: 3, padding: 1, name: body}
        - conv2d: {out_channels: "${channels}", kernel_size: 1, from: input, name: skip}
        - add: [body, skip]
  layers:
    - residual: {channels: 4, name: trunk}
    - sequential: {layers: [{max_pool2d: 2}, relu], name: pool}
    - flatten
    - linear: {out_features: 64, name: square}
    - share: {layer: square, from: square}
    - linear: 10
"""

STEPS = """\
data: {name: random, sizes: [6, 1, 8, 8], layout: clip, num_classes: 3}
model:
  layers:
    - time_distributed: [{conv2d: {out_channels: 2, kernel_size: 3}}, flatten]
    - lstm: {hidden_size: 5, return: last}
    - linear: ${data.num_classes}
"""


def _layers(summary: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {layer["name"]: layer for layer in summary["layers"]}


@pytest.mark.parametrize("config", ["cnn", "mlp", "lenet", "lstm"])
def test_counts_are_those_of_the_built_network(cli: Cli, config: str) -> None:
    """Parameters of each layer, and the operations that torch counts."""
    path = CONFIGS / f"{config}.yaml"
    summary = cli("summary", path, "--json").json
    network = dlcli.build(path).to("meta")
    assert isinstance(network, Network)
    for name, layer in _layers(summary).items():
        assert layer["parameters"] == sum(parameter.numel() for parameter in network.get_submodule(name).parameters())
    with FlopCounterMode(display=False) as counter:
        network(network.get_parameter(next(iter(network.state_dict()))).new_zeros(2, *network.graph.inputs["input"].sizes))
    assert 2 * summary["flops"] == counter.get_total_flops()
    assert sum(layer["flops"] for layer in summary["layers"]) == summary["flops"]


def test_json_has_each_layer_under_the_name_of_its_weights(cli: Cli, tmp_path: Path) -> None:
    """Dotted inside of blocks; what is inside counts there, and a shared layer has no parameters of its own."""
    (tmp_path / "nested.yaml").write_text(NESTED)
    summary = cli("summary", "nested.yaml", "--json").json
    layers = _layers(summary)
    assert [(name, layer["type"]) for name, layer in layers.items()] == [
        ("trunk", "residual"),
        ("trunk.body", "conv2d"),
        ("trunk.skip", "conv2d"),
        ("trunk.add_1", "add"),
        ("pool", "sequential"),
        ("pool.max_pool2d_1", "max_pool2d"),
        ("pool.relu_1", "relu"),
        ("flatten_1", "flatten"),
        ("square", "linear"),
        ("share_1", "share"),
        ("linear_2", "linear"),
    ]
    assert layers["trunk.body"] == {
        "name": "trunk.body",
        "type": "conv2d",
        "output_shape": [4, 8, 8],
        "parameters": 40,
        "flops": 2 * 8 * 8 * 4 * 9,
        "memory": 4 * 4 * 8 * 8,
        "receptive_field": [3, 3],
    }
    assert layers["share_1"]["parameters"] == 0
    assert layers["share_1"]["flops"] == layers["square"]["flops"] == 2 * 64 * 64
    assert layers["share_1"]["receptive_field"] == [None, None]
    for key in ("parameters", "flops"):
        assert sum(layer[key] for layer in layers.values()) == summary[key]
    assert summary["memory"] > 4 * 4 * summary["parameters"]


def test_layers_of_each_step_count_for_all_steps(cli: Cli, tmp_path: Path) -> None:
    """Operations and memory are those of a sample; shape and field those of a step."""
    (tmp_path / "steps.yaml").write_text(STEPS)
    layers = _layers(cli("summary", "steps.yaml", "--json").json)
    inner = layers["time_distributed_1.conv2d_1"]
    assert (inner["output_shape"], inner["receptive_field"]) == ([2, 6, 6], [3, 3])
    assert (inner["flops"], inner["memory"]) == (6 * 2 * 36 * 2 * 9, 6 * 4 * 72)
    assert layers["time_distributed_1"]["output_shape"] == [6, 72]


def test_a_nesting_with_weights_of_its_own_counts_these(cli: Cli, tmp_path: Path) -> None:
    """A scale and a shift for each of 7 features stand in its line, and those of its layers in theirs."""
    layers = "[{reversible_norm: {affine: true, layers: [{gru: {hidden_size: 4, return: last}}, {linear: 7}]}}]"
    text = f"data: {{name: random, sizes: [9, 7], num_targets: 7}}\nmodel: {{layers: {layers}}}\ntrain: {{loss: mse}}\n"
    (tmp_path / "forecast.yaml").write_text(text)
    summary = cli("summary", "forecast.yaml", "--json").json
    assert _layers(summary)["reversible_norm_1"]["parameters"] == 14
    assert sum(layer["parameters"] for layer in summary["layers"]) == summary["parameters"]
    assert re.search(r"^reversible_norm_1 +7 +14 +all$", cli("summary", "forecast.yaml").out, re.MULTILINE)


def test_the_table_has_a_line_for_each_layer_within_80_columns(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Plain text, those inside indented, the totals at the end; in a narrower window less of the names."""
    (tmp_path / "nested.yaml").write_text(NESTED)
    for columns in (80, 60):
        monkeypatch.setenv("COLUMNS", str(columns))
        lines = cli("summary", "nested.yaml").out.splitlines()
        assert max(map(len, lines)) <= columns
        assert "\033" not in "".join(lines)
        names = [re.split(r"\s{2,}", line.strip())[0] for line in lines[1:12]]
        assert names[:4] == ["trunk (residual)", "body (conv2d)", "skip (conv2d)", "add_1"]
        assert names[9] == ("share_1 (share of square)" if columns == 80 else "share_1")
    assert re.search(r"^  body \(conv2d\) +4 x 8 x 8 +40 +4,608 +1\.0 kB +3x3$", "\n".join(lines), re.MULTILINE)
    assert "training" in lines[-1]
    assert "64 samples" in lines[-1]


def test_large_numbers_have_units(cli: Cli, quick: Path) -> None:
    """Three digits, and the totals in full."""
    out = cli("summary", quick, "--set", "model.layers.5.linear=10", "--set", "model.layers.0.conv2d.out_channels=4096").out
    assert re.search(r"^conv2d_1 +4096 x 6 x 6 +41\.0K +2\.65M +589\.8 kB +3x3$", out, re.MULTILINE)
    assert re.search(r"^parameters +409,610$", out, re.MULTILINE)


def test_any_number_of_steps_is_t() -> None:
    """Null in JSON, and what depends on it has no number."""
    from dlcli.app.summary import summary_of
    from dlcli.cli.summary import _lines
    from dlcli.config.facts import DataFacts
    from dlcli.config.shapes import Sequence, Time, Token
    from tests.unit.config.configs import load

    text = "data: digits\nmodel: {layers: [{embedding: 4}, {gru: {hidden_size: 3, return: last}}, {linear: 2}]}"
    summary = summary_of(load(text, facts=DataFacts.of(Sequence(Time(), Token(9)), num_classes=2)))
    assert [layer["output_shape"] for layer in summary.as_json()["layers"]] == [[None, 4], [3], [2]]
    assert [layer.flops for layer in summary.layers] == [0, None, 12]
    assert summary.as_json()["flops"] is None
    lines = _lines(summary, 80)
    assert lines[1].split() == ["embedding_1", "T", "x", "4", "36", "0", "-", "1"]
    assert "depend on the number of steps" in "\n".join(lines)


def test_a_flowchart_has_the_blocks_the_edges_and_the_shapes(cli: Cli, tmp_path: Path) -> None:
    """A frame for each block, an edge for each input of a layer."""
    (tmp_path / "nested.yaml").write_text(NESTED)
    lines = [line.strip() for line in cli("summary", "nested.yaml", "--mermaid").out.splitlines()]
    assert lines[0] == "flowchart TD"
    boxes = {text: name for name, text in re.findall(r'^(?:subgraph )?(n\d+) ?[(\[]+"([^"]*)"', "\n".join(lines), re.MULTILINE)}
    edges = re.findall(r'^(n\d+) -->\|"([^"]*)"\| (n\d+)$', "\n".join(lines), re.MULTILINE)
    opened = lines.index(f'subgraph {boxes["trunk (residual)"]} ["trunk (residual)"]')
    inside = lines[opened + 1 : lines.index("end", opened)]
    assert len(inside) == 3
    assert (boxes["input"], "1 x 8 x 8", boxes["body (conv2d)"]) in edges
    assert (boxes["input"], "1 x 8 x 8", boxes["skip (conv2d)"]) in edges
    assert (boxes["add_1"], "4 x 8 x 8", boxes["max_pool2d_1"]) in edges
    assert (boxes["square (linear)"], "64", boxes["share_1 (share of square)"]) in edges
    assert len(edges) == 2 + 2 + 1 + 1 + 1 + 1 + 1 + 1 + 1


def test_a_flowchart_can_be_drawn_of_any_name() -> None:
    """What means something to Mermaid is escaped."""
    from dlcli.app.mermaid import mermaid
    from dlcli.config.diagnostics import Report
    from dlcli.config.facts import INPUT
    from dlcli.config.graph_reader import Vocabulary, read_graph
    from dlcli.config.shapes import Vector
    from tests.unit.config.configs import parse

    graph = read_graph(
        parse("[{linear: {out_features: 2, name: end, from: 'a\"b#<c|`'}}]"), {'a"b#<c|`': Vector(3)}, Vocabulary(Report())
    )
    assert INPUT not in (graph.inputs if graph else ())
    assert graph is not None
    assert 'n1(["a#quot;b#35;#lt;c#124;#96;"])' in mermaid(graph)


def test_a_run_is_summed_up_from_what_it_recorded(cli: Cli, quick: Path) -> None:
    """By its name or its folder, the same as its config."""
    assert cli("train", quick, "--name", "mine", "--set", "train.max_steps=1").code == 0
    expected = cli("summary", quick, "--json").json
    assert cli("summary", "mine", "--json").json == expected
    assert cli("summary", "runs/mine", "--json", "--set", "train.batch_size=1").json["memory"] < expected["memory"]


def test_a_config_comes_from_standard_input(cli: Cli, quick: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For `-`."""
    expected = cli("summary", quick).out
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(quick.read_bytes())))
    assert cli("summary", "-").out == expected


def test_bad_input_is_told(cli: Cli, quick: Path) -> None:
    """Neither a config nor a run; a file that is not there; a mistake; two forms at once."""
    for arguments, said in (
        (["nothing"], "neither a config nor a run"),
        (["missing.yaml"], "missing.yaml"),
        ([quick, "--set", "model.layers.1=rellu"], "did you mean `relu`?"),
        ([quick, "--json", "--mermaid"], "leave out"),
    ):
        outcome = cli("summary", *arguments)
        assert outcome.code == 2
        assert said in outcome.err


def test_a_summary_needs_neither_torch_nor_numpy() -> None:
    """It is there in a blink."""
    code = """
import sys
from dlcli.cli.main import run
assert run(sys.argv[1:]) == 0
print("loaded:", [name for name in ("torch", "numpy", "PIL", "rich", "jinja2") if name in sys.modules])
"""
    command = [sys.executable, "-c", code, "summary", str(CONFIGS / "cnn.yaml")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "loaded: []" in done.stdout
