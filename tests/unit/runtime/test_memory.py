"""What happens when there is no memory left."""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path

import pytest
import torch

from dlcli.errors import ResourceError
from dlcli.runtime.memory import available_memory, keep_freed_memory, let_go, memory_errors, return_freed_memory


def test_an_allocation_that_torch_refuses_says_what_to_do() -> None:
    """Torch's own refusal on the CPU becomes an error (exit code 6) with the reason and a smaller batch as help."""
    with pytest.raises(ResourceError) as caught, memory_errors():
        torch.empty(2**60)
    assert caught.value.message.startswith("there is not enough memory: ")
    assert "can't allocate memory" in caught.value.message
    assert "train.batch_size" in (caught.value.help or "")
    assert caught.value.exit_code == 6


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        MemoryError("Unable to allocate 9 TiB for an array"),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory: you tried"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: not enough memory: you tried to allocate 8 bytes"),
        RuntimeError("MPS backend out of memory (MPS allocated: 1 GB)"),
        RuntimeError("CUDA error: out of memory"),
        RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
        RuntimeError("std::bad_alloc"),
        RuntimeError("could not create a primitive"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    ],
    ids=str,
)
def test_every_way_of_saying_it_is_understood(error: Exception) -> None:
    """Python, NumPy, torch, CUDA, its libraries and mps each have their own words."""
    with pytest.raises(ResourceError, match="there is not enough memory") as caught, memory_errors():
        raise error
    assert caught.value.__cause__ is error


def test_a_reason_is_one_short_line() -> None:
    """Torch's messages run over many lines; the person gets the beginning."""
    with pytest.raises(ResourceError) as caught, memory_errors():
        raise torch.OutOfMemoryError("CUDA out of memory.\n  Tried " + "x" * 1000)
    assert "\n" not in caught.value.message
    assert len(caught.value.message) < 300


@pytest.mark.parametrize(
    "error", [RuntimeError("mat1 and mat2 shapes cannot be multiplied"), RecursionError("deep"), ValueError("no")], ids=str
)
def test_other_errors_pass_untouched(error: Exception) -> None:
    """A bug stays what it is."""
    with pytest.raises(type(error)) as caught, memory_errors():
        raise error
    assert caught.value is error


def test_nothing_happens_where_there_is_memory() -> None:
    """The block's result is left alone."""
    with memory_errors():
        total = int(torch.ones(10).sum())
    assert total == 10


def test_freed_memory_is_kept_on_glibc(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both thresholds are set, by the numbers that malloc.h gives them."""
    calls: list[tuple[int, int]] = []

    class Library:
        @staticmethod
        def mallopt(parameter: int, value: int) -> int:
            calls.append((parameter, value))
            return 1

    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(ctypes, "CDLL", lambda _: Library)
    assert keep_freed_memory()
    assert dict(calls) == {-3: 2**31 - 1, -1: 2**31 - 1}


@pytest.mark.parametrize("missing", ["library", "function", "platform"])
def test_other_systems_are_left_alone(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the C library is not glibc the call says so and breaks nothing."""

    def library(name: None) -> object:
        if missing == "library":
            raise OSError("no library")
        return object()

    monkeypatch.setattr(sys, "platform", "win32" if missing == "platform" else "linux")
    monkeypatch.setattr(ctypes, "CDLL", library)
    assert not keep_freed_memory()


def test_errors_before_an_error_let_go_too() -> None:
    """What failed while another failure was handled holds both."""

    class Tracked:
        alive = 0

        def __init__(self) -> None:
            Tracked.alive += 1

        def __del__(self) -> None:
            Tracked.alive -= 1

    def fill(*, again: bool) -> None:
        held = Tracked()
        assert held.alive
        try:
            raise torch.OutOfMemoryError("out of memory")
        except torch.OutOfMemoryError:
            if again:
                fill(again=False)
            raise

    try:
        fill(again=True)
    except torch.OutOfMemoryError as error:
        assert Tracked.alive == 2
        let_go(error)
        assert Tracked.alive == 0


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's own way of keeping memory")
def test_freed_memory_goes_back_where_it_is_asked_for() -> None:
    """Small pieces stay with the process when they are freed, until then."""

    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

    return_freed_memory(torch.device("cpu"))
    pieces = [bytearray(2**14) for _ in range(4096)]
    last = bytearray(2**14)
    full = resident()
    del pieces
    return_freed_memory(torch.device("cpu"))
    assert full - resident() > 2**25
    assert len(last) == 2**14


GIB = 2**30


def linux(root: Path, groups: str, **files: str) -> Path:
    """A file system with so much memory available, 8 GiB, and these control groups; `__` in a file's name stands for `/`."""
    given = {"proc__self__cgroup": groups, "proc__meminfo": f"MemTotal: 9 kB\nMemAvailable:   {8 * 2**20} kB\n"} | files
    for name, text in given.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def group(folder: str, limit: object, used: int, caches: int, *, version: int = 2) -> dict[str, str]:
    """The files of a control group."""
    names = ("memory.max", "memory.current", "inactive_file")
    if version == 1:
        names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
    stat = f"anon 5\n{names[2]} {caches}\nactive_file 7\n"
    return dict(
        zip((f"{folder}__{name}" for name in (*names[:2], "memory.stat")), (f"{limit}\n", f"{used}\n", stat), strict=True)
    )


@pytest.mark.parametrize(
    ("groups", "files", "expected"),
    [
        ("0::/\n", {}, 8 * GIB),
        ("0::/job\n", group("sys__fs__cgroup__job", 3 * GIB, 2 * GIB, GIB // 2), 3 * GIB // 2),
        ("0::/a/b\n", group("sys__fs__cgroup__a__b", "max", 1, 0) | group("sys__fs__cgroup__a", GIB, 9, 0), GIB - 9),
        ("0::/far/away\n", group("sys__fs__cgroup", 2 * GIB, GIB, 0), GIB),
        ("4:cpu,memory:/x\n0::/\n", group("sys__fs__cgroup__memory__x", GIB, 4, 1, version=1), GIB - 3),
        ("4:memory:/x\n3:cpu:/y\n", group("sys__fs__cgroup__memory__x", 2**63 - 4096, 4, 1, version=1), 8 * GIB),
    ],
    ids=["none", "its own", "one around it", "of a container", "version 1", "without a limit"],
)
def test_memory_is_what_the_system_and_the_group_still_grant(
    groups: str, files: dict[str, str], expected: int, tmp_path: Path
) -> None:
    """The least of them; caches of files are given up by themselves."""
    assert available_memory(torch.device("cpu"), linux(tmp_path, groups, **files)) == expected


def test_where_nothing_is_known_nothing_is_said(tmp_path: Path) -> None:
    """A system without these files, and a device that does not tell."""
    assert available_memory(torch.device("cpu"), tmp_path) is None
    assert available_memory(torch.device("meta")) is None


def test_a_gpu_tells_by_itself_and_takes_its_own_cache_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """CUDA's own words, and its own cache; nothing of the CPU's is touched."""
    emptied: list[str] = []
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (5, 9) if device.index == 1 else (0, 0))
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: emptied.append("cuda"))
    monkeypatch.setattr(ctypes, "CDLL", lambda _: emptied.append("cpu"))
    assert available_memory(torch.device("cuda", 1)) == 5
    return_freed_memory(torch.device("cuda", 1))
    assert emptied == ["cuda"]


@pytest.mark.parametrize("platform", ["linux", "win32"])
def test_memory_stays_where_the_c_library_is_another(platform: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is called that is not there."""
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(ctypes, "CDLL", lambda _: object())
    return_freed_memory(torch.device("cpu"))
