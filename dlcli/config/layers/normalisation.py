"""Normalisations."""

from typing import ClassVar

from dlcli.config.layers.base import ElementwiseSpec
from dlcli.config.shapes import Sequence, Shape, ShapeError, Vector, channels_of, num_values, window_sizes
from dlcli.config.values import PositiveFloat, PositiveInt, Probability


class _BatchNorm(ElementwiseSpec):
    eps: PositiveFloat = 1e-5
    momentum: Probability = 0.1
    """Share of the newest batch in the running statistics."""
    affine: bool = True
    """Whether a scale and a shift are learnt for each channel."""
    track_running_stats: bool = True

    def parameter_count(self, shape: Shape) -> int:
        return 2 * channels_of(shape) if self.affine else 0


class BatchNorm1d(_BatchNorm):
    """Each feature to mean 0 and variance 1 over the batch (and time) (Ioffe and Szegedy, 2015, arXiv:1502.03167)."""

    kind: ClassVar[str] = "batch_norm1d"
    accepts: ClassVar[tuple[str, ...]] = ("vector", "series")


class BatchNorm2d(_BatchNorm):
    """Each channel to mean 0 and variance 1 over the batch and the image."""

    kind: ClassVar[str] = "batch_norm2d"
    accepts: ClassVar[tuple[str, ...]] = ("image",)


class BatchNorm3d(_BatchNorm):
    """Each channel to mean 0 and variance 1 over the batch and the volume."""

    kind: ClassVar[str] = "batch_norm3d"
    accepts: ClassVar[tuple[str, ...]] = ("volume",)


class LayerNorm(ElementwiseSpec):
    """Each sample (of a sequence: each step) to mean 0 and variance 1 (Ba et al., 2016, arXiv:1607.06450)."""

    kind: ClassVar[str] = "layer_norm"

    eps: PositiveFloat = 1e-5
    elementwise_affine: bool = True
    """Whether a scale is learnt for each value."""
    bias: bool = True
    """Whether a shift is learnt too."""

    def parameter_count(self, shape: Shape) -> int:
        return num_values(self.normalised(shape)) * (1 + self.bias) if self.elementwise_affine else 0

    def same_weights(self, first: Shape, second: Shape) -> bool:
        return first.layout == second.layout and self.normalised(first) == self.normalised(second)

    def normalised(self, shape: Shape) -> Shape:
        """What is brought to mean 0: the sample, or each step of it."""
        return shape.item if isinstance(shape, Sequence) else shape


class GroupNorm(ElementwiseSpec):
    """Groups of channels of a sample to mean 0 and variance 1 (Wu and He, 2018, arXiv:1803.08494)."""

    kind: ClassVar[str] = "group_norm"
    main: ClassVar[str] = "num_groups"
    accepts: ClassVar[tuple[str, ...]] = ("vector", "series", "image", "volume")

    num_groups: PositiveInt
    """Divides the channels."""
    eps: PositiveFloat = 1e-5
    affine: bool = True

    def output_shape(self, shape: Shape) -> Shape:
        if channels_of(shape) % self.num_groups:
            raise ShapeError(f"`group_norm` makes {self.num_groups} groups of {channels_of(shape)} channels: {shape}")
        windows = () if isinstance(shape, Vector) else window_sizes(shape)
        if channels_of(shape) == self.num_groups and all(size == 1 for size in windows):
            help = f"make fewer groups than {self.num_groups}"
            raise ShapeError(f"`group_norm` needs more than one value a group, and its input is {shape}", help=help)
        return shape

    def parameter_count(self, shape: Shape) -> int:
        return 2 * channels_of(shape) if self.affine else 0


class InstanceNorm(ElementwiseSpec):
    """Each channel of each sample to mean 0 and variance 1 (Ulyanov et al., 2016, arXiv:1607.08022)."""

    kind: ClassVar[str] = "instance_norm"
    accepts: ClassVar[tuple[str, ...]] = ("series", "image", "volume")

    eps: PositiveFloat = 1e-5
    momentum: Probability = 0.1
    affine: bool = False
    track_running_stats: bool = False

    def output_shape(self, shape: Shape) -> Shape:
        if all(size == 1 for size in window_sizes(shape)):
            raise ShapeError(f"`instance_norm` needs more than one value a channel, and its input is {shape}")
        return shape

    def parameter_count(self, shape: Shape) -> int:
        return 2 * channels_of(shape) if self.affine else 0
