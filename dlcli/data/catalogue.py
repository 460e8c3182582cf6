"""Which module reads which source."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from dlcli.config.data import (
    Arrays,
    Cifar10,
    Cifar100,
    DataSpec,
    Digits,
    FashionMnist,
    ImageFolder,
    Kmnist,
    KnownImages,
    Mnist,
    Qmnist,
)
from dlcli.config.facts import DataFacts
from dlcli.data.directories import Directories
from dlcli.data.raw import RawData
from dlcli.data.sources import arrays, cifar, digits, image_folder, mnist


@dataclass(frozen=True)
class Source:
    """How a source is read, without torch.

    Attributes:
        facts: what a network has to know, from as little reading as possible and without a download.
        read: all of it; the last argument says whether what is not on disk may be downloaded.
    """

    facts: Callable[[Any, Directories], DataFacts]
    read: Callable[[Any, Directories, bool], RawData]


def _known_facts(spec: KnownImages, _: Directories) -> DataFacts:
    return spec.facts()


_MNIST: Final = Source(_known_facts, mnist.read)
_CIFAR: Final = Source(_known_facts, cifar.read)

SOURCES: Final[Mapping[type[DataSpec], Source]] = {
    Mnist: _MNIST,
    FashionMnist: _MNIST,
    Kmnist: _MNIST,
    Qmnist: _MNIST,
    Cifar10: _CIFAR,
    Cifar100: _CIFAR,
    Digits: Source(_known_facts, digits.read),
    ImageFolder: Source(image_folder.facts, image_folder.read),
    Arrays: Source(arrays.facts, arrays.read),
}
