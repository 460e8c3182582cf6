"""Downloads through torchvision, which knows addresses and checksums. Whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import http.client
import io
import os
import queue
import socket
import tempfile
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from dlcli.data.raw import DataUnavailableError
from dlcli.errors import ResourceError
from dlcli.runtime.durable_files import sync_folder

ANSWER_SECONDS: Final = 8.0
"""How long servers have to answer at all: name servers, several addresses and several mirrors included."""

SILENCE_SECONDS: Final = 5.0
"""How long a server may be silent in the middle of a download."""

_BY_HAND: Final = "give the folder that has it with --data-dir or DLCLI_DATA, or use `fallback: digits`"


def download(name: str, class_name: str, inside: str, cache: Path, *, allowed: bool) -> Path:
    """Downloads a data set that torchvision knows.

    Everything happens in a temporary folder beside the target, which is renamed when all is there, and removed whatever
    happens, an interruption included.

    Args:
        name: of the source; the target is the folder of this name in the cache.
        class_name: its class in `torchvision.datasets`.
        inside: the folder in which torchvision puts the files, below its root.
        cache: where downloads go.
        allowed: whether it may be downloaded at all.

    Returns:
        The target.

    Raises:
        DataUnavailableError: it may not, torchvision can't be imported, no server answers, or something else came.
        ResourceError: the disk is full.
    """
    if not allowed:
        raise DataUnavailableError(name, "it is not on disk", help=_BY_HAND)
    dataset_class = _torchvision_class(name, class_name)
    _require_answer(name, _addresses(dataset_class))
    target = cache / name
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{name}-", dir=cache) as folder:
            with _quietly(), _silence_limit(SILENCE_SECONDS):
                for train in (True, False):
                    dataset_class(root=folder, train=train, download=True)
            _move(Path(folder) / inside, target)
    except (OSError, RuntimeError, http.client.HTTPException) as error:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            what = f"the disk is full: {name} can't be downloaded to {cache}"
            raise ResourceError(what, help="free some space, or give another folder with --data-dir") from error
        raise DataUnavailableError(name, f"the download failed: {_one_line(error)}", help=_BY_HAND) from error
    return target


def _torchvision_class(name: str, class_name: str) -> Any:
    try:
        from torchvision import datasets  # noqa: PLC0415 - it takes seconds, and may not be there
    except Exception as error:  # built for another torch it fails in many ways, RuntimeError among them
        help = (
            "install a torchvision built for this torch: both from the same place (beside a CPU-only torch, PyPI's torchvision "
            f"fails with `operator torchvision::nms does not exist`); or {_BY_HAND}"
        )
        reason = f"it is not on disk, and torchvision, which downloads it, can't be imported: {_one_line(error)}"
        raise DataUnavailableError(name, reason, help=help) from error
    return getattr(datasets, class_name)


def _addresses(dataset_class: Any) -> list[str]:
    """One address on each server that has the data."""
    if hasattr(dataset_class, "url"):
        return [dataset_class.url]
    resources = dataset_class.resources
    if isinstance(resources, dict):
        return [resources["train"][0][0]]
    return [mirror + resources[0][0] for mirror in dataset_class.mirrors]


def _require_answer(name: str, addresses: Sequence[str]) -> None:
    """Returns as soon as one server answers anything.

    A name server or an address that swallows what it is sent keeps a caller waiting for each of its tries in turn, which
    no timeout of a socket bounds: hence threads, which are left behind. They read nothing and write nothing.
    """
    answers: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    for address in addresses:
        threading.Thread(target=_knock, args=(address, answers), daemon=True).start()
    reason = f"no answer within {ANSWER_SECONDS:g} seconds"
    with contextlib.suppress(queue.Empty):
        for _ in addresses:
            refusal = answers.get(timeout=ANSWER_SECONDS)
            if refusal is None:
                return
            reason = refusal
    raise DataUnavailableError(name, f"it is not on disk, and its server can't be reached: {reason}", help=_BY_HAND)


def _knock(address: str, answers: queue.SimpleQueue[str | None]) -> None:
    try:
        with urllib.request.urlopen(urllib.request.Request(address, method="HEAD"), timeout=ANSWER_SECONDS):  # noqa: S310
            answers.put(None)
    except urllib.error.HTTPError as error:  # an answer: torchvision will say what is wrong with it
        error.close()
        answers.put(None)
    except (OSError, http.client.HTTPException, ValueError) as error:
        answers.put(_one_line(error))


@contextlib.contextmanager
def _silence_limit(seconds: float) -> Iterator[None]:
    """A timeout for the sockets that torchvision opens, which passes none of its own."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        yield


def _move(folder: Path, target: Path) -> None:
    """Puts a complete folder in its place, or, where there is an incomplete one already, its files one by one.

    What torchvision unpacked beside a .gz is left out: the .gz is smaller and carries a checksum.
    """
    for compressed in folder.glob("*.gz"):
        compressed.with_suffix("").unlink(missing_ok=True)
    for path in folder.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())
    sync_folder(folder)
    try:
        folder.rename(target)
    except OSError:
        target.mkdir(exist_ok=True)
        for path in folder.iterdir():
            path.replace(target / path.name)
        sync_folder(target)
    sync_folder(target.parent)


def _one_line(error: BaseException) -> str:
    if isinstance(error, urllib.error.URLError) and isinstance(error.reason, OSError):
        error = error.reason
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    return " ".join(str(error).split())[:300] or type(error).__name__
