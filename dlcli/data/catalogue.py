"""Which module reads which source. It is imported when the source is first asked: most of them bring numpy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from dlcli.config.data import (
    Adding,
    Arrays,
    Cifar10,
    Cifar100,
    CopyMemory,
    Csv,
    DataSpec,
    Digits,
    FashionMnist,
    ImageFolder,
    Kmnist,
    KnownImages,
    MadeUp,
    Mnist,
    MovingDigits,
    Parity,
    Qmnist,
    Random,
    Sine,
    Text,
    TextLines,
    Ts,
)
from dlcli.config.facts import DataFacts
from dlcli.data.directories import Directories
from dlcli.data.raw import NewSamples, RawData

Facts = Callable[[Any, Directories], DataFacts]
Read = Callable[[Any, Directories, bool], RawData]
ReadNew = Callable[[Any, Path], NewSamples]


@dataclass(frozen=True)
class Source:
    """How a source is read, without torch.

    Attributes:
        facts: what a network has to know, from as little reading as possible and without a download.
        read: all of it; the last argument says whether what is not on disk may be downloaded.
        read_new: a file like those of the training, its answers left out or left unread; the spec is the settled one of a run.
            None where predictions come from arrays alone. Files of one picture each are read by `sources.new_pictures`.
    """

    facts: Facts
    read: Read
    read_new: ReadNew | None = None


def _known_facts(spec: KnownImages | MadeUp, _: Directories) -> DataFacts:
    return spec.facts()


def _facts_in(module: str) -> Facts:
    """The function `facts` of a module in `dlcli.data.sources`."""

    def facts(spec: DataSpec, directories: Directories) -> DataFacts:
        found: DataFacts = import_module(f"dlcli.data.sources.{module}").facts(spec, directories)
        return found

    return facts


def _read_new_in(module: str) -> ReadNew:
    """The function `read_new` of a module in `dlcli.data.sources`."""

    def read_new(spec: DataSpec, path: Path) -> NewSamples:
        found: NewSamples = import_module(f"dlcli.data.sources.{module}").read_new(spec, path)
        return found

    return read_new


def _read_in(module: str) -> Read:
    """The function `read` of a module in `dlcli.data.sources`."""

    def read(spec: DataSpec, directories: Directories, downloads: bool) -> RawData:
        found: RawData = import_module(f"dlcli.data.sources.{module}").read(spec, directories, downloads)
        return found

    return read


_MNIST: Final = Source(_known_facts, _read_in("mnist"), _read_new_in("mnist"))
_CIFAR: Final = Source(_known_facts, _read_in("cifar"), _read_new_in("cifar"))
_MEMORY_TASK: Final = Source(_known_facts, _read_in("memory_tasks"))

SOURCES: Final[Mapping[type[DataSpec], Source]] = {
    Mnist: _MNIST,
    FashionMnist: _MNIST,
    Kmnist: _MNIST,
    Qmnist: _MNIST,
    Cifar10: _CIFAR,
    Cifar100: _CIFAR,
    Digits: Source(_known_facts, _read_in("digits"), _read_new_in("new_pictures")),
    ImageFolder: Source(_facts_in("image_folder"), _read_in("image_folder"), _read_new_in("new_pictures")),
    Arrays: Source(_facts_in("arrays"), _read_in("arrays"), _read_new_in("arrays")),
    Random: Source(_known_facts, _read_in("random_numbers")),
    Adding: _MEMORY_TASK,
    CopyMemory: _MEMORY_TASK,
    Parity: _MEMORY_TASK,
    Sine: _MEMORY_TASK,
    MovingDigits: Source(_known_facts, _read_in("moving_digits")),
    Csv: Source(_facts_in("csv_table"), _read_in("csv_table"), _read_new_in("csv_table")),
    Ts: Source(_facts_in("ts"), _read_in("ts"), _read_new_in("ts")),
    TextLines: Source(_facts_in("text_lines"), _read_in("text_lines"), _read_new_in("text_lines")),
    Text: Source(_facts_in("text_corpus"), _read_in("text_corpus")),
}
