"""Mean and standard deviation of the training samples."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dlcli.config.data import Arrays, Mnist
from dlcli.config.normalisation import AutoNormalize, FixedNormalize, NoNormalize
from dlcli.data import normalisation
from dlcli.data.normalisation import resolved_normalisation
from dlcli.errors import DataError


def _measured(values: np.ndarray) -> FixedNormalize:
    found = resolved_normalisation(Mnist(), torch.from_numpy(values))
    assert isinstance(found, FixedNormalize)
    return found


@pytest.fixture(params=[1 << 20, 50], ids=["in one go", "in chunks"], autouse=True)
def _chunk(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(normalisation, "_CHUNK", request.param)


@pytest.mark.parametrize("channels", [1, 3])
def test_moments_of_bytes_are_numpys_in_units_of_255(channels: int) -> None:
    """For each channel over all pixels of all pictures, to 14 digits."""
    values = np.random.default_rng(0).integers(0, 256, (20, 5, 6, channels), dtype=np.uint8)
    values[..., 0] //= 3
    found = _measured(values)
    np.testing.assert_allclose(found.mean, (values / 255).mean(axis=(0, 1, 2)), rtol=1e-14)
    np.testing.assert_allclose(found.std, (values / 255).std(axis=(0, 1, 2)), rtol=1e-13)


@pytest.mark.parametrize("shape", [(50, 4), (20, 7, 4), (10, 3, 5, 4)])
def test_moments_of_floats_are_numpys(shape: tuple[int, ...]) -> None:
    """For each feature over everything else, also where the mean is large against the spread."""
    values = np.random.default_rng(0).normal([0, 1000, -3, 1e-6], [1, 0.5, 10, 1e-7], shape).astype(np.float32)
    found = _measured(values)
    wide = values.astype(np.float64).reshape(-1, 4)
    np.testing.assert_allclose(found.mean, wide.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(found.std, wide.std(axis=0), rtol=1e-9)


@pytest.mark.parametrize("value", [0, 77])
def test_a_channel_that_never_changes_is_divided_by_one(value: int) -> None:
    """As bytes, and as floats whose mean does not round to themselves."""
    for dtype in (np.uint8, np.float32):
        values = np.full((30, 4, 4, 1), value if dtype == np.uint8 else value / 10, dtype=dtype)
        assert _measured(values).std == (1.0,)


def test_a_byte_that_differs_once_is_spread() -> None:
    """The smallest spread that there can be is kept."""
    values = np.zeros((100, 1, 1, 1), np.uint8)
    values[3] = 1
    assert _measured(values).std[0] == pytest.approx((1 / 100 * 99 / 100) ** 0.5 / 255)


def test_numbers_read_back_as_they_were() -> None:
    """`repr` of a Python float, which is what YAML gets, is exact."""
    found = _measured(np.random.default_rng(0).normal(size=(10, 5)).astype(np.float32))
    assert [float(repr(number)) for number in (*found.mean, *found.std)] == [*found.mean, *found.std]


def test_given_numbers_are_kept_and_must_fit() -> None:
    """One for each channel, neither fewer nor more."""
    given = FixedNormalize(mean=(0.5,), std=(0.25,))
    spec = Mnist(normalize=given)
    assert resolved_normalisation(spec, torch.zeros(2, 4, 4, 1, dtype=torch.uint8)) == given
    with pytest.raises(DataError, match="has 1 numbers, and the data 3 channels"):
        resolved_normalisation(spec, torch.zeros(2, 4, 4, 3, dtype=torch.uint8))
    assert resolved_normalisation(Mnist(normalize=NoNormalize()), torch.zeros(2, 4, 4, 1)) == NoNormalize()


def test_tokens_are_never_normalised() -> None:
    """Left alone by `auto`; numbers for them are a mistake."""
    tokens = torch.tensor([[1, 2], [3, 4]])
    assert resolved_normalisation(Arrays(path="x", normalize=AutoNormalize()), tokens) == NoNormalize()
    with pytest.raises(DataError, match="tokens"):
        resolved_normalisation(Arrays(path="x", normalize=FixedNormalize(mean=(0.0,), std=(1.0,))), tokens)


def test_of_several_inputs_each_has_its_own_numbers() -> None:
    """One normalisation for all of them is one for each; tokens have none, and may not be given one."""
    inputs = {"a": torch.tensor([[1.0], [3.0]]), "b": torch.tensor([[10.0], [30.0]]), "c": torch.tensor([[1], [2]])}
    names = tuple(inputs)
    expected = {"a": FixedNormalize(mean=(2.0,), std=(1.0,)), "b": FixedNormalize(mean=(20.0,), std=(10.0,)), "c": NoNormalize()}
    assert resolved_normalisation(Arrays(path="x", inputs=names), inputs) == expected
    given = {"b": FixedNormalize(mean=(0.0,), std=(1.0,))}
    assert resolved_normalisation(Arrays(path="x", inputs=names, normalize=given), inputs) == {**expected, **given}
    with pytest.raises(DataError, match="the tokens of c are names"):
        resolved_normalisation(Arrays(path="x", inputs=names, normalize={"c": given["b"]}), inputs)
    with pytest.raises(DataError, match="the data of b 1 channels"):
        resolved_normalisation(
            Arrays(path="x", inputs=names, normalize={"b": FixedNormalize(mean=(0.0, 0.0), std=(1.0, 1.0))}), inputs
        )
