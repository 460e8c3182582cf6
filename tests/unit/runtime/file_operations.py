"""The file system as a test sees it: every operation that changes something is recorded, and any one of them can fail."""

from __future__ import annotations

import errno
import io
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import pytest


class FileOperations:
    """Records what is done to files, in order, and lets one operation fail.

    The first write to a file takes half of the bytes that it is given, as a system may: whoever writes has to go on, and
    a failure of the second write leaves half of them behind.

    Attributes:
        log: pairs of what was done (`mkdir`, `open`, `write`, `fsync`, `rename`, `remove`) and the path it was done to.
    """

    def __init__(self, fail_at: int | None = None, error: int = errno.ENOSPC) -> None:
        self.log: list[tuple[str, Path]] = []
        self._fail_at = fail_at
        self._error = error
        self._open: dict[int, Path] = {}

    def names(self) -> list[str]:
        """The log as `what name` lines."""
        return [f"{what} {path.name}" for what, path in self.log]

    def noted(self, what: str, path: Path) -> None:
        """Records an operation, or fails in its place."""
        self.log.append((what, path))
        if len(self.log) - 1 == self._fail_at:
            raise OSError(self._error, os.strerror(self._error), str(path))

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Watches until the end of the block."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Path, "mkdir", self._before("mkdir", Path.mkdir))
            patch.setattr(Path, "rename", self._before("rename", Path.rename))
            patch.setattr(Path, "replace", self._before("rename", Path.replace))
            patch.setattr(Path, "open", self._opening(Path.open))
            patch.setattr(os, "open", self._opening_descriptor(os.open))
            patch.setattr(os, "fsync", self._syncing(os.fsync))
            patch.setattr(os, "unlink", self._removing(os.unlink))
            patch.setattr(os, "rmdir", self._removing(os.rmdir))
            yield

    def _before(self, what: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def operation(path: Path, *arguments: Any, **options: Any) -> Any:
            self.noted(what, path)
            return real(path, *arguments, **options)

        return operation

    def _opening(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def operation(path: Path, mode: str = "r", buffering: int = -1, *arguments: Any, **options: Any) -> Any:
            if mode[0] not in "wax":
                return real(path, mode, buffering, *arguments, **options)
            self.noted("open", path)
            if "b" not in mode:
                return _WatchedText(real(path, mode, buffering, *arguments, **options), path, self)
            raw = _WatchedBytes(path, mode.replace("b", ""), self)
            self._open[raw.fileno()] = path
            return raw if buffering == 0 else io.BufferedWriter(raw)

        return operation

    def _opening_descriptor(self, real: Callable[..., int]) -> Callable[..., int]:
        def operation(path: Any, *arguments: Any, dir_fd: int | None = None, **options: Any) -> int:
            descriptor = real(path, *arguments, dir_fd=dir_fd, **options)
            self._open[descriptor] = self._within(dir_fd, path)
            return descriptor

        return operation

    def _syncing(self, real: Callable[[int], None]) -> Callable[[int], None]:
        def operation(descriptor: int) -> None:
            self.noted("fsync", self._open[descriptor])
            real(descriptor)

        return operation

    def _removing(self, real: Callable[..., None]) -> Callable[..., None]:
        def operation(path: Any, *, dir_fd: int | None = None) -> None:
            whole = self._within(dir_fd, path)
            if os.path.lexists(whole):
                self.noted("remove", whole)
            real(path, dir_fd=dir_fd)

        return operation

    def _within(self, folder: int | None, path: Any) -> Path:
        return Path(path) if folder is None else self._open[folder] / path


class Looks(FileOperations):
    """Records and fails what only looks: `stat`, `list` and `read`."""

    @contextmanager
    def watching(self) -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Path, "stat", self._before("stat", Path.stat))
            patch.setattr(Path, "iterdir", self._before("list", Path.iterdir))
            patch.setattr(Path, "open", self._reading(Path.open))
            yield

    def _reading(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def operation(path: Path, mode: str = "r", *arguments: Any, **options: Any) -> Any:
            if mode[0] == "r":
                self.noted("read", path)
            return real(path, mode, *arguments, **options)

        return operation


class FailsFrom(FileOperations):
    """Operations that all fail from one of them on, until the block ends."""

    def noted(self, what: str, path: Path) -> None:
        if self._fail_at is not None and len(self.log) > self._fail_at:
            self._fail_at = len(self.log)
        super().noted(what, path)


class Snapshots(FileOperations):
    """Copies a folder before every operation and after the last: what a kill at any moment would leave."""

    def __init__(self, folder: Path, copies: Path) -> None:
        super().__init__()
        self._folder = folder
        self._copies = copies

    def noted(self, what: str, path: Path) -> None:
        self._copy()
        super().noted(what, path)

    @contextmanager
    def watching(self) -> Iterator[None]:
        with super().watching():
            yield
        self._copy()

    def _copy(self) -> None:
        shutil.copytree(self._folder, self._copies / f"{len(self.log):03}", symlinks=True)


class _WatchedBytes(io.FileIO):
    """A file as the system has it, below any buffer."""

    def __init__(self, path: Path, mode: str, operations: FileOperations) -> None:
        super().__init__(path, mode)
        self._path = path
        self._operations = operations
        self._is_fresh = True

    def write(self, content: Any) -> int:
        self._operations.noted("write", self._path)
        taken = (len(content) + 1) // 2 if self._is_fresh else len(content)
        self._is_fresh = False
        return cast("int", super().write(content[:taken]))


class _WatchedText:
    """A file of text whose failing write leaves half of it behind."""

    def __init__(self, file: Any, path: Path, operations: FileOperations) -> None:
        self._file = file
        self._path = path
        self._operations = operations

    def write(self, content: Any) -> Any:
        try:
            self._operations.noted("write", self._path)
        except OSError:
            self._file.write(content[: len(content) // 2])
            self._file.flush()
            raise
        return self._file.write(content)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def __enter__(self) -> _WatchedText:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
