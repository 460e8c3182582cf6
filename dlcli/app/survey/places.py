"""Which kind of data a path leads to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from dlcli.app.survey.arrays import survey_arrays
from dlcli.app.survey.found import Survey
from dlcli.app.survey.image_folder import is_picture, survey_image_folder
from dlcli.app.survey.known import survey_known
from dlcli.app.survey.tables import survey_csv, survey_ts
from dlcli.errors import DataError, UsageError

_SUPPORTED: Final = (
    "init reads a folder with a folder of pictures for each class, an .npz file, a .ts file or a folder with one whose name "
    "ends in _TRAIN.ts, a .csv or .parquet file, or a folder with MNIST or one of its kind"
)

_BY_SUFFIX: Final[Mapping[str, Callable[[Path], Survey]]] = {
    ".npz": survey_arrays,
    ".csv": survey_csv,
    ".tsv": survey_csv,
    ".parquet": survey_csv,
    ".ts": survey_ts,
}


def survey(path: Path) -> Survey:
    """Looks at what a path leads to.

    Raises:
        UsageError: there is nothing, or nothing that a source reads.
        DataError: it is damaged or incomplete.
    """
    path = path.expanduser()
    if str(path) != str(path).encode(errors="replace").decode():
        raise UsageError(f"the path {str(path)!a} is not UTF-8, and a config is", help="rename it")
    try:
        if not path.exists():
            raise UsageError(f"there is nothing at {path}", help=f"check the path; {_SUPPORTED}")
        return _at(path.resolve() if ".." in path.parts else path.absolute())
    except OSError as error:  # a name too long, or a folder that can't be read
        raise DataError(f"{path} can't be read: {error.strerror or error}", help="check the path and its permissions") from error


def _at(path: Path) -> Survey:
    if path.is_dir():
        return _folder(path)
    read = _BY_SUFFIX.get(path.suffix.lower())
    if read is None or not path.is_file():
        raise UsageError(f"{path} is no data that init knows", help=_SUPPORTED)
    return read(path)


def _folder(path: Path) -> Survey:
    known = survey_known(path)
    if known is not None:
        return known
    if any(file.name.lower().endswith("_train.ts") for file in path.iterdir()):
        return survey_ts(path)
    levels = ("*", "*/*", "*/*/*")
    if any(is_picture(file) for level in levels for file in path.glob(level)):
        return survey_image_folder(path)
    files = sorted(file for file in path.iterdir() if file.suffix.lower() in _BY_SUFFIX)
    if files:
        raise UsageError(f"{path} holds files of data, and init reads one of them", help=f"for example --from {files[0]}")
    state = "is empty" if not any(path.iterdir()) else "holds neither pictures nor a data set"
    raise UsageError(f"{path} {state}", help=_SUPPORTED)
