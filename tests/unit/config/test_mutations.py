"""Thousands of mutilated configs: no exception, no delay, and what is accepted can be built and run."""

from __future__ import annotations

import random
import re
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest
import torch

from dlcli.app.configs import diagnose, read_experiment
from dlcli.config.experiment import Experiment
from dlcli.config.shapes import Shape, at_steps, holds_tokens
from dlcli.models.network import build_network

MAX_SECONDS: Final = 2.0
"""Of one diagnosis, in CPU time: the machine may be busy with other things."""

_CONFIGS: Final = Path(__file__).parents[3] / "configs"

_OWN: Final = (
    """\
vars: {hidden: 16, betas: [0.9, 0.99]}
data: {name: random, sizes: 12, layout: tokens, vocabulary_size: 50, num_samples: 64}
model:
  layers:
    - embedding: {embedding_dim: 8, padding_idx: 0}
    - conv1d: {out_channels: "${vars.hidden}", kernel_size: 3, padding: same}
    - layer_norm
    - lstm: {hidden_size: "${vars.hidden // 2}", num_layers: 2, dropout: 0.1, bidirectional: true, return: last}
    - linear: ${data.num_classes}
train:
  optimizer: {name: adamw, lr: 1e-3, betas: "${vars.betas}"}
  schedule: {name: one_cycle, warmup: 3}
  clip_gradients: 1.0
  max_time: 20m
""",
    """\
data: {name: random, sizes: [5, 3, 16, 16], layout: clip, num_targets: 2}
model:
  blocks:
    unit:
      params: {channels: , stride: 1}
      layers:
        - conv2d: {out_channels: "${channels}", kernel_size: 3, stride: "${stride}", padding: 1, bias: false}
        - batch_norm2d
        - leaky_relu: 0.1
  layers:
    - time_distributed:
        - unit: {channels: 8, repeat: 2, name: first}
        - unit: {channels: 8, stride: 2}
        - global_avg_pool
    - gru: {hidden_size: 8, return: sequence}
    - global_max_pool
    - linear: ${data.num_targets}
  limits: {parameters: 1000000, memory: 1 GB}
train: {loss: huber, metrics: [mae, r2], monitor: mae, early_stopping: 3}
""",
    """\
data: {name: random, sizes: [2, 8, 8, 8], num_classes: 3, split: {valid: 0.2, test: 0.2}}
model:
  layers:
    - conv3d: {out_channels: 4, kernel_size: [1, 3, 3], groups: 2, name: stem}
    - group_norm: {num_groups: 2, name: a}
    - avg_pool3d: {kernel_size: 2, ceil_mode: true}
    - flatten
    - linear: {out_features: 8, name: tower}
    - tanh: {name: x}
    - linear: {out_features: 8, repeat: 2, name: y}
    - share: y
    - multiply: [x, share_1]
    - softmax: {dim: -1}
    - linear: {out_features: 3, name: out}
  outputs: out
""",
    """\
data: {name: digits, augment: [{name: shift, pixels: 1}, flip], normalize: {name: fixed, mean: [0.5], std: [0.5]}}
model:
  init: kaiming_normal
  layers:
    - conv_transpose2d: {out_channels: 3, kernel_size: 2, stride: 2, output_padding: 1}
    - sequential: {layers: [relu, {adaptive_avg_pool2d: 4}, {dropout2d: 0.2}], repeat: 2, name: middle}
    - max_pool2d: {kernel_size: 3, stride: 1, padding: 1, dilation: 1, name: left}
    - avg_pool2d: {kernel_size: 3, stride: 1, padding: 1, count_include_pad: false, from: middle, name: right}
    - concat: {from: [left, right], dim: 1}
    - permute: [0, 2, 3, 1]
    - reshape: [16, -1]
    - rnn: {hidden_size: 4, nonlinearity: relu, init: orthogonal}
    - flatten: {start_dim: 1, end_dim: -1}
    - linear: {out_features: 10, name: main}
    - linear: {out_features: "${data.num_classes + 2 * (3 - 3)}", from: flatten_1, name: aux}
  outputs: [main, aux]
train:
  loss:
    main: {name: cross_entropy, label_smoothing: 0.1, metrics: [accuracy, {name: top_k, k: 2}]}
    aux: {name: cross_entropy, weight: 0.3}
""",
    """\
data: {name: random, sizes: [10, 4], per_step: true, num_classes: 3}
model:
  layers:
    - batch_norm1d
    - gru: {hidden_size: 8, bidirectional: true, name: up}
    - instance_norm
    - conv1d: {out_channels: 16, kernel_size: 5, padding: 2, padding_mode: circular, name: wide}
    - subtract: [up, wide]
    - maximum: [up, wide, subtract_1]
    - linear: 3
""",
)

_SCALARS: Final = (
    *("0", "1", "-1", "2", "3", "7", "0.5", "-0.0", "1e-3", "1e308", ".inf", ".nan", "65536", "65537", "999999999999999999"),
    *("9" * 30, "0x10", "null", "~", "", "true", "no", "''", '"3"', "[]", "{}", "[1]", "[0, 0]", "[3, 3]", "[-1, 2]", "[[1]]"),
    *("[1, 2, 3]", "{a: 1}", "{name: x}", "{name: }", "[relu]", "relu", "linear", "input", "last", "same", "forward", "a.b"),
    *("${data.num_classes}", "${data.height}", "${vars.hidden}", "${1 / 0}", "${-3}", "${10 ** 3}", "${", "${}", "${a}"),
    *("*a", "&a 1", "!!int 3", "<<", "|", ">", "- 1", "a: b", "@x", "%x", "x" * 300, "é", "\U0001f600", "1_000", "1:30"),
)
_KEYS: Final = (
    *("name", "from", "repeat", "layers", "layer", "init", "outputs", "blocks", "params", "limits", "vars", "extends", "<<", ""),
    *("kernel_size", "stride", "padding", "dilation", "groups", "dim", "return", "num_layers", "loss", "metrics", "view", "path"),
    *("linear", "conv2d", "lstm", "share", "sequential", "time_distributed", "add", "concat", "reshape", "flatten", "1", "null"),
)
_CHARACTERS: Final = "[]{}:,-'\"#&*!|>%@`~${}().0123456789abc_ \t\n\r\x00\x01\x1b\x7f\x85\u2028\ufeff\ud800é"


@pytest.fixture(autouse=True)
def _texts_at_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mutant stands in another folder than the config whose texts it names."""
    monkeypatch.setenv("DLCLI_DATA", str(_CONFIGS))


def _sources() -> list[str]:
    """Valid configs: those of the project, and some that use what these don't."""
    return [path.read_text(encoding="utf-8") for path in sorted(_CONFIGS.rglob("*.yaml"))] + list(_OWN)


def _delete_line(lines: list[str], chance: random.Random, _: list[str]) -> None:
    del lines[chance.randrange(len(lines))]


def _duplicate_line(lines: list[str], chance: random.Random, _: list[str]) -> None:
    lines.insert(chance.randrange(len(lines)), chance.choice(lines))


def _swap_lines(lines: list[str], chance: random.Random, _: list[str]) -> None:
    first, second = chance.randrange(len(lines)), chance.randrange(len(lines))
    lines[first], lines[second] = lines[second], lines[first]


def _indent(lines: list[str], chance: random.Random, _: list[str]) -> None:
    start = chance.randrange(len(lines))
    by = chance.choice((-4, -2, -1, 1, 2, 4))
    for index in range(start, min(len(lines), start + chance.choice((1, 1, 2, 5)))):
        lines[index] = " " * by + lines[index] if by > 0 else lines[index][-by:]


def _replace_scalar(lines: list[str], chance: random.Random, _: list[str]) -> None:
    index = chance.randrange(len(lines))
    parts = re.split(r"(?<=[:,\[{-]) ", lines[index])
    part = chance.randrange(len(parts))
    parts[part] = re.sub(r"^[^,\]}:]*", lambda _: chance.choice(_SCALARS), parts[part], count=1)
    lines[index] = " ".join(parts)


def _replace_number(lines: list[str], chance: random.Random, _: list[str]) -> None:
    """The mutation that is accepted most often, and so tells most about what is built."""
    places = [(index, match) for index, line in enumerate(lines) for match in re.finditer(r"(?<![\w.])\d+(\.\d+)?", line)]
    if places:
        index, match = chance.choice(places)
        new = chance.choice((*_SCALARS[:15], str(chance.randrange(12)), str(chance.randrange(12)), f"{chance.randrange(1, 9)}"))
        lines[index] = lines[index][: match.start()] + new + lines[index][match.end() :]


def _rename_key(lines: list[str], chance: random.Random, _: list[str]) -> None:
    places = [(index, match) for index, line in enumerate(lines) for match in re.finditer(r"\w+(?=:)", line)]
    if places:
        index, match = chance.choice(places)
        lines[index] = lines[index][: match.start()] + chance.choice(_KEYS) + lines[index][match.end() :]


def _splice(lines: list[str], chance: random.Random, others: list[str]) -> None:
    """A piece of another config at a random place, or the same lines of it in place of ours."""
    other = chance.choice(others).splitlines()
    start = chance.randrange(len(other))
    index = chance.randrange(len(lines))
    lines[index : index + chance.choice((0, 0, 1, 3))] = other[start : start + chance.choice((1, 1, 2, 6))]


def _flip_character(lines: list[str], chance: random.Random, _: list[str]) -> None:
    index = chance.randrange(len(lines))
    at = chance.randrange(len(lines[index]) + 1)
    lines[index] = lines[index][:at] + chance.choice(_CHARACTERS) + lines[index][at + chance.randrange(2) :]


def _truncate(lines: list[str], chance: random.Random, _: list[str]) -> None:
    del lines[chance.randrange(1, len(lines) + 1) :]
    lines[-1] = lines[-1][: chance.randrange(len(lines[-1]) + 1)]


_MUTATIONS: Final[tuple[Callable[[list[str], random.Random, list[str]], None], ...]] = (
    *(_delete_line, _duplicate_line, _swap_lines, _indent, _replace_scalar, _replace_scalar),
    *(_replace_number, _replace_number, _replace_number, _rename_key, _splice, _splice, _flip_character, _truncate),
)


def _mutant(seed: int, sources: list[str]) -> str:
    """One to four mutations of one of the sources; equal seeds give equal texts."""
    chance = random.Random(seed)  # noqa: S311  # no secret
    lines = chance.choice(sources).splitlines()
    for _ in range(chance.choice((1, 1, 1, 2, 2, 3, 4))):
        lines = lines or [""]
        chance.choice(_MUTATIONS)(lines, chance, sources)
    return "\n".join(lines) + "\n"


def _batch(shape: Shape) -> torch.Tensor:
    sizes = at_steps(shape, 16).sizes
    return torch.empty((2, *sizes), dtype=torch.int64 if holds_tokens(shape) else torch.float32, device="meta")


def _run_once(experiment: Experiment) -> None:
    """Builds the network and runs a batch of two through it, without memory for its values."""
    graph = experiment.graph
    with torch.device("meta"):
        network = build_network(graph, experiment.model.init)
    batches = {name: _batch(shape) for name, shape in graph.inputs.items()}
    output = network(batches if len(batches) > 1 else next(iter(batches.values())))
    outputs = output if isinstance(output, dict) else {graph.outputs[0]: output}
    for name, values in outputs.items():
        assert tuple(values.shape) == (2, *at_steps(graph.node(name).output_shape, 16).sizes), name


def _check(seed: int, sources: list[str], folder: Path) -> str:
    """What became of one mutant: `refused`, or `accepted` and run; fails with its text where a promise is broken."""
    text = _mutant(seed, sources)
    path = folder / "mutant.yaml"
    path.write_text(text, encoding="utf-8", errors="surrogatepass")
    try:
        started = time.process_time()
        found = diagnose(path, (), None)
        seconds = time.process_time() - started
        assert seconds < MAX_SECONDS, f"{seconds:.1f} s"
        if any(one.severity == "error" for one in found):
            for one in found:
                one.render(), one.as_json(), one.as_github()
            return "refused"
        _run_once(read_experiment(path, (), None))
    except Exception as error:
        raise AssertionError(f"seed {seed}: {type(error).__name__}: {error}\n{text}") from error
    return "accepted"


def _check_all(seeds: range, folder: Path) -> Counter[str]:
    sources = _sources()
    return Counter(_check(seed, sources, folder) for seed in seeds)


def test_what_is_mutated_is_valid(tmp_path: Path) -> None:
    """The configs that mutants are made from have no mistake themselves, and run."""
    for number, text in enumerate(_sources()):
        path = tmp_path / f"{number}.yaml"
        path.write_text(text, encoding="utf-8")
        assert not [found.render() for found in diagnose(path, (), None) if found.severity == "error"]
        _run_once(read_experiment(path, (), None))


def test_mutants_are_refused_or_run(tmp_path: Path) -> None:
    """300 of them, some of which are still valid."""
    outcomes = _check_all(range(300), tmp_path)
    assert outcomes["refused"] > 100
    assert outcomes["accepted"] > 20


@pytest.mark.slow
def test_ten_thousand_mutants_are_refused_or_run(tmp_path: Path) -> None:
    """10,000 others."""
    outcomes = _check_all(range(1_000, 11_000), tmp_path)
    print(f"\n{dict(outcomes)}")
    assert outcomes["accepted"] > 500
