"""Folders with the files of a public data set that dlcli knows by name."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from dlcli.app.survey.found import Survey
from dlcli.config.data import Digits, KnownImages
from dlcli.data.catalogue import SOURCES
from dlcli.data.directories import Directories, search_directories
from dlcli.data.raw import DataUnavailableError
from dlcli.data.sources.mnist import plain_name
from dlcli.errors import DataError

_KNOWN: Final = tuple(spec for spec in SOURCES if issubclass(spec, KnownImages) and spec is not Digits)


def survey_known(path: Path) -> Survey | None:
    """The data set that a folder holds, if it is one that dlcli knows by name."""
    for spec_class, root in _places(path):
        try:
            raw = SOURCES[spec_class].read(spec_class(), Directories((root,), root), False)
        except DataUnavailableError:
            continue
        except DataError as error:
            help = "of another data set? Call the folder fashion_mnist, kmnist or qmnist, or write the data as one .npz file"
            raise DataError(error.message, help=help) from error
        spec = spec_class()
        found = f"{spec.kind}: {len(raw.train):,} pictures for training, of {spec.picture.height}x{spec.picture.width} pixels"
        given = None if root in search_directories(None, None).roots else root
        return Survey(spec.kind, None, spec.facts(), len(raw.train), found, data_dir=given)
    return None


def _places(path: Path) -> list[tuple[type[KnownImages], Path]]:
    """The data sets that a folder may hold, each with the root that it is found from.

    The files of the MNIST family have the same names, so the folder's own name decides where it says anything.
    """
    named = {plain_name(spec.kind): spec for spec in _KNOWN}
    if path.name == "raw" and (spec := named.get(plain_name(path.parent.name))):
        return [(spec, path.parent.parent)]
    if spec := named.get(plain_name(path.name)):
        return [(spec, path), (spec, path.parent)]
    return [(spec, path) for spec in _KNOWN]
