"""How CUDA GPUs multiply: settings of torch's that are there without a GPU too."""

from __future__ import annotations

import pytest
import torch

from dlcli.runtime.products import products_in


def _settings() -> list[bool]:
    """Whether products of matrices, convolutions and recurrent layers are rounded, by torch's newer switches."""
    settings = (torch.backends.cuda.matmul, torch.backends.cudnn.conv, torch.backends.cudnn.rnn)
    return [setting.fp32_precision == "tf32" for setting in settings]


@pytest.mark.parametrize(("precision", "wanted"), [("float32", False), ("bfloat16", False), ("tf32", True)])
def test_products_are_rounded_only_where_that_is_asked_for(precision: str, wanted: bool) -> None:
    """Torch by itself rounds those of convolutions and recurrent layers; afterwards it does again."""
    before = _settings()
    with products_in(precision):
        assert _settings() == [wanted] * 3
        with products_in("float32"):
            assert _settings() == [False] * 3
        assert _settings() == [wanted] * 3
    assert _settings() == before


def test_settings_are_put_back_after_an_error() -> None:
    """As for any other end of the block."""
    before = _settings()
    with pytest.raises(ZeroDivisionError), products_in("tf32"):
        raise ZeroDivisionError
    assert _settings() == before


@pytest.mark.parametrize("precision", ["float32", "tf32"])
def test_what_reads_the_older_switches_can(precision: str) -> None:
    """Torch refuses to, once only the newer ones are set: a plug-in's layer may switch cuDNN off for itself."""
    with products_in(precision):
        with torch.backends.cudnn.flags(enabled=False):
            pass
        assert torch.get_float32_matmul_precision() == ("high" if precision == "tf32" else "highest")
        assert torch.backends.cudnn.allow_tf32 == (precision == "tf32")
