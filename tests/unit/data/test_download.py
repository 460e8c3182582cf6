"""Downloads from a server on this machine, in all the ways in which they can go wrong."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import os
import socket
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from dlcli.config.data import Cifar10, FashionMnist, KnownImages, Mnist, Qmnist
from dlcli.data.directories import Directories
from dlcli.data.raw import DataUnavailableError
from dlcli.data.sources import cifar, download, mnist
from dlcli.data.sources.published import Published, RemoteFile
from dlcli.errors import DataError, ResourceError
from tests.unit.data.idx_files import pictures_and_labels, write_family, write_idx

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


def _publish(monkeypatch: pytest.MonkeyPatch, folder: Path, *mirrors: str, spec: type[KnownImages] = FashionMnist) -> None:
    """Makes the compressed files of a folder those that were published of a data set."""
    files = tuple(_remote(path) for path in sorted(folder.iterdir(), reverse=True))
    module = cifar if spec is Cifar10 else mnist
    members = {**module.MEMBERS, spec: replace(module.MEMBERS[spec], published=Published(mirrors, files))}
    monkeypatch.setattr(module, "MEMBERS", members)


def _remote(path: Path) -> RemoteFile:
    return RemoteFile(path.name, path.stat().st_size, hashlib.sha256(path.read_bytes()).hexdigest())


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """Serves a small Fashion-MNIST that stands for the real one, over http; no proxy in between."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "served"
    write_family(folder)
    served = Server(folder)
    _publish(monkeypatch, folder, served.url)
    monkeypatch.setattr(download, "SCHEMES", ("http",))
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


def _endless(request: BaseHTTPRequestHandler, content: bytes) -> None:
    """Sends more and more, without saying how much."""
    request.send_response(200)
    request.end_headers()
    while request.command == "GET":
        request.wfile.write(content)


def _redirect(address: str) -> Behaviour:
    def behave(request: BaseHTTPRequestHandler, _: bytes) -> None:
        request.send_response(302)
        request.send_header("Location", address)
        request.end_headers()

    return behave


FAILURES = {
    "404": (_refuse, "404"),
    "half the bytes": (_drop, "sent .* bytes"),
    "other bytes": (lambda request, content: _serve(request, content[:-1] + b"x"), "not what was published: its SHA-256 is"),
    "an error page": (lambda request, _: _serve(request, b"<html>sign in</html>"), "sent 20 of"),
    "no end": (_endless, "sends more than the .* bytes that were published"),
    "a connection reset": (lambda request, _: request.connection.shutdown(socket.SHUT_RDWR), ""),
    "a redirection to a file": (_redirect("file:///etc/hostname"), "file:///etc/hostname does not begin with http"),
    "a redirection to another scheme": (_redirect("ftp://127.0.0.1/x"), "ftp://127.0.0.1/x does not begin with http"),
    "a redirection to nothing": (_redirect("http://[/"), "redirects to no address"),
    "a redirection in circles": (lambda request, _: _redirect(request.path)(request, _), "redirects without an end"),
}


@pytest.mark.parametrize("only", ["", "t10k-images"], ids=["at once", "at the last file"])
@pytest.mark.parametrize("failure", FAILURES)
def test_a_failed_download_leaves_nothing_behind(server: Server, cache: Path, failure: str, only: str) -> None:
    """Whatever the server does, with the first file or after three good ones: unavailable, and an empty folder."""
    server.behave, words = FAILURES[failure]
    server.only = only
    with pytest.raises(DataUnavailableError, match=f"(?s)fashion_mnist can't be had here: .*{words}") as caught:
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


def test_the_wait_for_an_answer_has_an_end_whatever_hangs(cache: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name server that swallows requests holds up the call itself, beyond any timeout."""

    def hang(*_: object, **__: object) -> None:
        server.gone.wait(20)
        raise OSError("temporary failure in name resolution")

    monkeypatch.setattr(download, "_open", hang)
    with pytest.raises(DataUnavailableError, match=r"no answer within 0\.5 seconds"):
        _fetch(cache)


def test_one_mirror_that_answers_is_enough(server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A refused connection before it is passed over."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        refusing = f"http://127.0.0.1:{closed.getsockname()[1]}/"
    _publish(monkeypatch, tmp_path / "served", refusing, server.url)
    assert len(_fetch(cache)) == 50
    _publish(monkeypatch, tmp_path / "served", refusing)
    with pytest.raises(DataUnavailableError, match="can't be reached: .*refused"):
        mnist.read(FashionMnist(), Directories((cache / "other",), cache / "other"), True)


def test_a_mirror_with_other_files_is_passed_over(
    server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Whichever answers first, the files are those that were published."""
    write_family(tmp_path / "others", seed=7)
    other = Server(tmp_path / "others")
    try:
        _publish(monkeypatch, tmp_path / "served", other.url, server.url)
        np.testing.assert_array_equal(_fetch(cache), pictures_and_labels(50, 0)[0])
    finally:
        other.close()


def test_only_https_is_asked(server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even a first byte goes to an address without it."""
    monkeypatch.undo()
    published = Published((server.url,), (RemoteFile("a", 1, "0" * 64),))
    with pytest.raises(DataUnavailableError, match="does not begin with https"):
        download.download("a", published, cache, allowed=True)
    assert server.asked == []


def test_a_redirection_within_what_is_allowed_is_followed(server: Server, cache: Path) -> None:
    """As GitHub and others have them."""
    server.only, server.behave = "t10k-labels", _redirect(f"{server.url}elsewhere/t10k-labels-idx1-ubyte.gz")
    behave = server.behave

    def once(request: BaseHTTPRequestHandler, content: bytes) -> None:
        (_serve if "elsewhere" in request.path else behave)(request, content)

    server.behave = once
    assert len(_fetch(cache)) == 50


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


def test_nothing_is_downloaded_where_that_is_not_allowed(server: Server, cache: Path) -> None:
    """`dlcli smoke` asks for that."""
    with pytest.raises(DataUnavailableError, match="it is not on disk"):
        mnist.read(FashionMnist(), Directories((cache,), cache), False)
    assert server.asked == []


def test_qmnist_is_downloaded_with_both_its_parts(tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its files have names of their own."""
    folder = tmp_path / "served"
    for path in folder.iterdir():
        path.unlink()
    for prefix in ("train", "test"):
        images, labels = pictures_and_labels(20, 0)
        write_idx(folder / f"qmnist-{prefix}-images-idx3-ubyte.gz", images)
        write_idx(folder / f"qmnist-{prefix}-labels-idx2-int.gz", np.repeat(labels[:, None], 8, axis=1).astype(np.int32))
    _publish(monkeypatch, folder, server.url, spec=Qmnist)
    root = tmp_path / "cache"
    data = mnist.read(Qmnist(), Directories((root,), root), True)
    assert data.test is not None
    assert data.test.targets.tolist() == list(range(10)) * 2
    assert len(_everything(root)) == 5


def _archive(path: Path, *others: tarfile.TarInfo) -> None:
    """CIFAR-10's archive, with each file holding its name, and other members before them."""
    with tarfile.open(path, "w:gz") as tar:
        for other in others:
            tar.addfile(other)
        for name in cifar.MEMBERS[Cifar10].files:
            member = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            member.size = len(name)
            tar.addfile(member, io.BytesIO(name.encode()))


def _link(name: str, target: str) -> tarfile.TarInfo:
    link = tarfile.TarInfo(name)
    link.type, link.linkname = tarfile.SYMTYPE, target
    return link


def _fetch_cifar(cache: Path) -> None:
    cifar.read(Cifar10(), Directories((cache,), cache), True)


def test_cifar_is_downloaded_and_unpacked(tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the archive holds, without the archive and without its page; the reader then looks at each file."""
    for path in (tmp_path / "served").iterdir():
        path.unlink()
    _archive(tmp_path / "served" / "cifar-10-python.tar.gz", tarfile.TarInfo("cifar-10-batches-py/readme.html"))
    _publish(monkeypatch, tmp_path / "served", server.url, spec=Cifar10)
    cache = tmp_path / "cache"
    with pytest.raises(DataError, match="test_batch is damaged: its MD5 is"):
        _fetch_cifar(cache)
    assert _everything(cache) == ["cifar10", *sorted(f"cifar10/{name}" for name in cifar.MEMBERS[Cifar10].files)]
    assert (cache / "cifar10" / "data_batch_3").read_text() == "data_batch_3"


def test_an_archive_with_a_link_leaves_nothing_behind(tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even one whose hash is the published one; and no fallback hides it."""
    for path in (tmp_path / "served").iterdir():
        path.unlink()
    _archive(tmp_path / "served" / "cifar-10-python.tar.gz", _link("cifar-10-batches-py/x", "/etc"))
    _publish(monkeypatch, tmp_path / "served", server.url, spec=Cifar10)
    with pytest.raises(DataError, match="which is a link") as caught:
        _fetch_cifar(tmp_path / "cache")
    assert not isinstance(caught.value, DataUnavailableError)
    assert _everything(tmp_path / "cache") == []


def test_all_that_is_published_has_https_addresses_and_the_files_that_are_read() -> None:
    """Of each data set that is downloaded."""
    for module in (mnist, cifar):
        for member in module.MEMBERS.values():
            published = member.published
            assert published.mirrors
            assert all(mirror.startswith("https://") and mirror.endswith("/") for mirror in published.mirrors)
            assert all(len(file.sha256) == 64 and set(file.sha256) <= set("0123456789abcdef") for file in published.files)
            if module is mnist:
                assert sorted(file.name for file in published.files) == sorted(f"{name}.gz" for name in member.files.names)
            else:
                assert [file.name for file in published.files] == [f"{member.folder.replace('-batches-py', '-python')}.tar.gz"]


def test_the_names_of_the_files_are_those_that_torchvision_knows() -> None:
    """An independent list of what was published where."""
    from torchvision import datasets

    for spec, member in mnist.MEMBERS.items():
        resources = getattr(datasets, member.torchvision).resources
        theirs = [*resources["train"], *resources["test"]] if spec is Qmnist else resources
        assert sorted(file.name for file in member.published.files) == sorted(name.rsplit("/", 1)[-1] for name, _ in theirs)


def test_files_of_mnist_have_the_hash_that_is_pinned(shared_data: Path) -> None:
    """Those beside the checkout that are as they were published: three of four; the pictures of the training were packed anew."""
    pinned = {file.name: file for file in mnist.MEMBERS[Mnist].published.files}
    published = [path for path in (shared_data / "mnist").iterdir() if path.stat().st_size == pinned[path.name].size]
    assert len(published) == 3
    assert all(_remote(path) == pinned[path.name] for path in published)


def test_files_arrive_byte_for_byte(server: Server, cache: Path, tmp_path: Path) -> None:
    """What was moved is what was served."""
    _fetch(cache)
    for served in (tmp_path / "served").iterdir():
        assert (cache / "fashion_mnist" / served.name).read_bytes() == served.read_bytes()
