"""What `data:` may say: a source by name, its splits, and how samples become a network's input."""

import re
from math import prod
from typing import Annotated, Any, ClassVar, Final, Literal, Self, get_args

from pydantic import BeforeValidator, Field, model_validator

from dlcli.config.augmentation import AUGMENTATIONS, AugmentationSpec
from dlcli.config.facts import INPUT, TARGET, DataFacts, Target
from dlcli.config.normalisation import AutoNormalize, NormalizationField, NormalizeSpec
from dlcli.config.reserved_names import RESERVED_NAMES
from dlcli.config.shapes import Image, Layout, Sequence, Shape, Token, Vector, from_sizes
from dlcli.config.spec import Choice, Spec, table
from dlcli.config.tree import describe_value
from dlcli.config.values import LARGEST_SIZE, NAME, Fraction, Pair, PositiveInt, as_tuple


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


class DataSpec(Spec):
    """A source of samples."""

    fallback: Annotated["DataSpec | None", Choice("data source", lambda: SOURCES)] = None
    """What to use, with a notice, where the source can't be had. What it does not say, it takes from the entry around it."""
    split: SplitSpec = SplitSpec()
    """How samples are shared out into train, valid and test."""
    limit: PositiveInt | None = None
    """At most so many samples of each split, the first of a seeded order."""
    repeat: PositiveInt = 1
    """How often an epoch goes over the training samples: small data sets need more than one pass between evaluations."""
    normalize: NormalizationField = AutoNormalize()
    """What is subtracted and divided: auto, none, or {name: fixed, mean: [...], std: [...]}; of several inputs that are
    measured by themselves, also {INPUT: none, INPUT: auto}."""

    def inheriting(self) -> Self:
        """The same with what its fallback does not say filled in from here."""
        if self.fallback is None:
            return self
        shared = (DataSpec.model_fields.keys() | ImageDataSpec.model_fields.keys()) & type(self.fallback).model_fields.keys()
        own = {"fallback", "normalize"} if isinstance(self.normalize, dict) else {"fallback"}
        passed = (shared & self.model_fields_set) - self.fallback.model_fields_set - own
        fallback = self.fallback.model_copy(update={name: getattr(self, name) for name in passed})
        return self.model_copy(update={"fallback": fallback.inheriting()})

    def normalization_of(self, name: str) -> NormalizeSpec:
        """Of an input: what `normalize` says of it, or of all of them."""
        return self.normalize.get(name, AutoNormalize()) if isinstance(self.normalize, dict) else self.normalize

    @model_validator(mode="after")
    def _normalizes_what_is_there(self) -> Self:
        if not isinstance(self.normalize, dict):
            return self
        names = self.input_names
        if not names:
            raise ValueError("`normalize` is by input only where `inputs` names several")
        unknown = [name for name in self.normalize if name not in names]
        if unknown:
            raise ValueError(f"`normalize` names '{unknown[0]}', and the inputs are: {', '.join(names)}")
        return self

    @property
    def input_names(self) -> tuple[str, ...]:
        """Of several inputs that are measured by themselves; of one, nothing."""
        return ()


View = Literal["image", "rows", "pixels", "permuted_pixels"]


def _views(value: Any) -> Any:
    """A list of one view is that view."""
    if not isinstance(value, list | tuple):
        return value
    for view in value:
        if view not in get_args(View):
            raise ValueError(f"{describe_value(view)} is no view; there are: {', '.join(get_args(View))}")
    if len(set(value)) < len(value) or not value:
        raise ValueError("name at least one view, and none of them twice")
    return value[0] if len(value) == 1 else tuple(value)


class ImageDataSpec(DataSpec):
    """A source of pictures."""

    resize: Pair | None = None
    """[height, width] that every picture is scaled to; one number for both."""
    view: Annotated[View | tuple[View, ...], BeforeValidator(_views, json_schema_input_type=View | tuple[View, ...])] = "image"
    """How a picture is read: as it is, as a sequence of its rows or of its pixels, or of its pixels in a fixed random order;
    a list of these gives each as an input of its name."""
    augment: Annotated[tuple[AugmentationSpec, ...], Choice("augmentation", lambda: AUGMENTATIONS)] = ()
    """Random changes of the training pictures, in this order."""

    @property
    def views(self) -> tuple[View, ...]:
        """How a picture is read, once for each input."""
        return self.view if isinstance(self.view, tuple) else (self.view,)

    def viewed(self, picture: Image) -> dict[str, Shape]:
        """The shape of each of the network's inputs for pictures of this size, before `resize`."""
        height, width = self.resize or (picture.height, picture.width)
        resized = Image(picture.channels, height, width)
        if isinstance(self.view, tuple):
            return {view: _viewed(view, resized) for view in self.view}
        return {INPUT: _viewed(self.view, resized)}


def _viewed(view: View, picture: Image) -> Shape:
    if view == "image":
        return picture
    if view == "rows":
        return Sequence(picture.height, Vector(picture.width * picture.channels))
    return Sequence(picture.height * picture.width, Vector(picture.channels))


class KnownImages(ImageDataSpec):
    """A public data set, of which all is known before it is read."""

    picture: ClassVar[Image]
    classes: ClassVar[int]

    def facts(self) -> DataFacts:
        """What a network has to know."""
        return DataFacts(self.viewed(self.picture), {TARGET: Target(num_classes=self.classes)})


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


def _names(value: Any) -> Any:
    """A list of different names; one name stands for a list of it."""
    names = (value,) if isinstance(value, str) else as_tuple(value)
    if isinstance(names, tuple) and all(isinstance(name, str) for name in names):
        unfit = [name for name in names if not re.fullmatch(NAME, name)]
        if unfit:
            raise ValueError(f"'{unfit[0]}' is no name: use a letter, then letters, digits and `_`")
        if len(set(names)) < len(names):
            raise ValueError("one of them is named twice")
        taken = [name for name in names if name in RESERVED_NAMES]
        if taken:
            raise ValueError(f"no layer can be called '{taken[0]}', and an output has the name of its target: rename the array")
    return names


Names = Annotated[tuple[str, ...], BeforeValidator(_names, json_schema_input_type=str | tuple[str, ...]), Field(min_length=1)]


class Arrays(ImageDataSpec):
    """NumPy arrays of one .npz file: x_train, y_train and, where there are any, x_valid, y_valid, x_test, y_test."""

    kind: ClassVar[str] = "arrays"
    main: ClassVar[str] = "path"

    path: Annotated[str, Field(min_length=1)]
    """The .npz file."""
    layout: Layout | None = None
    """What a sample is. Without it: (N, F) is a vector, (N, H, W) of 8-bit values and (N, C, H, W) or (N, H, W, C) an image,
    (N, T, F) of other values a series."""
    inputs: Names | None = None
    """What the arrays of the inputs are called in place of `x`: [image, meta] are image_train, meta_train and so on."""
    targets: Names | None = None
    """What the arrays of the answers are called in place of `y`: [digit, parity] are digit_train, parity_train and so on."""

    @property
    def input_names(self) -> tuple[str, ...]:
        """Of several inputs that are measured by themselves; of one, nothing."""
        return self.inputs if self.inputs is not None and len(self.inputs) > 1 else ()

    @model_validator(mode="after")
    def _one_input_is_described(self) -> Self:
        given = {"layout": self.layout, "resize": self.resize, "view": self.view != "image", "augment": self.augment}
        for name, value in given.items():
            if value and self.input_names:
                count = len(self.input_names)
                raise ValueError(f"`{name}` is for a single input, and `inputs` names {count}: they are read by their own axes")
        return self


def _listed(value: Any) -> Any:
    """One size stands for a list of it."""
    return (value,) if isinstance(value, int) and not isinstance(value, bool) else as_tuple(value)


_MOST_VALUES: Final = 2**32
"""Numbers that are made up at most: 16 GiB of them."""

_AXES: Final[dict[Layout, str]] = {"vector": "F", "series": "TF", "tokens": "T", "image": "CHW", "clip": "TCHW", "volume": "CDHW"}

_Count = Annotated[int, Field(ge=1, lt=2**31)]
_Size = Annotated[int, Field(ge=1, le=LARGEST_SIZE)]


class Random(DataSpec):
    """Made-up samples to try a network on: values are normally distributed, tokens and classes uniformly."""

    kind: ClassVar[str] = "random"
    main: ClassVar[str] = "sizes"

    sizes: Annotated[
        tuple[_Size, ...],
        BeforeValidator(_listed, json_schema_input_type=_Size | tuple[_Size, ...]),
        Field(min_length=1, max_length=4),
    ]
    """Of a sample, in torch's order: [F] is a vector, [T, F] a series, [C, H, W] an image, [C, D, H, W] a volume."""
    layout: Layout | None = None
    """What a sample is, where the number of sizes does not say it: tokens has the sizes [T], clip [T, C, H, W]."""
    vocabulary_size: _Count | None = None
    """How many tokens there are."""
    num_classes: _Count | None = None
    """How many classes there are: 10 without this and without `num_targets`."""
    num_targets: _Size | None = None
    """How many values there are to predict, in place of classes."""
    per_step: bool = False
    """Whether each step of a sequence has an answer of its own."""
    num_samples: _Count = 256
    """Of all splits together."""
    seed: int = Field(0, ge=0)
    """Equal seeds give equal samples."""

    def facts(self) -> DataFacts:
        """What a network has to know."""
        classes = None if self.num_targets is not None else self.num_classes or 10
        return DataFacts.of(self._shape(), num_classes=classes, num_targets=self.num_targets, per_step=self.per_step)

    def _shape(self) -> Shape:
        if self.layout != "tokens":
            return from_sizes(self.sizes, self.layout)
        assert self.vocabulary_size is not None
        return Sequence(self.sizes[0], Token(self.vocabulary_size))

    @model_validator(mode="after")
    def _is_a_sample(self) -> Self:
        if self.layout is not None and len(self.sizes) != len(_AXES[self.layout]):
            expected = ", ".join(_AXES[self.layout])
            raise ValueError(f"`sizes` are [{expected}] for the layout {self.layout}, not {list(self.sizes)}")
        if self.layout == "tokens" and self.vocabulary_size is None:
            raise ValueError("`layout` tokens needs `vocabulary_size`: how many tokens there are")
        if self.layout != "tokens" and self.vocabulary_size is not None:
            raise ValueError("`vocabulary_size` is for `layout: tokens` alone")
        shape = self._shape()
        if self.num_classes is not None and self.num_targets is not None:
            raise ValueError("`num_targets` is in place of `num_classes`: give one of them")
        if self.per_step and not isinstance(shape, Sequence):
            raise ValueError(f"`per_step` needs a sequence, and the samples are of another kind: {shape}")
        answers = (self.num_targets or 1) * (self.sizes[0] if self.per_step else 1)
        if max(prod(self.sizes), answers) * self.num_samples > _MOST_VALUES:
            raise ValueError(f"`num_samples` of these sizes are more than {_MOST_VALUES:,} numbers")
        return self


def _columns(value: Any) -> Any:
    """A list of different columns; one name stands for a list of it."""
    columns = (value,) if isinstance(value, str) else as_tuple(value)
    if isinstance(columns, tuple) and len(set(map(str, columns))) < len(columns):
        raise ValueError("one of them is named twice")
    return columns


Columns = Annotated[tuple[str, ...], BeforeValidator(_columns, json_schema_input_type=str | tuple[str, ...]), Field(min_length=1)]


class Csv(DataSpec):
    """A table of one file: a row for each sample, or for each step of time."""

    kind: ClassVar[str] = "csv"
    main: ClassVar[str] = "path"

    path: Annotated[str, Field(min_length=1)]
    """The file: names of the columns in its first line; cells between `,`, `;`, tabs or `|`; numbers with a decimal point."""
    target: Columns | None = None
    """The column, or the columns, to predict; without it the last. Text and whole numbers are classes, numbers with a fraction
    values; with `window`, or where there are several columns, all numbers are values."""
    features: Columns | None = None
    """The columns that a network reads; without it all columns of numbers but `target` (with `window` also that) and `time`."""
    time: str | None = None
    """A column of numbers or of dates like 2016-07-01 12:30 that the rows are put in the order of; it is no feature."""
    window: PositiveInt | None = None
    """How many rows in a row are a sample. With this or `time`, the first rows are for training, the last for the test."""
    horizon: PositiveInt = 1
    """How many rows after the last row of a window its answer stands."""
    stride: PositiveInt = 1
    """How many rows after a window the next one begins."""

    @model_validator(mode="after")
    def _columns_have_one_use(self) -> Self:
        if self.window is None and (self.horizon, self.stride) != (1, 1):
            raise ValueError(f"`{'horizon' if self.horizon > 1 else 'stride'}` needs `window`: how many rows are a sample")
        for name, columns in (("features", self.features), ("target", self.target)):
            if self.time is not None and self.time in (columns or ()):
                raise ValueError(f"`{name}` names '{self.time}', which is `time`: it only says in which order the rows are")
        both = [column for column in self.features or () if column in (self.target or ())]
        if both and self.window is None:
            raise ValueError(f"`features` names '{both[0]}', which is to be predicted")
        return self


class Ts(DataSpec):
    """Series of one length as the UCR and UEA archives have them: a line for each, its class or value at the end."""

    kind: ClassVar[str] = "ts"
    main: ClassVar[str] = "path"

    path: Annotated[str, Field(min_length=1)]
    """The file NAME_TRAIN.ts, or a folder that holds one such; NAME_TEST.ts beside it is the test split, if it is there."""


SOURCES = table(Mnist, FashionMnist, Kmnist, Qmnist, Cifar10, Cifar100, Digits, ImageFolder, Arrays, Random, Csv, Ts)
