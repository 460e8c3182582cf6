"""What a run keeps for its report: gathered at its end, while the data and the network are there."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from itertools import takewhile
from typing import Final

from torch import Tensor

from dlcli.app.record import told
from dlcli.app.text_generation import Sampling, continued
from dlcli.config.data import Text
from dlcli.config.experiment import Experiment
from dlcli.data.sources.vocabulary import Vocabulary
from dlcli.errors import UsageError
from dlcli.plugins import plugin_failure
from dlcli.runtime.signals import StopRequest
from dlcli.training.outcomes.arrays import MOST_TEXT, MOST_WRITTEN
from dlcli.training.outcomes.digest import digest
from dlcli.training.outcomes.gatherer import Gatherer, failure_of
from dlcli.training.outcomes.outcome import Judgement, Outcome, WrittenText
from dlcli.training.outcomes.storage import packed
from dlcli.training.outcomes.taking import spread
from dlcli.training.run_folder import RunFolder
from dlcli.training.trainer import Trainer

_PROMPT: Final = 32
"""Tokens."""
_TEXTS: Final = ((0.5, 1), (0.8, 2), (1.0, 3))
"""Temperature and seed of each."""
_TOKENS: Final = 200
"""Of a text that a language model writes."""
_SECONDS_FOR_TEXTS: Final = 2.0
"""After which no further token is written: of some networks each costs as much as a window."""


class Keeper:
    """Keeps the outcome of a run. What fails in here is one notice, and changes nothing of the run.

    Args:
        trainer: the run's.
        experiment: the same, as it is understood.
        folder: where it is kept.
        on_notice: takes the line.
    """

    def __init__(self, trainer: Trainer, experiment: Experiment, folder: RunFolder, on_notice: Callable[[str], None]) -> None:
        self._trainer = trainer
        self._experiment = experiment
        self._folder = folder
        self._on_notice = on_notice
        self._judgement: Judgement | None = None

    def judged(self, split: str, stop: StopRequest) -> dict[str, float]:
        """Loss and metrics of the judged network on a split that is there, as `Trainer.evaluate` gives them.

        Raises:
            StoppedError: somebody asked to stop meanwhile.
        """
        gatherers: list[Gatherer] = []

        def begin() -> None:
            gatherers.append(Gatherer(self._trainer.dataset, split, self._trainer.objective))

        failure = failure_of(begin)
        figures = self._trainer.evaluate(split, stop, *gatherers)
        failure = failure or next((gatherer.failure for gatherer in gatherers), None)

        def finish() -> None:
            samples = self._trainer.dataset.splits()[split]
            assert samples is not None
            texts = self._written(split)
            outputs = gatherers[0].outputs()
            self._judgement = Judgement(split=split, samples=len(samples), figures=figures, outputs=outputs, written=texts)

        self._tell(failure or failure_of(finish))
        return figures

    def write(self) -> None:
        """Writes what is known so far."""

        def work() -> None:
            self._folder.write_outcome(packed(Outcome(data=digest(self._trainer.dataset), judgement=self._judgement)))

        self._tell(failure_of(work))

    def _tell(self, failure: Exception | None) -> None:
        if failure is not None:
            self._on_notice(f"some of what a report shows can't be kept: {told(plugin_failure(failure) or failure)}")

    def _written(self, split: str) -> tuple[WrittenText, ...]:
        """What a language model writes after the begins of some windows of a split."""
        spec, samples = self._experiment.data, self._trainer.dataset.splits()[split]
        if not isinstance(spec, Text) or samples is None or len(self._experiment.graph.outputs) > 1:
            return ()
        assert isinstance(samples.inputs, Tensor)
        begins = samples.inputs.index_select(0, spread(len(samples), len(_TEXTS)).to(samples.device))
        until, texts = time.perf_counter() + _SECONDS_FOR_TEXTS, []
        for tokens, (temperature, seed) in zip(begins, _TEXTS, strict=False):
            sampling = Sampling(_TOKENS, temperature, seed)
            try:
                prompt, pieces = self._continued(spec, tokens[:_PROMPT], sampling)
            except UsageError:  # it reads a whole window at once
                prompt, pieces = self._continued(spec, tokens, sampling)
            text = "".join(takewhile(lambda _: time.perf_counter() < until, pieces))
            texts.append(WrittenText(prompt=prompt[-MOST_TEXT:], text=text[:MOST_WRITTEN], temperature=temperature))
        return tuple(text for text in texts if text.text)

    def _continued(self, spec: Text, tokens: Tensor, sampling: Sampling) -> tuple[str, Iterator[str]]:
        """What tokens stand for, and what follows them."""
        network = self._trainer.judged_network.eval()
        pieces = continued(network, self._experiment, spec, self._folder, tokens=tokens, sampling=sampling)
        return Vocabulary.of(spec).decode(tokens.tolist()), pieces
