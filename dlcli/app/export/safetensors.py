"""The weights of a network as safetensors, with what it takes to build the network again beside them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from dlcli.app.export.batches import Batch
from dlcli.app.export.facts import MARK, Facts, as_text
from dlcli.app.export.subject import Subject
from dlcli.app.export.verification import FAULT, Answer, Outputs, answer_of
from dlcli.config import compose, experiment
from dlcli.config.facts import DataFacts
from dlcli.config.graph import Graph
from dlcli.errors import CheckpointError
from dlcli.models.network import Network, build_network

CONFIG: Final = ".config.yaml"
FACTS: Final = ".facts.json"
"""What stands in the place of the file's own ending."""


def write_safetensors(subject: Subject, facts: Facts, file: Path) -> None:
    """Writes the weights, the resolved config and the facts."""
    weights = {name: tensor.contiguous() for name, tensor in subject.network.state_dict().items()}
    file.write_bytes(save(weights, metadata={"made_by": f"{MARK} --to safetensors`"}))
    file.with_suffix(CONFIG).write_text(f"# {MARK} --to safetensors`.\n{subject.config}", encoding="utf-8")
    file.with_suffix(FACTS).write_text(as_text(facts) + "\n", encoding="utf-8")


def read_safetensors(file: Path) -> tuple[Graph, dict[str, Tensor], Facts]:
    """The layers, the weights and the facts again.

    Raises:
        CheckpointError: the files are not those of `write_safetensors`.
        DlcliError: the config has mistakes.
    """
    try:
        facts: Any = json.loads(file.with_suffix(FACTS).read_bytes())
        known = DataFacts.from_json(facts["data"])
        weights = load(file.read_bytes())
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise CheckpointError(f"the exported weights can't be read: {error}", help=FAULT) from error
    return experiment.resolve(compose.load(file.with_suffix(CONFIG)), lambda _: known).graph, weights, facts


def open_safetensors(file: Path) -> Answer:
    """Builds the network anew, and loads the weights.

    Raises:
        CheckpointError, DlcliError: as `read_safetensors`.
    """
    graph, weights, _ = read_safetensors(file)
    network = build_network(graph, None)
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        raise CheckpointError(f"the exported weights are of another network: {error}", help=FAULT) from error
    return _answers_of(network.eval())


def _answers_of(network: Network) -> Callable[[Batch], Outputs]:
    return lambda batch: answer_of(network, batch)
