"""The checks of a machine, each on a machine that is well and on one that is not."""

from __future__ import annotations

import errno
import importlib
import io
import os
import platform
import shutil
import sys
import tempfile
import tomllib
import types
import warnings
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import torch

from dlcli.app.doctor import devices as devices_module
from dlcli.app.doctor import machine, packages
from dlcli.app.doctor.devices import devices
from dlcli.app.doctor.examination import Places, checks, examine
from dlcli.app.finding import Finding, count
from dlcli.cli.findings import finding_lines, summary_line
from dlcli.models import kernels


def _only(findings: Iterable[Finding]) -> Finding:
    [found] = findings
    return found


def test_every_fault_and_warning_has_its_mend() -> None:
    """On this machine, whatever it has: and nothing fails that was not thought of."""
    found = examine(checks(Places()))
    assert {finding.check for finding in found} >= {"python", "torch", "torchvision", "cpu", "threads", "memory", "runs", "cache"}
    assert all(finding.help for finding in found if finding.state != "ok")
    assert not [finding for finding in found if "the check itself failed" in finding.message]


def test_a_check_that_fails_stops_no_other() -> None:
    """It is a fault that says which error it was."""

    def fails() -> Iterator[Finding]:
        yield Finding("a", "ok", "so far")
        raise ZeroDivisionError("no\nidea")

    found = examine({"broken": fails, "python": packages.python})
    assert [(finding.check, finding.state) for finding in found] == [("broken", "fault"), ("python", "ok")]
    assert found[0].message == "the check itself failed: ZeroDivisionError: no idea"


def test_an_old_python_is_a_fault() -> None:
    """Below 3.11."""
    assert _only(packages.python((3, 10, 4))).state == "fault"
    assert _only(packages.python((3, 11, 0))).state == "ok"


@pytest.mark.parametrize(
    ("version", "cuda", "state", "words"),
    [
        ("2.11.0", "13.0", "ok", "torch 2.11.0, built for CUDA 13.0"),
        ("2.15.1+cpu", None, "ok", "torch 2.15.1+cpu, built without CUDA"),
        ("2.10.0", None, "fault", "torch 2.10.0 is older than 2.11"),
        ("1.13", None, "fault", "torch 1.13 is older than 2.11"),
        ("nightly", None, "fault", "torch nightly is older than 2.11"),
    ],
)
def test_the_version_of_torch(version: str, cuda: str | None, state: str, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """2.11 or later, and what it was built for."""
    fake = types.SimpleNamespace(__version__=version, version=types.SimpleNamespace(cuda=cuda))
    monkeypatch.setitem(sys.modules, "torch", fake)
    found = _only(packages.torch())
    assert (found.state, found.message) == (state, words)


class _Refuse:
    """Has the import of a package fail."""

    def __init__(self, name: str, error: Exception) -> None:
        self._name, self._error = name, error

    def find_spec(self, name: str, *_: object) -> None:
        if name == self._name:
            raise self._error


def test_without_torch_the_rest_is_looked_at(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Its error is told with the mend; what needs it is named as left out, once each."""
    monkeypatch.delitem(sys.modules, "torch")
    monkeypatch.setattr(sys, "meta_path", [_Refuse("torch", OSError("libcudart.so.13: no such file")), *sys.meta_path])
    found = examine(checks(Places(tmp_path / "runs", tmp_path)))
    states = {finding.check: finding for finding in found}
    assert states["torch"].state == "fault"
    assert states["torch"].message == "it can't be imported: libcudart.so.13: no such file"
    assert states["torch"].help == "pip install --force-reinstall torch"
    left_out = [finding.check for finding in found if "not looked at" in finding.message]
    assert left_out == ["torchvision", "devices", "threads", "memory", "kernels"]
    assert (states["runs"].state, states["cache"].state) == ("ok", "ok")


NMS = RuntimeError("operator torchvision::nms does not exist")


@pytest.mark.parametrize(
    ("cuda", "error", "words"),
    [
        (None, NMS, "nms does not exist: it was built for another torch than 2.14.1, for one with CUDA"),
        ("13.0", NMS, "nms does not exist: it was built for another torch than 2.14.1"),
        ("13.0", OSError("libjpeg.so: no such file"), "can't be imported: libjpeg.so: no such file"),
    ],
)
def test_a_torchvision_of_another_torch_is_named(
    cuda: str | None, error: Exception, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The usual case is one for CUDA beside a torch without; the mend says that dlcli does not need it."""
    monkeypatch.setattr(torch, "__version__", "2.14.1")
    monkeypatch.setattr(torch.version, "cuda", cuda)
    monkeypatch.setattr(metadata, "version", lambda _: "0.29.1")
    for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [_Refuse("torchvision", error), *sys.meta_path])
    found = _only(packages.torchvision())
    assert found.state == "warning"
    assert found.message.endswith(words)
    assert str(found.help).startswith("dlcli does not need it: pip uninstall torchvision; or install both from one place: ")


@pytest.mark.parametrize(
    ("of_torch", "of_torchvision", "state"),
    [("2.11.0", "0.26.0", "ok"), ("2.14.1+cpu", "0.29.0+cpu", "ok"), ("2.14.1", "0.26.0", "warning"), ("3.0", "0.50", "ok")],
)
def test_torch_and_torchvision_come_in_pairs(
    of_torch: str, of_torchvision: str, state: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """2.11 and 0.26, 2.12 and 0.27; of a later numbering nothing is known."""
    monkeypatch.setattr(torch, "__version__", of_torch)
    monkeypatch.setattr(metadata, "version", lambda _: of_torchvision)
    monkeypatch.setitem(sys.modules, "torchvision", types.ModuleType("torchvision"))
    found = _only(packages.torchvision())
    assert found.state == state
    if state == "warning":
        assert found.message == "torchvision 0.26.0 beside torch 2.14.1, which 0.29 is built for"


def test_without_torchvision_nothing_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    """dlcli does not use it."""

    def missing(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", missing)
    assert _only(packages.torchvision()) == Finding("torchvision", "ok", "not installed, and not needed")


@pytest.mark.parametrize(
    ("there", "state", "words"),
    [
        ((), "ok", "not installed; for exports to ONNX: pip install onnx onnxscript onnxruntime"),
        (("onnx",), "warning", "onnx without onnxscript, onnxruntime"),
        (("onnx", "onnxscript", "onnxruntime"), "ok", "onnx 1.0, onnxscript 1.0, onnxruntime 1.0"),
    ],
)
def test_an_extra_is_there_in_whole_in_part_or_not(
    there: tuple[str, ...], state: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A part of it is worth a warning."""
    monkeypatch.setattr(packages, "find_spec", lambda name: name if name in there else None)
    monkeypatch.setattr(metadata, "version", lambda _: "1.0")
    found = next(finding for finding in packages.extras() if finding.check == "extra onnx")
    assert (found.state, found.message) == (state, words)


def test_the_extras_are_those_of_the_package() -> None:
    """By their names, and the packages that each brings."""
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())["project"]
    for name, (needed, _) in packages.EXTRAS.items():
        listed = {requirement.partition(">")[0] for requirement in project["optional-dependencies"][name]}
        assert listed == set(needed)


def test_compiled_kernels_are_named_by_their_level(monkeypatch: pytest.MonkeyPatch) -> None:
    """And what they are good for."""
    monkeypatch.setattr(kernels, "level", lambda: "x86-64-v3")
    assert _only(packages.kernels()).message.startswith("compiled for x86-64-v3: CNNs and RNNs train faster")


@pytest.mark.parametrize(
    ("machine_name", "capability", "library", "state", "words"),
    [
        ("x86_64", "AVX2", None, "warning", "the package was built without a C compiler"),
        ("x86_64", "AVX512", "kernels-x86-64-v4.so", "warning", "they were built from other sources"),
        ("aarch64", "NEON", None, "ok", "there are none for"),
        ("x86_64", "DEFAULT", None, "ok", "there are none for"),
    ],
)
def test_missing_kernels_are_explained(
    machine_name: str,
    capability: str,
    library: str | None,
    state: str,
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nothing to mend where there are none for the processor; else a compiler is missing, or a build is old."""
    monkeypatch.setattr(kernels, "level", lambda: None)
    monkeypatch.setattr(kernels, "__file__", str(tmp_path / "kernels.py"))
    monkeypatch.setattr(platform, "machine", lambda: machine_name)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    if library is not None:
        (tmp_path / library).touch()
    found = _only(packages.kernels())
    assert found.state == state
    assert words in found.message


def test_the_cpu_computes_what_it_should(tmp_path: Path) -> None:
    """The same step by NumPy's way of counting: here the error in float32 is far below what is allowed."""
    assert devices_module._largest_error(torch.device("cpu")) < 1e-5
    assert [(finding.check, finding.state) for finding in devices(tmp_path) if finding.check == "cpu"] == [("cpu", "ok")]


def test_a_step_is_what_its_formulas_say() -> None:
    """Outputs by a loop over windows; the gradient of the weights by hand."""
    generator = torch.Generator().manual_seed(1)
    pictures, kernel, weights = (
        torch.randn(*sizes, generator=generator, dtype=torch.float64) for sizes in ((4, 3, 8, 8), (6, 3, 3, 3), (5, 216))
    )
    features = torch.zeros(4, 6, 6, 6, dtype=torch.float64)
    for row in range(6):
        for column in range(6):
            window = pictures[:, :, row : row + 3, column : column + 3]
            features[:, :, row, column] = (window[:, None] * kernel[None]).sum((2, 3, 4))
    flat = features.clamp(min=0).flatten(1)
    outputs = flat @ weights.T
    found = devices_module._step([pictures, kernel, weights])
    torch.testing.assert_close(found[0], outputs)
    torch.testing.assert_close(found[3], 2 * outputs.T @ flat / outputs.numel())
    assert len(found) == 4


@pytest.mark.parametrize("wrong", [1.5, float("nan")])
def test_a_device_that_computes_something_else_is_a_fault(wrong: float, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Wrong values, or none at all."""
    real = devices_module._step

    def step(given: list[torch.Tensor]) -> list[torch.Tensor]:
        found = real(given)
        return [value * wrong for value in found] if given[0].dtype == torch.float32 else found

    monkeypatch.setattr(devices_module, "_step", step)
    found = next(iter(devices(tmp_path)))
    assert found.state == "fault"
    assert "gives wrong values" in found.message
    assert found.help == "install torch again: pip install --force-reinstall torch"


def test_a_device_that_fails_is_a_fault_and_the_next_is_tried(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Of two GPUs that no driver stands behind each is told; the CPU is well. MPS is tried where there is some."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)

    def tried(device: torch.device) -> float:
        if device.type == "cuda":
            raise RuntimeError("CUDA error:\n  no kernel image")
        return 1e-4

    monkeypatch.setattr(devices_module, "_largest_error", tried)
    found = list(devices(tmp_path))
    assert [(finding.check, finding.state) for finding in found] == [
        ("cpu", "ok"),
        ("cuda:0", "fault"),
        ("cuda:1", "fault"),
        ("mps", "ok"),
    ]
    assert found[1].message == "a step on it fails: RuntimeError: CUDA error: no kernel image"
    assert found[1].help == "train with --device cpu, and check the device's driver"


@pytest.mark.parametrize(
    ("file", "cuda", "said", "words"),
    [
        ("proc/driver/nvidia/version", None, None, "is built without CUDA"),
        ("dev/nvidia0", "13.0", "the driver is\ntoo old", "torch for CUDA 13.0 can't use it: the driver is too old"),
        ("dev/nvidia0", "13.0", None, "it finds no device"),
    ],
)
def test_a_gpu_that_is_not_used_is_named(
    file: str, cuda: str | None, said: str | None, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its driver's files; and why torch can't use it, in its own words where it has some."""
    (tmp_path / file).parent.mkdir(parents=True)
    (tmp_path / file).touch()

    def is_available() -> bool:
        if said is not None:
            warnings.warn(said, stacklevel=1)
        return False

    monkeypatch.setattr(torch.cuda, "is_available", is_available)
    monkeypatch.setattr(torch.version, "cuda", cuda)
    found = next(finding for finding in devices(tmp_path) if finding.check == "cuda")
    assert found.state == "warning"
    assert words in found.message


@pytest.mark.parametrize(
    ("threads", "cores", "variable", "state"),
    [
        (2, 2, None, "ok"),
        (4, 8, None, "ok"),
        (8, 2, None, "warning"),
        (1, 2, "1", "warning"),
        (2, 2, "2", "ok"),
        (1, 1, None, "ok"),
    ],
)
def test_threads_are_compared_with_cores(
    threads: int, cores: int, variable: str | None, state: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Too many of them, or fewer because somebody said so; torch's own choice of fewer is right."""
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    monkeypatch.setattr(machine, "available_cores", lambda: cores)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if variable is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", variable)
    found = _only(machine.threads())
    assert found.state == state
    if state == "warning":
        assert f"export OMP_NUM_THREADS={cores}" in str(found.help)


@pytest.mark.parametrize(
    ("free", "state"), [(None, "ok"), (100 << 20, "fault"), (500 << 20, "warning"), (1 << 30, "ok"), (1 << 40, "ok")]
)
def test_little_memory_is_told(free: int | None, state: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Below 1 GiB it is worth a warning, below 256 MiB nothing trains."""
    monkeypatch.setattr("dlcli.runtime.memory.available_memory", lambda _: free)
    assert _only(machine.memory()).state == state


@pytest.mark.parametrize(("free", "state"), [(10**7, "fault"), (10**8, "warning"), (10**9, "ok")])
def test_a_full_disk_is_told(free: int, state: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Below 1 GB a warning, below 20 MB a fault; the folder need not be there yet, and is not made."""
    monkeypatch.setattr(shutil, "disk_usage", lambda _: types.SimpleNamespace(free=free))
    found = _only(machine.runs_folder(tmp_path / "new" / "runs"))
    assert found.state == state
    assert "made when it is needed" in found.message
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_can_not_be_written_is_a_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the system says it, with the option that gives another."""

    def refuse(**_: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    found = [_only(machine.runs_folder(tmp_path)), _only(machine.cache_folder(tmp_path))]
    assert [finding.state for finding in found] == ["fault", "fault"]
    assert found[0].message == f"{tmp_path} can't be written: Read-only file system"
    assert "--runs-dir" in str(found[0].help)
    assert "--data-dir or DLCLI_DATA" in str(found[1].help)


def test_a_file_in_place_of_a_folder_is_a_fault(tmp_path: Path) -> None:
    """Nothing can be written below it."""
    (tmp_path / "runs").touch()
    assert _only(machine.runs_folder(tmp_path / "runs")).state == "fault"
    assert _only(machine.runs_folder(tmp_path / "runs" / "deeper")).state == "fault"


@pytest.mark.parametrize(("given", "variable"), [("given", None), (None, "variable"), (None, None)])
def test_data_goes_where_downloads_go(
    given: str | None, variable: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`--data-dir`, else `DLCLI_DATA`, else the person's cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "own"))
    monkeypatch.delenv("DLCLI_DATA", raising=False)
    if variable is not None:
        monkeypatch.setenv("DLCLI_DATA", str(tmp_path / variable))
    expected = tmp_path / (given or variable or "own/dlcli")
    assert str(expected) in _only(machine.cache_folder(tmp_path / given if given else None)).message


@pytest.mark.parametrize(("encoding", "state"), [("UTF-8", "ok"), ("utf8", "ok"), ("ANSI_X3.4-1968", "warning")])
def test_a_terminal_without_utf_8_is_told(encoding: str, state: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Curves are drawn in characters that it has not."""
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii" if state == "warning" else encoding)
    monkeypatch.setattr(sys, "stdout", stream)
    assert _only(machine.terminal()).state == state


def test_what_a_module_prints_while_it_is_imported_stays_off_stdout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Under `--json` stdout is one object; warnings of it are nobody's business here."""
    (tmp_path / "talkative.py").write_text("import warnings\nprint('hello')\nwarnings.warn('old')\n")
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    module, error = packages.imported("talkative")
    assert module is not None
    assert error is None
    assert capsys.readouterr().out == ""


def test_findings_are_counted_and_laid_out() -> None:
    """State, check and message in columns; the mend below, wrapped; what steers a terminal is shown by its code."""
    found = [
        Finding("a", "ok", "well"),
        Finding("longer", "fault", "broken \x1b[2J " * 6, "mend it", ("here", "there")),
        Finding("b", "warning", "hm", "look"),
    ]
    lines = finding_lines(found, 60)
    assert lines[0] == "ok       a       well"
    assert lines[1].startswith("fault    longer  broken <U+001B>[2J")
    assert "                 for example here, there" in lines
    assert lines[-2:] == ["warning  b       hm", "                 help: look"]
    assert max(map(len, lines)) <= 60
    assert (count(found, "fault"), count(found, "warning")) == (1, 1)
    assert summary_line(found, "well") == "1 fault, 1 warning"
    assert summary_line(found * 2, "well") == "2 faults, 2 warnings"
    assert summary_line(found[:1], "all is well") == "all is well"
    as_json: dict[str, Any] = found[1].as_json()
    assert as_json["examples"] == ["here", "there"]
