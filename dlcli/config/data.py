"""What `data:` may say: a source by name, its splits, and how samples become a network's input."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from dlcli.config.augmentation import AUGMENTATIONS, AugmentationSpec
from dlcli.config.facts import DataFacts
from dlcli.config.shapes import Image, Sequence, Shape, Vector
from dlcli.config.spec import Choice, Spec, table
from dlcli.config.values import Floats, Fraction, Pair, PositiveInt


class SplitSpec(Spec):
    """How samples are shared out, where the source itself has no such split."""

    valid: Fraction = 0.1
    """Share of the training samples kept for validation; 0 for none."""
    test: Fraction = 0.2
    """Share of all samples kept for the test."""
    stratify: bool = True
    """Whether each split keeps the shares of the classes."""
    seed: int = Field(0, ge=0)
    """Of the split alone: another training seed is still judged on the same test samples."""


class NormalizeSpec(Spec):
    """What is subtracted and divided before a network reads a value."""


class AutoNormalize(NormalizeSpec):
    """Mean and standard deviation of the training samples, for each channel or feature."""

    kind: ClassVar[str] = "auto"


class NoNormalize(NormalizeSpec):
    """Values as they are; 8-bit images in 0 to 1."""

    kind: ClassVar[str] = "none"


class FixedNormalize(NormalizeSpec):
    """Given numbers, in units of the values (of 8-bit images: 0 to 1)."""

    kind: ClassVar[str] = "fixed"

    mean: Floats
    """One number for each channel or feature."""
    std: Floats
    """One number for each channel or feature, above 0."""

    @model_validator(mode="after")
    def _usable(self) -> Self:
        if len(self.mean) != len(self.std) or not self.std or min(self.std) <= 0:
            raise ValueError("`mean` and `std` have one number for each channel, and those of `std` are above 0")
        return self


NORMALIZATIONS = table(AutoNormalize, NoNormalize, FixedNormalize)


class DataSpec(Spec):
    """A source of samples."""

    fallback: Annotated[DataSpec | None, Choice("data source", lambda: SOURCES)] = None
    """What to use, with a notice, where the source can't be had. What it does not say, it takes from the entry around it."""
    split: SplitSpec = SplitSpec()
    """How samples are shared out into train, valid and test."""
    limit: PositiveInt | None = None
    """At most so many samples of each split, the first of a seeded order."""
    repeat: PositiveInt = 1
    """How often an epoch goes over the training samples: small data sets need more than one pass between evaluations."""
    normalize: Annotated[NormalizeSpec, Choice("normalisation", lambda: NORMALIZATIONS)] = AutoNormalize()
    """What is subtracted and divided: auto, none, or {name: fixed, mean: [...], std: [...]}."""

    def inheriting(self) -> Self:
        """The same with what its fallback does not say filled in from here."""
        if self.fallback is None:
            return self
        shared = (DataSpec.model_fields.keys() | ImageDataSpec.model_fields.keys()) & type(self.fallback).model_fields.keys()
        passed = (shared & self.model_fields_set) - self.fallback.model_fields_set - {"fallback"}
        fallback = self.fallback.model_copy(update={name: getattr(self, name) for name in passed})
        return self.model_copy(update={"fallback": fallback.inheriting()})


class ImageDataSpec(DataSpec):
    """A source of pictures."""

    resize: Pair | None = None
    """[height, width] that every picture is scaled to; one number for both."""
    view: Literal["image", "rows", "pixels", "permuted_pixels"] = "image"
    """How a picture is read: as it is, as a sequence of its rows or of its pixels, or of its pixels in a fixed random order."""
    augment: Annotated[tuple[AugmentationSpec, ...], Choice("augmentation", lambda: AUGMENTATIONS)] = ()
    """Random changes of the training pictures, in this order."""

    def viewed(self, picture: Image) -> Shape:
        """The shape of a network's input for pictures of this size, before `resize`."""
        height, width = self.resize or (picture.height, picture.width)
        if self.view == "image":
            return Image(picture.channels, height, width)
        if self.view == "rows":
            return Sequence(height, Vector(width * picture.channels))
        return Sequence(height * width, Vector(picture.channels))


class KnownImages(ImageDataSpec):
    """A public data set, of which all is known before it is read."""

    picture: ClassVar[Image]
    classes: ClassVar[int]

    def facts(self) -> DataFacts:
        """What a network has to know."""
        return DataFacts(self.viewed(self.picture), num_classes=self.classes)


class Mnist(KnownImages):
    """70,000 handwritten digits, 28x28 (LeCun, Cortes and Burges, 1998)."""

    kind: ClassVar[str] = "mnist"
    picture: ClassVar[Image] = Image(1, 28, 28)
    classes: ClassVar[int] = 10


class FashionMnist(KnownImages):
    """70,000 pieces of clothing, 28x28 (Xiao et al., 2017, arXiv:1708.07747)."""

    kind: ClassVar[str] = "fashion_mnist"
    picture: ClassVar[Image] = Image(1, 28, 28)
    classes: ClassVar[int] = 10


class Kmnist(KnownImages):
    """70,000 handwritten Japanese characters, 28x28 (Clanuwat et al., 2018, arXiv:1812.01718)."""

    kind: ClassVar[str] = "kmnist"
    picture: ClassVar[Image] = Image(1, 28, 28)
    classes: ClassVar[int] = 10


class Qmnist(KnownImages):
    """120,000 handwritten digits, 28x28: MNIST with its whole test set (Yadav and Bottou, 2019, arXiv:1905.10498)."""

    kind: ClassVar[str] = "qmnist"
    picture: ClassVar[Image] = Image(1, 28, 28)
    classes: ClassVar[int] = 10


class Cifar10(KnownImages):
    """60,000 small colour photographs of 10 classes, 32x32 (Krizhevsky, 2009)."""

    kind: ClassVar[str] = "cifar10"
    picture: ClassVar[Image] = Image(3, 32, 32)
    classes: ClassVar[int] = 10


class Cifar100(KnownImages):
    """60,000 small colour photographs of 100 classes, 32x32 (Krizhevsky, 2009)."""

    kind: ClassVar[str] = "cifar100"
    picture: ClassVar[Image] = Image(3, 32, 32)
    classes: ClassVar[int] = 100


class Digits(KnownImages):
    """1,797 handwritten digits, 8x8, inside the package (Alpaydin and Kaynak, 1998; UCI, CC BY 4.0)."""

    kind: ClassVar[str] = "digits"
    picture: ClassVar[Image] = Image(1, 8, 8)
    classes: ClassVar[int] = 10


class ImageFolder(ImageDataSpec):
    """Pictures in one folder for each class, with or without `train`, `valid` and `test` above them."""

    kind: ClassVar[str] = "image_folder"
    main: ClassVar[str] = "path"

    path: Annotated[str, Field(min_length=1)]
    """The folder that holds the classes' folders."""
    channels: Literal[1, 3] | None = None
    """1 reads grey, 3 reads colour; without it, grey where the first picture is."""


class Arrays(ImageDataSpec):
    """NumPy arrays of one .npz file: x_train, y_train and, where there are any, x_valid, y_valid, x_test, y_test."""

    kind: ClassVar[str] = "arrays"
    main: ClassVar[str] = "path"

    path: Annotated[str, Field(min_length=1)]
    """The .npz file."""
    layout: Literal["vector", "series", "tokens", "image", "clip", "volume"] | None = None
    """What a sample is. Without it: (N, F) is a vector, (N, H, W) of 8-bit values and (N, C, H, W) or (N, H, W, C) an image,
    (N, T, F) of other values a series."""


SOURCES = table(Mnist, FashionMnist, Kmnist, Qmnist, Cifar10, Cifar100, Digits, ImageFolder, Arrays)
