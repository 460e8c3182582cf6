"""Downloads through torchvision from a server on this machine, in all the ways in which they can go wrong."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import os
import socket
import sys
import tarfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from dlcli.config.data import Cifar10, FashionMnist, Qmnist
from dlcli.data.directories import Directories
from dlcli.data.raw import DataUnavailableError
from dlcli.data.sources import cifar, download, mnist
from dlcli.errors import ResourceError
from tests.unit.data.idx_files import pictures_and_labels, write_family, write_idx

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")
"""torchvision leaves it to the garbage collector to close a connection that failed."""

Behaviour = Callable[[BaseHTTPRequestHandler, bytes], None]


def _serve(request: BaseHTTPRequestHandler, content: bytes) -> None:
    request.send_response(200)
    request.send_header("Content-Length", str(len(content)))
    request.end_headers()
    if request.command == "GET":
        request.wfile.write(content)


def _refuse(request: BaseHTTPRequestHandler, _: bytes) -> None:
    request.send_error(404)


def _drop(request: BaseHTTPRequestHandler, content: bytes) -> None:
    """Promises all and sends half."""
    request.send_response(200)
    request.send_header("Content-Length", str(len(content)))
    request.end_headers()
    if request.command == "GET":
        request.wfile.write(content[: len(content) // 2])


class Server:
    """Serves the files of a folder.

    Attributes:
        url: ends with a slash.
        behave: what it does with the files whose names are in `only`, or with all of them.
        asked: the names of the files that were asked for with GET.
        gone: set when the test ends, for those that wait.
    """

    def __init__(self, folder: Path) -> None:
        server = self
        self.behave: Behaviour = _serve
        self.only: str = ""
        self.asked: list[str] = []
        self.gone = threading.Event()

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                name = self.path.rsplit("/", 1)[-1]
                if self.command == "GET":
                    server.asked.append(name)
                content = (folder / name).read_bytes()
                with contextlib.suppress(ConnectionError):
                    (server.behave if server.only in name else _serve)(self, content)

            do_HEAD = do_GET  # noqa: N815 - http.server looks for this name

            def log_message(self, *_: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.http.server_port}/"
        self.thread = threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    def wait(self, _: BaseHTTPRequestHandler, __: bytes) -> None:
        """Never answers."""
        self.gone.wait(20)

    def close(self) -> None:
        self.gone.set()
        self.http.shutdown()
        self.http.server_close()
        self.thread.join()


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """Serves a small Fashion-MNIST that torchvision takes for the real one; no proxy in between."""
    from torchvision.datasets import FashionMNIST

    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "served"
    write_family(folder)
    files = [(path.name, hashlib.md5(path.read_bytes()).hexdigest()) for path in sorted(folder.iterdir(), reverse=True)]
    served = Server(folder)
    monkeypatch.setattr(FashionMNIST, "resources", files)
    monkeypatch.setattr(FashionMNIST, "mirrors", [served.url])
    monkeypatch.setattr(download, "SILENCE_SECONDS", 0.5)
    monkeypatch.setattr(download, "ANSWER_SECONDS", 0.5)
    yield served
    served.close()


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """Where downloads go; not there yet."""
    return tmp_path / "cache" / "dlcli"


def _fetch(cache: Path) -> np.ndarray:
    return mnist.read(FashionMnist(), Directories((cache,), cache), True).train.inputs[..., 0]


def _everything(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_what_is_downloaded_is_read_kept_and_found_again(server: Server, cache: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The four compressed files and nothing else, without a word; the second time nothing is asked of the server."""
    np.testing.assert_array_equal(_fetch(cache), pictures_and_labels(50, 0)[0])
    assert _everything(cache) == ["fashion_mnist", *sorted(f"fashion_mnist/{name}" for name in set(server.asked))]
    assert len(set(server.asked)) == 4
    server.asked.clear()
    _fetch(cache)
    assert server.asked == []
    assert capfd.readouterr() == ("", "")


def test_a_folder_that_lacks_a_file_is_completed(server: Server, cache: Path) -> None:
    """And keeps what else a person has put there."""
    _fetch(cache)
    (cache / "fashion_mnist" / "t10k-labels-idx1-ubyte.gz").unlink()
    (cache / "fashion_mnist" / "notes.txt").touch()
    _fetch(cache)
    assert len(_everything(cache)) == 6


FAILURES = {
    "404": (_refuse, "404"),
    "half the bytes": (_drop, "corrupted"),
    "other bytes": (lambda request, content: _serve(request, content[:-1] + b"x"), "corrupted"),
    "an error page": (lambda request, _: _serve(request, b"<html>sign in</html>"), "corrupted"),
    "a connection reset": (lambda request, _: request.connection.shutdown(socket.SHUT_RDWR), ""),
}


@pytest.mark.parametrize("only", ["", "t10k-images"], ids=["at once", "at the last file"])
@pytest.mark.parametrize("failure", FAILURES)
def test_a_failed_download_leaves_nothing_behind(server: Server, cache: Path, failure: str, only: str) -> None:
    """Whatever the server does, with the first file or after three good ones: unavailable, and an empty folder."""
    server.behave, words = FAILURES[failure]
    server.only = only
    with pytest.raises(DataUnavailableError, match=f"fashion_mnist can't be had here: .*{words}") as caught:
        _fetch(cache)
    assert "--data-dir" in (caught.value.help or "")
    assert not cache.exists() or _everything(cache) == []


def test_a_server_that_never_answers_is_given_up(server: Server, cache: Path) -> None:
    """After the time for answers, for all mirrors together."""
    server.behave = server.wait
    start = time.monotonic()
    with pytest.raises(DataUnavailableError, match="its server can't be reached"):
        _fetch(cache)
    assert time.monotonic() - start < 5
    assert not cache.exists()


def test_a_server_that_falls_silent_is_given_up(server: Server, cache: Path) -> None:
    """It answered, sent three files, and then nothing more."""
    server.behave, server.only = server.wait, "t10k-images"
    with pytest.raises(DataUnavailableError, match="timed out"):
        _fetch(cache)
    assert _everything(cache) == []
    assert len(set(server.asked)) == 4
    assert socket.getdefaulttimeout() is None


def test_the_wait_for_an_answer_has_an_end_whatever_hangs(cache: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name server that swallows requests holds up the call itself, beyond any timeout."""

    def hang(*_: object, **__: object) -> None:
        server.gone.wait(20)
        raise OSError("temporary failure in name resolution")

    monkeypatch.setattr(urllib.request, "urlopen", hang)
    with pytest.raises(DataUnavailableError, match=r"no answer within 0\.5 seconds"):
        _fetch(cache)


def test_one_mirror_that_answers_is_enough(server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A refused connection before it is passed over."""
    from torchvision.datasets import FashionMNIST

    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        refusing = f"http://127.0.0.1:{closed.getsockname()[1]}/"
    monkeypatch.setattr(FashionMNIST, "mirrors", [refusing, server.url])
    assert len(_fetch(cache)) == 50
    monkeypatch.setattr(FashionMNIST, "mirrors", [refusing])
    with pytest.raises(DataUnavailableError, match="can't be reached: .*refused"):
        mnist.read(FashionMnist(), Directories((cache / "other",), cache / "other"), True)


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, SystemExit, MemoryError])
def test_an_interruption_leaves_nothing_behind(
    server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch, interruption: type[BaseException]
) -> None:
    """Ctrl-C when all files are there but not yet in their place."""

    def interrupted(*_: object) -> None:
        assert len(list(cache.rglob("*.gz"))) == 4
        raise interruption

    monkeypatch.setattr(download, "_move", interrupted)
    with pytest.raises(interruption):
        _fetch(cache)
    assert _everything(cache) == []
    assert sys.stdout is sys.__stdout__ or not isinstance(sys.stdout, io.StringIO)


def test_a_full_disk_is_said_and_no_reason_to_use_other_data(
    server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 6, and nothing is left that fills it further."""

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ResourceError, match="the disk is full: fashion_mnist can't be downloaded"):
        _fetch(cache)
    assert _everything(cache) == []


def test_a_place_that_can_not_be_written_is_said(server: Server, tmp_path: Path) -> None:
    """A file where the folder should be."""
    (tmp_path / "taken").touch()
    with pytest.raises(DataUnavailableError, match="the download failed: .*taken"):
        _fetch(tmp_path / "taken" / "cache")


def test_a_torchvision_that_can_not_be_imported_is_explained(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Absent, or built for another torch: then it raises at import."""
    monkeypatch.setitem(sys.modules, "torchvision", None)
    with pytest.raises(DataUnavailableError, match="torchvision, which downloads it, can't be imported") as caught:
        _fetch(cache)
    assert "operator torchvision::nms does not exist" in (caught.value.help or "")

    class Broken(ModuleType):
        def __getattr__(self, name: str) -> None:
            raise RuntimeError("operator torchvision::nms does not exist")

    monkeypatch.setitem(sys.modules, "torchvision", Broken("torchvision"))
    with pytest.raises(DataUnavailableError, match="can't be imported: operator torchvision::nms does not exist"):
        _fetch(cache)


def test_nothing_is_downloaded_where_that_is_not_allowed(server: Server, cache: Path) -> None:
    """`dlcli smoke` asks for that."""
    with pytest.raises(DataUnavailableError, match="it is not on disk"):
        mnist.read(FashionMnist(), Directories((cache,), cache), False)
    assert server.asked == []


def test_qmnist_is_downloaded_with_both_its_parts(tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """torchvision fetches them one by one, from full addresses."""
    from torchvision.datasets import QMNIST

    served, resources = tmp_path / "served", {}
    for prefix in ("train", "test"):
        images, labels = pictures_and_labels(20, 0)
        names = [f"qmnist-{prefix}-images-idx3-ubyte.gz", f"qmnist-{prefix}-labels-idx2-int.gz"]
        write_idx(served / names[0], images)
        write_idx(served / names[1], np.repeat(labels[:, None], 8, axis=1).astype(np.int32))
        resources[prefix] = [(server.url + name, hashlib.md5((served / name).read_bytes()).hexdigest()) for name in names]
    monkeypatch.setattr(QMNIST, "resources", resources)
    root = tmp_path / "cache"
    data = mnist.read(Qmnist(), Directories((root,), root), True)
    assert data.test is not None
    assert data.test.targets.tolist() == list(range(10)) * 2
    assert len(_everything(root)) == 5


def test_cifar_is_downloaded_and_unpacked(tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder that the archive holds, without the archive."""
    from torchvision.datasets import CIFAR10

    archive = tmp_path / "served" / "cifar-10-python.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        for name in cifar.MEMBERS[Cifar10].files:
            member = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            member.size = len(name)
            tar.addfile(member, io.BytesIO(name.encode()))
    monkeypatch.setattr(CIFAR10, "url", server.url + archive.name)
    monkeypatch.setattr(CIFAR10, "tgz_md5", hashlib.md5(archive.read_bytes()).hexdigest())
    monkeypatch.setattr(CIFAR10, "__init__", lambda self, root, train, download: setattr(self, "root", root) or self.download())
    cache = tmp_path / "cache"
    target = download.download("cifar10", "CIFAR10", "cifar-10-batches-py", cache, allowed=True)
    assert target == cache / "cifar10"
    assert _everything(cache) == ["cifar10", *sorted(f"cifar10/{name}" for name in cifar.MEMBERS[Cifar10].files)]


def test_all_addresses_of_real_data_sets_are_known() -> None:
    """torchvision keeps them in three ways."""
    from torchvision import datasets

    for name in ("MNIST", "FashionMNIST", "KMNIST", "QMNIST", "CIFAR10", "CIFAR100"):
        addresses = download._addresses(getattr(datasets, name))
        assert addresses
        assert all(address.startswith("http") and address.endswith("gz") for address in addresses)


def test_files_arrive_byte_for_byte(server: Server, cache: Path, tmp_path: Path) -> None:
    """What was moved is what was served."""
    _fetch(cache)
    for served in (tmp_path / "served").iterdir():
        assert (cache / "fashion_mnist" / served.name).read_bytes() == served.read_bytes()
