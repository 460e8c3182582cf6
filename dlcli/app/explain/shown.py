"""A sample as a page shows it: what its steps are called, what it is compared with, and the names of its files."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from itertools import count

import torch

from dlcli.app.explain.samples import Sample
from dlcli.app.explain.subject import Subject
from dlcli.config.normalisation import FixedNormalize
from dlcli.config.shapes import Sequence, holds_tokens


class Shown:
    """A sample on a page.

    Args:
        subject: the network.
        sample: what it reads.
        place: of the sample on the page, from 1.
        in_depth: whether layers and gates are shown too.
    """

    def __init__(self, subject: Subject, sample: Sample, *, place: int, in_depth: bool) -> None:
        self.subject = subject
        self.sample = sample
        self.in_depth = in_depth
        self._place = place
        self._figures = count(1)

    def name(self, what: str) -> str:
        """That of the next figure's files."""
        return f"explain-{self._place}-{next(self._figures):02d}-{what}"

    @cached_property
    def labels(self) -> Mapping[str, list[str]]:
        """What the steps of each input are called; nothing for those that have none."""
        return {name: self._labels_of(name) for name in self.subject.shapes}

    @property
    def text(self) -> list[str] | None:
        """The labels of the first input of tokens."""
        return next((labels for name, labels in self.labels.items() if holds_tokens(self.subject.shapes[name])), None)

    def baseline(self, name: str) -> str:
        """What an input is compared with by integrated gradients, in words."""
        if holds_tokens(self.subject.shapes[name]):
            return "a text of empty vectors"
        return "a black picture" if self.sample.raw_of(name).dtype == torch.uint8 else self.middle(name)

    def middle(self, name: str) -> str:
        """What stands where a part of an input is hidden, in words: 0 where the network reads it."""
        if holds_tokens(self.subject.shapes[name]):
            return "an empty vector"
        normalize = self.subject.experiment.data.normalization_of(name)
        return "the mean of the training data" if isinstance(normalize, FixedNormalize) else "0"

    def _labels_of(self, name: str) -> list[str]:
        shape, values = self.subject.shapes[name], self.sample.inputs[name]
        if not isinstance(shape, Sequence):
            return []
        if holds_tokens(shape):
            return self.subject.token_names(values[0].tolist())
        return [str(step + 1) for step in range(values.shape[1])]
