"""Python and the packages that dlcli stands on."""

from __future__ import annotations

import platform
import re
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import redirect_stdout
from importlib import import_module, metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from dlcli.app.finding import Finding

_OLDEST_PYTHON: Final = (3, 11)
_OLDEST_TORCH: Final = (2, 11)
_APART: Final = 15
"""torchvision 0.26 is built for torch 2.11, 0.27 for 2.12, and so on."""

EXTRAS: Final[Mapping[str, tuple[tuple[str, ...], str]]] = {
    "onnx": (("onnx", "onnxscript", "onnxruntime"), "for exports to ONNX"),
    "tensorboard": (("tensorboard",), "for curves in TensorBoard"),
    "tables": (("pyarrow",), "for .parquet files"),
    "tune": (("optuna",), "for searches of settings"),
}
"""By the name of an extra its packages, and what they are for."""

_ONE_INDEX: Final = "install both from one place: pip install --force-reinstall torch torchvision"


def python(version: tuple[int, ...] = sys.version_info[:3]) -> Iterator[Finding]:
    """The version of Python."""
    text = ".".join(map(str, version))
    if version < _OLDEST_PYTHON:
        yield Finding("python", "fault", f"Python {text} is older than 3.11", "install dlcli with a newer Python")
    else:
        yield Finding("python", "ok", f"{platform.python_implementation()} {text}")


def torch() -> Iterator[Finding]:
    """Whether torch can be imported, and is new enough."""
    found, error = imported("torch")
    if found is None:
        yield Finding("torch", "fault", f"it can't be imported: {error}", "pip install --force-reinstall torch")
        return
    version = found.__version__
    if _numbers(version) < _OLDEST_TORCH:
        yield Finding("torch", "fault", f"torch {version} is older than 2.11", "pip install --upgrade torch")
    else:
        cuda = found.version.cuda
        yield Finding("torch", "ok", f"torch {version}, built {f'for CUDA {cuda}' if cuda else 'without CUDA'}")


def torchvision() -> Iterator[Finding]:
    """Whether torchvision, if it is there, fits torch. dlcli does not need it; other programs beside it may."""
    version = _version("torchvision")
    if version is None:
        yield Finding("torchvision", "ok", "not installed, and not needed")
        return
    import torch  # noqa: PLC0415  # what is looked at

    found, error = imported("torchvision")
    if found is None:
        why = str(error)
        if "torchvision::" in why:  # operators that its compiled part would have registered
            why += f": it was built for another torch than {torch.__version__}"
            why += ", for one with CUDA" if torch.version.cuda is None else ""
        help = f"dlcli does not need it: pip uninstall torchvision; or {_ONE_INDEX}"
        yield Finding("torchvision", "warning", f"torchvision {version} can't be imported: {why}", help)
    elif not _are_a_pair(torch.__version__, version):
        expected = f"0.{_numbers(torch.__version__)[1] + _APART}"
        what = f"torchvision {version} beside torch {torch.__version__}, which {expected} is built for"
        yield Finding("torchvision", "warning", what, _ONE_INDEX)
    else:
        yield Finding("torchvision", "ok", f"torchvision {version}, which fits torch {torch.__version__}")


def _are_a_pair(torch_version: str, torchvision_version: str) -> bool:
    first, second = _numbers(torch_version), _numbers(torchvision_version)
    return (first[0], second[0]) != (2, 0) or second[1] == first[1] + _APART


def kernels() -> Iterator[Finding]:
    """Whether there are compiled kernels for this processor."""
    import torch  # noqa: PLC0415  # what is looked at

    from dlcli.models import kernels  # noqa: PLC0415  # imports torch

    level = kernels.level()
    if level is not None:
        yield Finding("kernels", "ok", f"compiled for {level}: CNNs and RNNs train faster on the CPU with them")
        return
    capability = torch.backends.cpu.get_cpu_capability()
    if sys.platform != "linux" or platform.machine() != "x86_64" or capability not in ("AVX2", "AVX512"):
        here = f"{platform.system()} on {platform.machine()} ({capability})"
        yield Finding("kernels", "ok", f"torch's alone: there are none for {here}")
        return
    built = any(Path(kernels.__file__).parent.glob("kernels-*.so"))
    why = "they were built from other sources" if built else "the package was built without a C compiler"
    help = "install one (apt install gcc), then dlcli again; what that gains: docs/performance.md"
    yield Finding("kernels", "warning", f"torch's alone, which are slower on the CPU: {why}", help)


def extras() -> Iterator[Finding]:
    """Which optional packages are there."""
    for name, (packages, purpose) in EXTRAS.items():
        there = {package: _version(package) for package in packages if find_spec(package) is not None}
        missing = [package for package in packages if package not in there]
        help = f"pip install {' '.join(packages)}"
        if not missing:
            yield Finding(f"extra {name}", "ok", ", ".join(f"{package} {version}" for package, version in there.items()))
        elif there:
            what = f"{', '.join(there)} without {', '.join(missing)}"
            yield Finding(f"extra {name}", "warning", what, help)
        else:
            yield Finding(f"extra {name}", "ok", f"not installed; {purpose}: {help}")


def imported(name: str) -> tuple[Any, Exception | None]:
    """A module, or what keeps it from being imported; nothing that it says comes through."""
    try:
        with warnings.catch_warnings(), redirect_stdout(sys.stderr):
            warnings.simplefilter("ignore")
            return import_module(name), None
    except Exception as error:  # whatever a broken installation raises: OSError for a library, RuntimeError for an operator
        return None, error


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _numbers(version: str) -> tuple[int, int]:
    """The first two numbers of a version; (0, 0) where it has none."""
    match = re.match(r"(\d+)\.(\d+)", version)
    return (int(match[1]), int(match[2])) if match else (0, 0)
