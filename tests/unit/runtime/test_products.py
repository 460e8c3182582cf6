"""How CUDA GPUs multiply: settings of torch's that are there without a GPU too."""

from __future__ import annotations

import pytest
import torch

from dlcli.runtime.products import products_in


def _settings() -> list[str]:
    return [
        torch.backends.cuda.matmul.fp32_precision,
        torch.backends.cudnn.conv.fp32_precision,
        torch.backends.cudnn.rnn.fp32_precision,
    ]


@pytest.mark.parametrize(("precision", "wanted"), [("float32", "ieee"), ("bfloat16", "ieee"), ("tf32", "tf32")])
def test_products_are_rounded_only_where_that_is_asked_for(precision: str, wanted: str) -> None:
    """Torch by itself rounds those of convolutions and recurrent layers; afterwards it does again."""
    before = _settings()
    with products_in(precision):
        assert _settings() == [wanted] * 3
        with products_in("float32"):
            assert _settings() == ["ieee"] * 3
        assert _settings() == [wanted] * 3
    assert _settings() == before


def test_settings_are_put_back_after_an_error() -> None:
    """As for any other end of the block."""
    before = _settings()
    with pytest.raises(ZeroDivisionError), products_in("tf32"):
        raise ZeroDivisionError
    assert _settings() == before
