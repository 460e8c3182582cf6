"""The library of compiled kernels as a whole."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from dlcli.models import kernels


def test_numbers_too_small_to_be_normal_are_0_on_all_threads_and_only_in_the_block() -> None:
    """A product over many threads; what other programs compute afterwards is as before."""
    if kernels.library() is None:
        pytest.skip("the kernels were not built: there was no C compiler")
    small = torch.full((1_000_000,), 1e-39)
    assert bool((small * 0.5 > 0).all())
    with kernels.flushed_denormals():
        with kernels.flushed_denormals():
            assert int((small * 0.5).count_nonzero()) == 0
        assert int((small * 0.5).count_nonzero()) == 0
    assert bool((small * 0.5 > 0).all())


def test_without_the_library_nothing_is_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The setting of torch reaches the calling thread alone: half of a tensor would be treated otherwise."""
    monkeypatch.setattr(kernels, "library", lambda: None)
    small = torch.full((1_000,), 1e-39)
    with kernels.flushed_denormals():
        assert bool((small * 0.5 > 0).all())


def test_a_library_from_before_a_change_of_its_source_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its functions may take other arguments: then it is as if there were none."""
    if kernels.library() is None:
        pytest.skip("the kernels were not built: there was no C compiler")
    monkeypatch.setattr(Path, "read_bytes", lambda _: b"another source")
    assert kernels._loaded.__wrapped__() is None
