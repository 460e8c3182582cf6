"""Which data there is to train on: public data sets on this machine or to be downloaded, files of one's own, made-up samples."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Literal

from dlcli.config.data import SOURCES, Cifar10, Cifar100, DataSpec, Digits, KnownImages, MadeUp
from dlcli.config.diagnostics import did_you_mean
from dlcli.config.tree import shortened
from dlcli.data.catalogue import SOURCES as CATALOGUE
from dlcli.data.directories import Directories, search_directories
from dlcli.data.sources import cifar, mnist
from dlcli.data.sources.download import Watcher, watched
from dlcli.data.sources.published import PUBLISHED
from dlcli.errors import ResourceError, UsageError

Kind = Literal["public", "own files", "made up", "inside the package"]

LICENCES: Final[Mapping[str, str]] = {
    "mnist": "CC BY-SA 3.0",
    "fashion_mnist": "MIT",
    "kmnist": "CC BY-SA 4.0",
    "digits": "CC BY 4.0",
}
"""Of the data sets whose publishers name one."""


@dataclass(frozen=True)
class SourceEntry:
    """A source of the vocabulary.

    Attributes:
        name: in a config.
        what: a sentence on it.
        kind: where its samples come from.
        licence: if known.
        place: the folder that has it on this machine.
        size: bytes of its files there.
        download: bytes to fetch, of one that can be downloaded.
    """

    name: str
    what: str
    kind: Kind
    licence: str | None = None
    place: str | None = None
    size: int | None = None
    download: int | None = None

    def as_json(self) -> dict[str, Any]:
        """What `data list --json` says of it."""
        return asdict(self)


@dataclass(frozen=True)
class Fetched:
    """A data set that is on this machine now.

    Attributes:
        name: of the source.
        place: the folder that has it.
        was_there: whether it was there before.
        samples: how many there are, all of them read and checked.
    """

    name: str
    place: str
    was_there: bool
    samples: int

    def as_json(self) -> dict[str, Any]:
        """What `data fetch --json` says of it."""
        return asdict(self)


def list_sources(data_dir: Path | None) -> list[SourceEntry]:
    """Every source, where it is looked for and what would be downloaded. No file is opened.

    Args:
        data_dir: as for `--data-dir`.
    """
    directories = search_directories(data_dir, None)
    return [_entry(name, spec, directories) for name, spec in SOURCES.items()]


def _entry(name: str, spec: type[DataSpec], directories: Directories) -> SourceEntry:
    what = inspect.cleandoc(spec.__doc__ or "").partition("\n\n")[0].replace("\n", " ")
    if name in PUBLISHED:
        found = files_of(name, directories)
        place = str(found[0].parent) if found else None
        size = sum(map(_size, found)) if found else None
        download = sum(file.size for file in PUBLISHED[name].files)
        return SourceEntry(name, what, "public", LICENCES.get(name), place, size, download)
    if issubclass(spec, Digits):
        return SourceEntry(name, what, "inside the package", LICENCES.get(name))
    return SourceEntry(name, what, "made up" if issubclass(spec, MadeUp) else "own files")


def files_of(name: str, directories: Directories) -> tuple[Path, ...]:
    """The files of a public data set; none where no folder has all of them."""
    spec = _known(name)
    find = cifar.files if isinstance(spec, Cifar10 | Cifar100) else mnist.files
    return find(spec, directories)


def _known(name: str) -> KnownImages:
    spec = SOURCES[name]()
    assert isinstance(spec, KnownImages)
    return spec


def _size(path: Path) -> int:
    with suppress(OSError):  # gone meanwhile
        return path.stat().st_size
    return 0


def check_fetchable(names: Sequence[str]) -> None:
    """Raises UsageError unless all are names of data sets that can be downloaded."""
    for name in names:
        if name in SOURCES and name not in PUBLISHED:
            inside = issubclass(SOURCES[name], Digits | MadeUp)
            why = "needs no download" if inside else "is a format of your own files, and no data set"
            raise UsageError(f"`{name}` {why}", help=f"these can be fetched: {', '.join(PUBLISHED)}")
        if name not in PUBLISHED:
            what = f"there is no data set `{shortened(name)}`"
            raise UsageError(what, help=did_you_mean(name, PUBLISHED))


def fetch(name: str, data_dir: Path | None, watcher: Watcher) -> Fetched:
    """Downloads a data set where no folder has it, and reads all of it.

    Args:
        name: of `PUBLISHED`.
        data_dir: where it is looked for first and downloaded to; made if it is not there.
        watcher: is told how far the download has come.

    Raises:
        DataUnavailableError: no server has it, or this machine reaches none.
        DataError: what is on this machine is damaged.
        ResourceError: the disk does not take it.
    """
    if data_dir is not None:
        _make(data_dir)
    directories = search_directories(data_dir, None)
    was_there = bool(files_of(name, directories))
    spec = _known(name)
    with watched(watcher):
        raw = CATALOGUE[type(spec)].read(spec, directories, True)
    samples = len(raw.train) + (len(raw.test) if raw.test is not None else 0)
    return Fetched(name, raw.origin, was_there, samples)


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        what = f"the folder {folder} can't be made: {error.strerror or error}"
        raise ResourceError(what, help="give another with --data-dir") from error
