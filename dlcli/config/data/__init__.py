"""What `data:` may say: a source by name, its splits, and how samples become a network's input."""

from dlcli.config.data.arrays import Arrays
from dlcli.config.data.base import DataSpec, SplitSpec
from dlcli.config.data.images import (
    Cifar10,
    Cifar100,
    Digits,
    FashionMnist,
    ImageDataSpec,
    ImageFolder,
    Kmnist,
    KnownImages,
    Mnist,
    Qmnist,
    View,
)
from dlcli.config.data.made_up import Random
from dlcli.config.data.series import Ts
from dlcli.config.data.tables import Csv
from dlcli.config.spec import table

__all__ = [
    "SOURCES",
    "Arrays",
    "Cifar10",
    "Cifar100",
    "Csv",
    "DataSpec",
    "Digits",
    "FashionMnist",
    "ImageDataSpec",
    "ImageFolder",
    "Kmnist",
    "KnownImages",
    "Mnist",
    "Qmnist",
    "Random",
    "SplitSpec",
    "Ts",
    "View",
]

SOURCES = table(Mnist, FashionMnist, Kmnist, Qmnist, Cifar10, Cifar100, Digits, ImageFolder, Arrays, Random, Csv, Ts)
