"""The file system as a test sees it: every operation that writes is recorded, and any one of them can fail."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest


class FileOperations:
    """Records what is done to files, in order, and lets one operation fail.

    Attributes:
        log: pairs of what was done (`mkdir`, `open`, `write`, `fsync`, `rename`) and the path it was done to.
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
            patch.setattr(os, "open", self._opening_folder(os.open))
            patch.setattr(os, "fsync", self._syncing(os.fsync))
            yield

    def _before(self, what: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def operation(path: Path, *arguments: Any, **options: Any) -> Any:
            self.noted(what, path)
            return real(path, *arguments, **options)

        return operation

    def _opening(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def operation(path: Path, mode: str = "r", *arguments: Any, **options: Any) -> Any:
            if mode[0] not in "wax":
                return real(path, mode, *arguments, **options)
            self.noted("open", path)
            file = real(path, mode, *arguments, **options)
            self._open[file.fileno()] = path
            return _WatchedFile(file, path, self)

        return operation

    def _opening_folder(self, real: Callable[..., int]) -> Callable[..., int]:
        def operation(path: Any, *arguments: Any, **options: Any) -> int:
            descriptor = real(path, *arguments, **options)
            self._open[descriptor] = Path(path)
            return descriptor

        return operation

    def _syncing(self, real: Callable[[int], None]) -> Callable[[int], None]:
        def operation(descriptor: int) -> None:
            self.noted("fsync", self._open[descriptor])
            real(descriptor)

        return operation


class Snapshots(FileOperations):
    """Copies a folder before every operation: what a kill at that moment would leave."""

    def __init__(self, folder: Path, copies: Path) -> None:
        super().__init__()
        self._folder = folder
        self._copies = copies

    def noted(self, what: str, path: Path) -> None:
        shutil.copytree(self._folder, self._copies / f"{len(self.log):03}")
        super().noted(what, path)


class _WatchedFile:
    """A file whose failing write leaves half of the content behind."""

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

    def __enter__(self) -> _WatchedFile:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
