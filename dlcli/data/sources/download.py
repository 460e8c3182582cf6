"""Downloads of published data sets over https, each file with a pinned SHA-256. Whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import http.client
import os
import queue
import tempfile
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from pathlib import Path
from typing import Final, cast

from dlcli.data.raw import DataUnavailableError
from dlcli.data.sources.published import Published, RemoteFile
from dlcli.errors import ResourceError
from dlcli.runtime.durable_files import sync_folder

SCHEMES: Final = ("https",)
"""What an address may begin with, that of a redirection included."""

ANSWER_SECONDS: Final = 8.0
"""How long servers have to answer at all: name servers, several addresses and several mirrors included."""

SILENCE_SECONDS: Final = 5.0
"""How long a server may be silent in the middle of a download."""

_HANDLERS: Final = (
    urllib.request.ProxyHandler,
    urllib.request.HTTPHandler,
    urllib.request.HTTPSHandler,
    urllib.request.HTTPDefaultErrorHandler,
    urllib.request.HTTPErrorProcessor,
)
"""All but those that follow redirections, open files or send passwords."""
_REDIRECTIONS: Final = (301, 302, 303, 307, 308)
_MOST_REDIRECTIONS: Final = 5
_CHUNK: Final = 1 << 16
"""Bytes that are in memory at once."""
_BY_HAND: Final = "give the folder that has it with --data-dir or DLCLI_DATA, or use `fallback: digits`"


Watcher = Callable[[int, int], None]
"""Takes how many bytes of a data set have come, and how many there are."""

_WATCHER: Final[ContextVar[Watcher | None]] = ContextVar("watcher", default=None)


@contextmanager
def watched(watcher: Watcher) -> Iterator[None]:
    """Tells how far the downloads of the block have come, whoever asks for them."""
    token = _WATCHER.set(watcher)
    try:
        yield
    finally:
        _WATCHER.reset(token)


def _tell(before: int, total: int, received: int) -> None:
    watcher = _WATCHER.get()
    if watcher is not None:
        watcher(before + received, total)


class _WrongContentError(Exception):
    """A server sent something else than what was published."""


def download(
    name: str, published: Published, cache: Path, *, allowed: bool, unpack: Callable[[Path], None] | None = None
) -> Path:
    """Downloads a data set.

    Everything happens in a temporary folder beside the target, which is renamed when all is there and verified, and
    removed whatever happens, an interruption included.

    Args:
        name: of the source; the target is the folder of this name in the cache.
        published: where its files are, and what they are.
        cache: where downloads go.
        allowed: whether it may be downloaded at all.
        unpack: takes the folder with the verified files and puts what is in an archive in the archive's place.

    Returns:
        The target.

    Raises:
        DataUnavailableError: it may not, no server answers, or something else came.
        DataError: what `unpack` raises.
        ResourceError: the disk is full.
    """
    if not allowed:
        raise DataUnavailableError(name, "it is not on disk", help=_BY_HAND)
    mirrors = _answering_first(name, published)
    target = cache / name
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{name}-", dir=cache) as temporary:
            folder = Path(temporary) / name
            folder.mkdir()
            done, total = 0, sum(file.size for file in published.files)
            for file in published.files:
                _fetch(file, mirrors, folder / file.name, partial(_tell, done, total))
                done += file.size
            if unpack is not None:
                unpack(folder)
            _move(folder, target)
    except (OSError, http.client.HTTPException, _WrongContentError) as error:
        if _is_full_disk(error):
            what = f"the disk is full: {name} can't be downloaded to {cache}"
            raise ResourceError(what, help="free some space, or give another folder with --data-dir") from error
        raise DataUnavailableError(name, f"the download failed: {_one_line(error)}", help=_BY_HAND) from error
    return target


def _answering_first(name: str, published: Published) -> Sequence[str]:
    """The mirrors, the first one that answers anything before the others.

    A name server or an address that swallows what it is sent keeps a caller waiting for each of its tries in turn, which
    no timeout of a socket bounds: hence threads, which are left behind. They read nothing and write nothing.
    """
    answers: queue.SimpleQueue[tuple[str, str | None]] = queue.SimpleQueue()
    for mirror in published.mirrors:
        threading.Thread(target=_knock, args=(mirror, published.files[0].name, answers), daemon=True).start()
    reason = f"no answer within {ANSWER_SECONDS:g} seconds"
    with contextlib.suppress(queue.Empty):
        for _ in published.mirrors:
            mirror, refusal = answers.get(timeout=ANSWER_SECONDS)
            if refusal is None:
                return (mirror, *(other for other in published.mirrors if other != mirror))
            reason = refusal
    raise DataUnavailableError(name, f"it is not on disk, and its server can't be reached: {reason}", help=_BY_HAND)


def _knock(mirror: str, name: str, answers: queue.SimpleQueue[tuple[str, str | None]]) -> None:
    try:
        with _open(mirror + name, "HEAD", ANSWER_SECONDS):
            answers.put((mirror, None))
    except urllib.error.HTTPError as error:  # an answer: the download will say what is wrong with it
        error.close()
        answers.put((mirror, None))
    except (OSError, http.client.HTTPException) as error:
        answers.put((mirror, _one_line(error)))


def _open(address: str, method: str, timeout: float) -> http.client.HTTPResponse:
    """An answer; a redirection is followed only to where a download may come from."""
    opener = urllib.request.OpenerDirector()
    for handler in _HANDLERS:
        opener.add_handler(handler())
    for _ in range(_MOST_REDIRECTIONS + 1):
        if not address.lower().startswith(tuple(f"{scheme}://" for scheme in SCHEMES)):
            raise urllib.error.URLError(f"{address[:100]} does not begin with {SCHEMES[0]}")
        request = urllib.request.Request(address, headers={"User-Agent": "dlcli"}, method=method)  # noqa: S310 - checked
        try:
            return cast("http.client.HTTPResponse", opener.open(request, timeout=timeout))
        except urllib.error.HTTPError as error:
            if error.code not in _REDIRECTIONS or "Location" not in error.headers:
                raise
            error.close()
            address = _redirected(address, error.headers["Location"])
    raise urllib.error.URLError("the server redirects without an end")


def _redirected(address: str, location: str) -> str:
    try:
        return urllib.parse.urljoin(address, location)
    except ValueError as error:
        raise urllib.error.URLError(f"the server redirects to no address: {location[:100]}") from error


def _fetch(file: RemoteFile, mirrors: Sequence[str], target: Path, on_received: Callable[[int], None]) -> None:
    """Fetches a file from the first mirror that has it as it was published; `on_received` takes its bytes so far."""
    for place, mirror in enumerate(mirrors, 1):
        try:
            _receive(file, mirror + file.name, target, on_received)
        except (OSError, http.client.HTTPException, _WrongContentError) as error:
            if isinstance(error, urllib.error.HTTPError):
                error.close()
            if place == len(mirrors) or _is_full_disk(error):
                raise
        else:
            return


def _receive(file: RemoteFile, address: str, target: Path, on_received: Callable[[int], None]) -> None:
    digest, received = hashlib.sha256(), 0
    with _open(address, "GET", SILENCE_SECONDS) as answer, target.open("wb") as content:
        while chunk := answer.read(_CHUNK):
            received += len(chunk)
            if received > file.size:
                raise _WrongContentError(f"{address} sends more than the {file.size:,} bytes that were published")
            digest.update(chunk)
            content.write(chunk)
            on_received(received)
    if received < file.size:
        raise _WrongContentError(f"{address} sent {received:,} of {file.size:,} bytes")
    if digest.hexdigest() != file.sha256:
        found, expected = digest.hexdigest()[:12], file.sha256[:12]
        raise _WrongContentError(f"{address} is not what was published: its SHA-256 is {found}..., expected {expected}...")


def _move(folder: Path, target: Path) -> None:
    """Puts a complete folder in its place, or, where there is an incomplete one already, its files one by one."""
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


def _is_full_disk(error: BaseException) -> bool:
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)


def _one_line(error: BaseException) -> str:
    if isinstance(error, urllib.error.URLError) and isinstance(error.reason, OSError):
        error = error.reason
    elif isinstance(error, urllib.error.URLError) and not isinstance(error, urllib.error.HTTPError):
        return str(error.reason)
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    return " ".join(str(error).split())[:300] or type(error).__name__
