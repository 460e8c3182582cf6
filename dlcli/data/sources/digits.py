"""The handwritten digits that are inside the package; see DIGITS.md."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path
from typing import Final

import numpy as np

from dlcli.config.data import Digits
from dlcli.data.directories import Directories
from dlcli.data.raw import RawData, RawSplit
from dlcli.errors import DataError

FILE: Final = Path(__file__).with_name("digits.npz")
SHA256: Final = "87ff0c9e40dc7e2c0e34e7257799c2e3f3aec1a016363bb11cad869ec428a826"
"""Of the images' bytes followed by the labels'."""
LARGEST: Final = 16
"""The value of full ink in the file."""


def read(_: Digits, __: Directories, ___: bool) -> RawData:
    """Reads the digits: one part, values spread over 0 to 255.

    Raises:
        DataError: the installed package is damaged.
    """
    try:
        with FILE.open("rb") as content, np.load(content, allow_pickle=False) as file:
            images, labels = file["images"], file["labels"]
        digest = hashlib.sha256(images.tobytes() + labels.tobytes()).hexdigest()
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"{FILE} can't be read: {error}", help="install dlcli again") from error
    if digest != SHA256:
        raise DataError(f"{FILE} is damaged: its digits are not those that dlcli came with", help="install dlcli again")
    spread = np.round(images * (255 / LARGEST)).astype(np.uint8)
    names = tuple(str(digit) for digit in range(10))
    return RawData(RawSplit(spread[..., np.newaxis], labels.astype(np.int64)), None, None, names, "inside the package")
