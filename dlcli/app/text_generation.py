"""Texts that a language model goes on with, token by token."""

from __future__ import annotations

import codecs
import math
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn

from dlcli.app.runs import Run, open_run, recorded_experiment
from dlcli.app.use import find_checkpoint, restored
from dlcli.config import compose, experiment
from dlcli.config.data import Text
from dlcli.config.diagnostics import ConfigError
from dlcli.config.experiment import Experiment
from dlcli.config.graph import Graph, all_nodes
from dlcli.config.layers.base import OwnLayer
from dlcli.config.shapes import Sequence, Time
from dlcli.data.sources.vocabulary import UNKNOWN, Tokens, Vocabulary, steps_of
from dlcli.errors import UsageError
from dlcli.models.carried_state import carry_state
from dlcli.models.network import Network, TimeDistributed
from dlcli.models.recurrent import Recurrent
from dlcli.plugins import plugin_errors
from dlcli.runtime.device import choose_device
from dlcli.runtime.memory import memory_errors
from dlcli.training.run_folder import RunFolder

_MOST_NAMED: Final = 10
_SEEDS: Final = 2**63

Scores = Callable[[Tensor], Tensor]
"""From the next tokens (n,) of a text to the logits (vocabulary,) of the token after them; it remembers those before."""


@dataclass(frozen=True)
class Sampling:
    """How the next token is chosen.

    Attributes:
        length: how many tokens.
        temperature: what logits are divided by: below 1 the likely tokens become more so; 0 takes the most likely.
        seed: of the choice.
    """

    length: int
    temperature: float
    seed: int

    def __post_init__(self) -> None:
        if self.length < 1:
            raise UsageError(f"the length is {self.length}, expected at least 1", help="write for example --length 400")
        if not 0 <= self.seed < _SEEDS:
            raise UsageError(f"the seed is {self.seed}, expected 0 to {_SEEDS - 1}", help="write for example --seed 1")
        if not 0 <= self.temperature < math.inf:
            help = "write for example --temperature 0.8, or 0 for the most likely text"
            raise UsageError(f"the temperature is {self.temperature}, expected 0 or a larger number", help=help)


@dataclass(frozen=True)
class Continuation:
    """A text that is being written.

    Attributes:
        run: the run's folder.
        checkpoint: the name of the checkpoint that was asked.
        prompt: what the text begins with.
        pieces: what follows it, as it comes.
    """

    run: Path
    checkpoint: str
    prompt: str
    pieces: Iterator[str]

    def as_json(self) -> dict[str, Any]:
        """What `predict --prompt --json` prints."""
        found = {"run": str(self.run), "checkpoint": self.checkpoint, "prompt": self.prompt}
        return {**found, "continuation": "".join(self.pieces)}


def continue_text(
    run: Run | str | Path | None, prompt: str, sampling: Sampling, *, checkpoint: str, device: str, runs: Path
) -> Continuation:
    """Goes on with a text.

    Args:
        run: a run, its folder, its name, or None for the newest.
        prompt: the text's begin.
        sampling: how far, and how.
        checkpoint: best, last or the number of a step.
        device: as for `--device`.
        runs: the folder of all runs.

    Raises:
        UsageError: the run is no language model, or can't begin with this prompt.
    """
    chosen = choose_device(device)
    folder = open_run(run, runs).folder
    settled = recorded_experiment(folder)
    spec = settled.data
    if not isinstance(spec, Text):
        help = f"give a file: dlcli predict {folder.path} FILE; a run of `name: text` goes on with a prompt"
        raise UsageError(f"{folder.path} is no language model: it was trained on `{spec.kind}`", help=help)
    if len(settled.graph.outputs) > 1:
        names = ", ".join(settled.graph.outputs)
        what = f"the network of {folder.path} has several outputs ({names}), and a text goes on from one"
        raise UsageError(what, help="train with one output: leave `model.outputs` out, or name one layer in it")
    vocabulary = Vocabulary.of(spec)
    prompt = prompt.encode(errors="surrogateescape").decode(errors="replace")  # what the shell gave may be no UTF-8
    tokens = torch.from_numpy(_encoded(prompt, vocabulary))
    found = find_checkpoint(folder, checkpoint)
    network = restored(settled, found).to(chosen).eval()
    pieces = continued(network, settled, spec, folder, tokens=tokens.to(chosen), sampling=sampling)
    return Continuation(folder.path, found.path.name, prompt, pieces)


def continued(
    network: nn.Module, settled: Experiment, spec: Text, folder: RunFolder, *, tokens: Tensor, sampling: Sampling
) -> Iterator[str]:
    """What follows some tokens, as texts, one after the other.

    Args:
        network: of one output, in eval mode; it may carry its state from then on.
        settled: the experiment of the run.
        spec: its data.
        folder: the run's.
        tokens: int64 (T,), on the network's device.
        sampling: how far, and how.

    Raises:
        UsageError: the network reads a whole window at once, and there are fewer tokens.
    """
    vocabulary = Vocabulary.of(spec)
    scores = _scores(network, settled, folder, spec, len(tokens))
    return _as_texts(_sampled(scores, tokens, sampling, vocabulary), vocabulary)


def _encoded(prompt: str, vocabulary: Vocabulary) -> Tokens:
    """The tokens (T,) of a prompt.

    Raises:
        UsageError: it is empty, or holds what the run does not know.
    """
    steps = steps_of(prompt if vocabulary.unit == "bytes" else prompt.replace("\r\n", "\n"), vocabulary.unit)
    if not len(steps):
        raise UsageError("the prompt is empty", help=f'give at least one of the {vocabulary.unit}: --prompt "The "')
    tokens = vocabulary.tokens(steps).copy()
    if vocabulary.unit == "bytes":
        return tokens
    unknown = list(dict.fromkeys(step for step, token in zip(steps, tokens, strict=True) if token == UNKNOWN))
    if unknown:
        named = ", ".join(map(repr, unknown[:_MOST_NAMED])) + (", ..." if len(unknown) > _MOST_NAMED else "")
        what = f"the prompt has {vocabulary.unit} that the run's vocabulary has not: {named}"
        raise UsageError(what, help="write the prompt without them; the vocabulary is that of the training's text")
    return tokens


def _scores(network: nn.Module, settled: Experiment, folder: RunFolder, spec: Text, prompted: int) -> Scores:
    """How the network reads on: each token once where its state can be carried, else the last `window` tokens each time.

    Raises:
        UsageError: the network reads a whole window at once, and the prompt is shorter.
    """
    graph = _graph_of_any_length(settled, folder)
    if graph is None and prompted < spec.window:
        what = f"the prompt has {prompted} {spec.unit}, and the network reads {spec.window} at once, no fewer"
        raise UsageError(what, help="give a longer prompt")
    return _carrying(network) if graph is not None and _can_carry(network, graph) else _rereading(network, spec.window)


def _graph_of_any_length(settled: Experiment, folder: RunFolder) -> Graph | None:
    """The network for texts of any length; None where its layers need those of one length."""
    shapes = {name: Sequence(Time(), shape.item) for name, shape in settled.facts.inputs.items() if isinstance(shape, Sequence)}
    facts = replace(settled.facts, inputs=shapes)
    try:
        return experiment.resolve(compose.load(folder.resolved_config, ()), lambda _: facts).graph
    except ConfigError:
        return None


def _can_carry(network: nn.Module, graph: Graph) -> bool:
    """Whether nothing but the states of recurrent layers leads from one step to the next; then the network carries them.

    On texts of any length, what else crosses steps says so by `reads_lengths`. Of layers from plug-ins nothing is known.
    """
    if any(isinstance(node.spec, OwnLayer) for node, _ in all_nodes(graph, unknown=1)):
        return False
    for module in network.modules():
        starts_anew = isinstance(module, TimeDistributed) and any(isinstance(part, Recurrent) for part in module.modules())
        # a nested network crosses no steps by itself, nor does batch norm, whose statistics are fixed by now
        is_known = type(module) in (Network, TimeDistributed) or isinstance(module, Recurrent | nn.BatchNorm1d)
        if starts_anew or (getattr(module, "reads_lengths", False) and not is_known):
            return False
    try:
        carry_state(network)
    except UsageError:
        return False
    return True


def _carrying(network: nn.Module) -> Scores:
    def scores(tokens: Tensor) -> Tensor:
        with _step_by_step():
            return _last(network(tokens[None]))

    return scores


@contextmanager
def _step_by_step() -> Iterator[None]:
    """What makes single steps quick on the CPU: torch's own recurrent layers in one thread.

    oneDNN's pack all weights anew for each call, and threads wait for each other longer than a step takes.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="TF32 acceleration on top of oneDNN")  # set along with the switch
            with torch.backends.mkldnn.flags(enabled=False):
                yield
    finally:
        torch.set_num_threads(threads)


def _rereading(network: nn.Module, window: int) -> Scores:
    """For networks that look back over steps, or forward: what they give depends on all the tokens they see."""
    seen = torch.empty(0, dtype=torch.int64)

    def scores(tokens: Tensor) -> Tensor:
        nonlocal seen
        seen = torch.cat((seen.to(tokens.device), tokens))[-window:]
        return _last(network(seen[None]))

    return scores


def _last(output: Tensor) -> Tensor:
    """(1, T, vocabulary) -> (vocabulary,)."""
    return output[0, -1]


def _sampled(scores: Scores, prompt: Tensor, sampling: Sampling, vocabulary: Vocabulary) -> Iterator[int]:
    """The tokens that follow a prompt (T,)."""
    generator = torch.Generator().manual_seed(sampling.seed)
    tokens = prompt
    with torch.inference_mode(), plugin_errors(), memory_errors():
        for _ in range(sampling.length):
            logits = scores(tokens).to("cpu", torch.float64)[: vocabulary.num_tokens].clone()
            if vocabulary.unit != "bytes":
                logits[UNKNOWN] = -torch.inf
            token = _chosen(logits, sampling.temperature, generator)
            yield token
            tokens = prompt.new_tensor([token])


def _chosen(logits: Tensor, temperature: float, generator: torch.Generator) -> int:
    if temperature == 0:
        return int(logits.argmax())
    probabilities = ((logits - logits.max()) / temperature).softmax(dim=0)
    return int(torch.multinomial(probabilities, 1, generator=generator))


def _as_texts(tokens: Iterator[int], vocabulary: Vocabulary) -> Iterator[str]:
    """Each token as the text that follows what was there before: a character's bytes together, words behind a space."""
    if vocabulary.unit != "bytes":
        space = " " if vocabulary.unit == "words" else ""
        yield from (space + vocabulary.decode([token]) for token in tokens)
        return
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    yield from (decoder.decode(bytes([token])) for token in tokens)
    yield decoder.decode(b"", final=True)
