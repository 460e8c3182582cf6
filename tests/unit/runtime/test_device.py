"""Which device is chosen."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from dlcli.errors import UsageError
from dlcli.runtime.device import choose_device, device_title

Machine = Callable[..., None]


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    """Makes torch see a machine with so many CUDA devices, of which one is current, and with or without mps."""

    def set_up(cuda: int = 0, current: int = 0, mps: bool = False) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: cuda)
        monkeypatch.setattr(torch.cuda, "current_device", lambda: current)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)

    return set_up


@pytest.mark.parametrize(
    ("cuda", "current", "mps", "chosen"),
    [(0, 0, False, "cpu"), (0, 0, True, "mps"), (1, 0, False, "cuda:0"), (4, 2, False, "cuda:2"), (1, 0, True, "cuda:0")],
)
def test_auto_takes_the_best_there_is(cuda: int, current: int, mps: bool, chosen: str, machine: Machine) -> None:
    """CUDA before mps before the CPU; of several CUDA devices the current one."""
    machine(cuda, current, mps)
    assert choose_device("auto") == torch.device(chosen)


@pytest.mark.parametrize(
    ("name", "chosen"), [("cpu", "cpu"), ("mps", "mps"), ("cuda", "cuda:0"), ("cuda:0", "cuda:0"), ("cuda:1", "cuda:1")]
)
def test_a_device_that_is_there_is_honoured(name: str, chosen: str, machine: Machine) -> None:
    """A name is never swapped for another device, however good."""
    machine(cuda=2, current=1, mps=True)
    assert choose_device(name) == torch.device(chosen)


@pytest.mark.parametrize("name", ["gpu", "", "CUDA", "cuda:", "cuda:-1", "cuda:x", "cpu:0", "mps:0", " cpu", "cuda:0 ", "xla"])
def test_an_unknown_device_is_refused(name: str, machine: Machine) -> None:
    """The message names what was written, the help what can be."""
    machine(cuda=1, mps=True)
    with pytest.raises(UsageError) as caught:
        choose_device(name)
    assert caught.value.message == f"there is no device `{name}`"
    assert caught.value.help == "known: auto, cpu, cuda, cuda:0, mps"


@pytest.mark.parametrize(
    ("name", "cuda", "message"),
    [
        ("cuda", 0, "`--device cuda`: there is no CUDA device here"),
        ("cuda:3", 0, "`--device cuda:3`: there is no CUDA device here"),
        ("cuda:2", 2, "`--device cuda:2`: the CUDA devices here are 0 to 1"),
        ("mps", 1, "there is no mps device here"),
    ],
)
def test_a_device_that_is_not_there_is_refused(name: str, cuda: int, message: str, machine: Machine) -> None:
    """The message says what is there, the help what to do instead; exit code 2."""
    machine(cuda=cuda)
    with pytest.raises(UsageError) as caught:
        choose_device(name)
    assert caught.value.message == message
    assert caught.value.help == "leave out --device, or write --device cpu"
    assert caught.value.exit_code == 2


def test_devices_that_torch_counts_but_cannot_use_do_not_exist(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A card without a working driver is counted by some versions of torch, and is still refused."""
    machine()
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(UsageError, match="there is no CUDA device here"):
        choose_device("cuda")


def test_titles_name_the_product(monkeypatch: pytest.MonkeyPatch) -> None:
    """A GPU is shown with its name, the CPU with its threads."""
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: f"card of {device}")
    monkeypatch.setattr(torch, "get_num_threads", lambda: 7)
    assert device_title(torch.device("cuda", 1)) == "cuda:1 (card of cuda:1)"
    assert device_title(torch.device("cpu")) == "cpu (7 threads)"
    assert device_title(torch.device("mps")) == "mps"
