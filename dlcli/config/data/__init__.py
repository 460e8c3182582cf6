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
from dlcli.config.data.made_up import MadeUp, Random
from dlcli.config.data.memory_tasks import Adding, CopyMemory, Parity, Sine
from dlcli.config.data.moving_digits import MovingDigits
from dlcli.config.data.series import Ts
from dlcli.config.data.tables import Csv
from dlcli.config.data.texts import Text, TextDataSpec, TextLines, Unit
from dlcli.config.spec import table

__all__ = [
    "SOURCES",
    "Adding",
    "Arrays",
    "Cifar10",
    "Cifar100",
    "CopyMemory",
    "Csv",
    "DataSpec",
    "Digits",
    "FashionMnist",
    "ImageDataSpec",
    "ImageFolder",
    "Kmnist",
    "KnownImages",
    "MadeUp",
    "Mnist",
    "MovingDigits",
    "Parity",
    "Qmnist",
    "Random",
    "Sine",
    "SplitSpec",
    "Text",
    "TextDataSpec",
    "TextLines",
    "Ts",
    "Unit",
    "View",
]

SOURCES = table(
    Mnist,
    FashionMnist,
    Kmnist,
    Qmnist,
    Cifar10,
    Cifar100,
    Digits,
    ImageFolder,
    Arrays,
    Random,
    Csv,
    Ts,
    TextLines,
    Text,
    Adding,
    CopyMemory,
    Parity,
    Sine,
    MovingDigits,
)
