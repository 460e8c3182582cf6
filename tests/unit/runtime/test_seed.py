"""Random numbers: where they start, and how their state is kept."""

from __future__ import annotations

import os
import re

import pytest
import torch

from dlcli.errors import UsageError
from dlcli.runtime.seed import determinism_errors, random_state, restore_random_state, seeded

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _random_state_as_before() -> object:
    """Leaves the generator of the process as it was."""
    state = torch.get_rng_state()
    yield
    torch.set_rng_state(state)


def test_equal_seeds_give_equal_numbers() -> None:
    """The same seed gives the same draws, another seed others."""

    def draws(seed: int) -> list[float]:
        with seeded(seed, deterministic=False):
            return torch.rand(5).tolist()

    assert draws(3) == draws(3) != draws(4)


@pytest.mark.parametrize("seed", [0, 2**32, 2**63 - 1])
def test_every_seed_that_a_config_takes_works(seed: int) -> None:
    """From 0 to 2**63 - 1."""
    with seeded(seed, deterministic=False):
        first = torch.rand(3)
        torch.manual_seed(seed)
        assert torch.equal(first, torch.rand(3))


@pytest.mark.parametrize("deterministic", [False, True])
def test_deterministic_holds_inside_alone(deterministic: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Inside, torch refuses what is not deterministic if that was asked; afterwards its settings are those from before."""
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", True)
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    with seeded(0, deterministic=deterministic):
        assert torch.are_deterministic_algorithms_enabled() == deterministic
        assert torch.backends.cudnn.benchmark == (not deterministic)
        assert ("CUBLAS_WORKSPACE_CONFIG" in os.environ) == deterministic
    assert not torch.are_deterministic_algorithms_enabled()
    assert torch.backends.cudnn.benchmark


def test_settings_come_back_after_an_error() -> None:
    """A training that fails does not change how the rest of the process computes."""
    with pytest.raises(ValueError, match="a bug"), seeded(0, deterministic=True):
        raise ValueError("a bug")
    assert not torch.are_deterministic_algorithms_enabled()


def test_an_operation_without_a_deterministic_form_is_named() -> None:
    """Torch's own refusal, without its advice to people who write Python."""
    expected = "`deterministic: true` can't be had here: put_ has no deterministic form"
    with pytest.raises(UsageError, match=f"^{re.escape(expected)}$"), seeded(0, deterministic=True), determinism_errors():
        torch.zeros(3).put_(torch.tensor([0]), torch.ones(1))


def test_a_refusal_in_other_words_is_told_as_a_whole() -> None:
    """As cuBLAS has them, under settings of its own."""
    words = "this operation is not deterministic because it uses CuBLAS. To enable deterministic behavior, set a variable."
    with pytest.raises(UsageError, match=re.escape(words)), seeded(0, deterministic=True), determinism_errors():
        raise RuntimeError(words)


@pytest.mark.parametrize(("deterministic", "words"), [(True, "another bug"), (False, "deterministic, which was not asked for")])
def test_what_is_no_refusal_stays_as_it_is(deterministic: bool, words: str) -> None:
    """Any other error of torch."""
    with pytest.raises(RuntimeError, match=words), seeded(0, deterministic=deterministic), determinism_errors():
        raise RuntimeError(words)


def test_a_restored_state_draws_the_same_numbers_again() -> None:
    """Normal and uniform draws and permutations go on where the state was taken."""
    torch.randn(3)
    state = random_state(CPU)
    assert set(state) == {"cpu"}
    first = (torch.randn(7), torch.rand(7), torch.randperm(7))
    torch.randn(100)
    restore_random_state(state, CPU)
    assert all(torch.equal(old, new) for old, new in zip(first, (torch.randn(7), torch.rand(7), torch.randperm(7)), strict=True))


def test_a_state_is_a_snapshot() -> None:
    """Drawing on does not change a state that was taken before."""
    state = random_state(CPU)
    kept = state["cpu"].clone()
    torch.rand(1000)
    assert torch.equal(state["cpu"], kept)


@pytest.mark.parametrize("kind", ["cuda", "mps"])
def test_the_generator_of_a_gpu_is_kept_too(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a GPU, dropout draws from the generator of that device, and the state of both is kept and put back."""
    device = torch.device(kind, 0)
    restored: list[torch.Tensor] = []
    on_device = torch.arange(16, dtype=torch.uint8)
    if kind == "cuda":
        monkeypatch.setattr(torch.cuda, "get_rng_state", lambda _: on_device)
        monkeypatch.setattr(torch.cuda, "set_rng_state", lambda state, _: restored.append(state))
    else:
        monkeypatch.setattr(torch.mps, "get_rng_state", lambda: on_device)
        monkeypatch.setattr(torch.mps, "set_rng_state", restored.append)
    state = random_state(device)
    assert set(state) == {"cpu", kind}
    restore_random_state(state, device)
    assert len(restored) == 1
    assert restored[0] is on_device


@pytest.mark.parametrize("kind", ["cuda", "mps"])
def test_a_state_of_the_cpu_alone_can_be_restored_on_a_gpu(kind: str) -> None:
    """A run may go on on another device: what there is of its state is put back."""
    torch.manual_seed(5)
    state = random_state(CPU)
    first = torch.rand(3)
    restore_random_state(state, torch.device(kind, 0))
    assert torch.equal(first, torch.rand(3))
