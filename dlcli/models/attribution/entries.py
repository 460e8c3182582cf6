"""What a network reads of a sample, as numbers that can be changed: an input, or of tokens what the embeddings make of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

Score = Callable[..., Tensor]
"""From the values of each entry, (rows, ...), to the number that is explained, (rows,)."""


@dataclass(frozen=True)
class Entry:
    """Numbers that a network reads.

    Attributes:
        input: the name of the network's input that they come from.
        values: (1, ...): the input itself, or the vectors (1, time, size) that stand for its tokens.
        is_embedded: whether they stand for tokens.
    """

    input: str
    values: Tensor
    is_embedded: bool


class Entries:
    """A network and one sample; called with other numbers at the entries, it gives what the network makes of them.

    Hooks stand on the network's embeddings while it runs, and are gone afterwards.

    Args:
        network: in eval mode.
        inputs: the sample as a batch of 1, each input by its name; tokens as whole numbers.
        names: of the network's outputs.

    Attributes:
        entries: in the order in which the values are given.
        outputs: what the network makes of the sample, (1, ...), by name.
    """

    def __init__(self, network: nn.Module, inputs: Mapping[str, Tensor], names: Sequence[str]) -> None:
        self._network = network
        self._inputs = dict(inputs)
        self._names = names
        self._quantities = {name: values for name, values in inputs.items() if values.is_floating_point()}
        found = [Entry(name, values, is_embedded=False) for name, values in self._quantities.items()]

        def note(tokens: Tensor, vectors: Tensor) -> None:
            found.append(Entry(self._input_of(tokens), vectors.reshape(1, -1, vectors.shape[-1]), is_embedded=True))

        with torch.no_grad(), self._on_embeddings(note):
            self.outputs = self._run(self._inputs)
        self.entries = tuple(found)

    def __call__(self, *values: Tensor) -> dict[str, Tensor]:
        """The outputs, (rows, ...) by name.

        Args:
            values: of each entry, (rows, ...).
        """
        rows, given = len(values[0]), iter(values[len(self._quantities) :])
        inputs = {name: tensor.expand(rows, *tensor.shape[1:]) for name, tensor in self._inputs.items()}
        inputs |= dict(zip(self._quantities, values, strict=False))
        with self._on_embeddings(lambda _, vectors: next(given).reshape(vectors.shape)):
            return self._run(inputs)

    def _run(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        outputs = self._network(inputs if len(inputs) > 1 else next(iter(inputs.values())))
        return outputs if isinstance(outputs, dict) else {self._names[0]: outputs}

    def _input_of(self, tokens: Tensor) -> str:
        """The input whose memory an embedding reads."""
        memory = tokens.untyped_storage().data_ptr()
        return next(name for name, values in self._inputs.items() if values.untyped_storage().data_ptr() == memory)

    @contextmanager
    def _on_embeddings(self, then: Callable[[Tensor, Tensor], Tensor | None]) -> Iterator[None]:
        """Has each call of an embedding give what `then` makes of the tokens and the vectors, unless that is nothing."""

        def hook(_: nn.Module, read: tuple[Tensor, ...], vectors: Tensor) -> Tensor | None:
            return then(read[0], vectors)

        handles = [layer.register_forward_hook(hook) for layer in self._network.modules() if isinstance(layer, nn.Embedding)]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()
