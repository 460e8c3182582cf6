"""Sources of pictures."""

from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import BeforeValidator, Field

from dlcli.config.augmentation import AUGMENTATIONS, AugmentationSpec
from dlcli.config.data.base import DataSpec
from dlcli.config.facts import INPUT, TARGET, DataFacts, Target
from dlcli.config.shapes import Image, Sequence, Shape, Vector
from dlcli.config.spec import Choice
from dlcli.config.tree import describe_value
from dlcli.config.values import Pair

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

    given_to_fallback: ClassVar[tuple[str, ...]] = (*DataSpec.given_to_fallback, "resize", "view", "augment")

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
