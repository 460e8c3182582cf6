"""All checks of a machine, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from dlcli.app.doctor import machine, packages
from dlcli.app.finding import Finding

Check = Callable[[], Iterable[Finding]]

_TORCH: Final = "torch"


@dataclass(frozen=True)
class Places:
    """Where runs are kept and data goes.

    Attributes:
        runs: the folder of all runs.
        data_dir: as for `--data-dir`.
    """

    runs: Path = Path("runs")
    data_dir: Path | None = None


def _devices() -> Iterator[Finding]:
    from dlcli.app.doctor.devices import devices  # noqa: PLC0415  # imports torch

    yield from devices()


def checks(places: Places) -> dict[str, Check]:
    """The checks by their names, in their order."""
    return {
        "python": packages.python,
        _TORCH: packages.torch,
        "torchvision": packages.torchvision,
        "devices": _devices,
        "threads": machine.threads,
        "memory": machine.memory,
        "kernels": packages.kernels,
        "extras": packages.extras,
        "runs": partial(machine.runs_folder, places.runs),
        "cache": partial(machine.cache_folder, places.data_dir),
        "terminal": machine.terminal,
    }


_NEED_TORCH: Final = ("torchvision", "devices", "threads", "memory", "kernels")


def examine(of: Mapping[str, Check]) -> list[Finding]:
    """What all checks find; one that fails stops no other. Without torch, those that need it are left out and named."""
    found: list[Finding] = []
    has_torch = True
    for name, check in of.items():
        if name in _NEED_TORCH and not has_torch:
            found.append(Finding(name, "warning", "not looked at, since torch can't be imported"))
            continue
        found += _findings(name, check)
        if name == _TORCH:
            has_torch = packages.imported("torch")[0] is not None
    return found


def _findings(name: str, check: Check) -> list[Finding]:
    try:
        return list(check())
    except Exception as error:  # a check that nobody thought of: said, and the others go on
        what = f"the check itself failed: {type(error).__name__}: {' '.join(str(error).split())[:200]}"
        return [Finding(name, "fault", what, "please report it")]
