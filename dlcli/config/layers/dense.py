"""Layers that map vectors: `linear`, and `embedding` from tokens to vectors."""

from typing import ClassVar

from dlcli.config.initialisation import WithInit
from dlcli.config.layers.base import LayerSpec
from dlcli.config.shapes import Sequence, Shape, ShapeError, Token, Vector, channels_of, num_values, token_of
from dlcli.config.values import PositiveFloat, PositiveInt


class Linear(WithInit, LayerSpec):
    """x W^T + b on the last axis. (features) -> (out_features), (T, features) -> (T, out_features)."""

    kind: ClassVar[str] = "linear"
    main: ClassVar[str] = "out_features"
    accepts: ClassVar[tuple[str, ...]] = ("vector", "series")

    out_features: PositiveInt
    """Size of the output's last axis."""
    bias: bool = True

    def output_shape(self, shape: Shape) -> Shape:
        output = Vector(self.out_features)
        return Sequence(shape.time, output) if isinstance(shape, Sequence) else output

    def parameter_count(self, shape: Shape) -> int:
        return (channels_of(shape) + self.bias) * self.out_features

    def flops(self, shape: Shape) -> int:
        return 2 * num_values(self.output_shape(shape)) * channels_of(shape)


class Embedding(LayerSpec):
    """A learnt vector for each token. (T) -> (T, embedding_dim)."""

    kind: ClassVar[str] = "embedding"
    main: ClassVar[str] = "embedding_dim"
    accepts: ClassVar[tuple[str, ...]] = ("token", "tokens")

    embedding_dim: PositiveInt
    """Size of the vectors."""
    padding_idx: int | None = None
    """A token whose vector stays 0."""
    max_norm: PositiveFloat | None = None

    def output_shape(self, shape: Token | Sequence) -> Shape:
        tokens = token_of(shape).num_values
        if self.padding_idx is not None and not 0 <= self.padding_idx < tokens:
            raise ShapeError(f"`padding_idx` is {self.padding_idx}, and the tokens are 0 to {tokens - 1}")
        output = Vector(self.embedding_dim)
        return Sequence(shape.time, output) if isinstance(shape, Sequence) else output

    def parameter_count(self, shape: Token | Sequence) -> int:
        return token_of(shape).num_values * self.embedding_dim
