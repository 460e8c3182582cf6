"""Values to predict, and inputs beside them: what is measured of the training samples, and only of steps that are there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dlcli.config.data import Arrays, Csv, DataSpec, Text
from dlcli.config.normalisation import AutoNormalize, FixedNormalize, NoNormalize
from dlcli.data.dataset import Dataset, open_dataset
from dlcli.data.directories import Directories
from dlcli.errors import DataError

GENERATOR = np.random.default_rng(0)
LENGTHS = np.array([3, 6, 1, 5, 2, 4])
THERE = np.arange(6) < LENGTHS[:, None]


def _open(spec: DataSpec) -> Dataset:
    return open_dataset(spec, Directories((), Path()), pytest.fail, downloads=False)


def _file(path: Path, **arrays: np.ndarray) -> str:
    """Two splits: the test is far from the training."""
    splits = {f"{name}_train": array for name, array in arrays.items()}
    splits |= {f"{name}_test": array + 1000 if array.dtype.kind == "f" else array for name, array in arrays.items()}
    np.savez(path / "a.npz", **splits)
    return str(path / "a.npz")


def _none_held_out(path: str, **fields: object) -> Arrays:
    return Arrays.model_validate({"path": path, "split": Arrays(path="x").split.model_copy(update={"valid": 0}), **fields})


def _assert_measured(scale: object, values: np.ndarray) -> None:
    """Values (N, K)."""
    assert isinstance(scale, FixedNormalize)
    assert scale.mean == pytest.approx(values.mean(0), rel=1e-6)
    assert scale.std == pytest.approx(values.std(0), rel=1e-6)


def test_values_for_each_step_are_measured_where_there_are_steps(tmp_path: Path) -> None:
    """Each value by itself, on the training split; what stands in the padding is not looked at."""
    x, y = GENERATOR.normal(5, 3, (6, 6, 2)), GENERATOR.normal((-40, 7), (9, 0.1), (6, 6, 2))
    x[~THERE], y[~THERE] = 1e9, -1e9
    data = _open(_none_held_out(_file(tmp_path, x=x, y=y, lengths=LENGTHS), layout="series"))
    _assert_measured(data.spec.normalize_targets, y[THERE])
    _assert_measured(data.spec.normalize, x[THERE])


def test_a_picture_beside_a_series_is_measured_whole(tmp_path: Path) -> None:
    """The lengths are those of the series: rows of a picture, and values of a sample, are no steps."""
    series, picture = GENERATOR.normal(5, 3, (6, 6, 2)), GENERATOR.normal(2, 4, (6, 1, 6, 6))
    price = GENERATOR.normal(1e5, 2e4, (6, 3))
    path = _file(tmp_path, series=series, picture=picture, price=price, lengths=LENGTHS)
    data = _open(_none_held_out(path, inputs=("series", "picture"), targets=("price",)))
    assert isinstance(data.spec.normalize, dict)
    _assert_measured(data.spec.normalize["series"], series[THERE])
    _assert_measured(data.spec.normalize["picture"], picture.reshape(-1, 1))
    _assert_measured(data.spec.normalize_targets, price)


def test_a_forecast_is_measured_on_the_training_rows(tmp_path: Path) -> None:
    """Each row once, however many windows hold it, and none of the test."""
    rows = np.concatenate([GENERATOR.normal(300, 20, 80), GENERATOR.normal(900, 20, 20)])
    (tmp_path / "t.csv").write_text("load\n" + "\n".join(f"{value:.6f}" for value in rows) + "\n")
    split = Csv(path="x").split.model_copy(update={"valid": 0, "test": 0.2})
    data = _open(Csv(path=str(tmp_path / "t.csv"), target=("load",), window=8, horizon=2, split=split))
    scale = data.spec.normalize_targets
    assert isinstance(scale, FixedNormalize)
    assert scale.mean == pytest.approx([rows[:80].mean()] * 2, rel=1e-5)
    assert scale.std == pytest.approx([rows[:80].std()] * 2, rel=1e-5)


@pytest.mark.parametrize("given", [NoNormalize(), FixedNormalize(mean=(3.0, 1.0), std=(2.0, 7.0))], ids=str)
def test_what_the_config_gives_is_kept(given: NoNormalize | FixedNormalize, tmp_path: Path) -> None:
    """`none`, or the numbers."""
    path = _file(tmp_path, x=GENERATOR.normal(size=(6, 4)), y=GENERATOR.normal(size=(6, 2)))
    assert _open(_none_held_out(path, normalize_targets=given)).spec.normalize_targets == given


def test_of_several_targets_each_has_its_own_scale(tmp_path: Path) -> None:
    """What the config does not name is measured; classes have none."""
    x, size = GENERATOR.normal(size=(6, 4)), GENERATOR.normal(8, 2, (6, 1))
    np.savez(tmp_path / "a.npz", x_train=x, size_train=size, price_train=size * 3, kind_train=np.arange(6) % 2)
    split = Arrays(path="x").split.model_copy(update={"valid": 0, "test": 0})
    names = ("size", "price", "kind")
    spec = Arrays(path=str(tmp_path / "a.npz"), targets=names, split=split, normalize_targets={"price": NoNormalize()})
    found = _open(spec).spec.normalize_targets
    assert isinstance(found, dict)
    _assert_measured(found["size"], size)
    assert (found["price"], found["kind"]) == (NoNormalize(), NoNormalize())
    again = spec.model_copy(update={"normalize_targets": found})
    assert _open(again).spec.normalize_targets == found
    assert _open(spec).without_target_scale({"size"}).spec.normalize_targets == {**found, "size": NoNormalize()}


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (np.array([0, 1, 2, 0, 1, 2]), "are classes, which have no scale"),
        (np.ones((6, 3)), "has 1 numbers, and the data 3 values to predict"),
    ],
)
def test_numbers_that_do_not_fit_are_refused(y: np.ndarray, message: str, tmp_path: Path) -> None:
    """With exit code 3, the field named."""
    path = _file(tmp_path, x=GENERATOR.normal(size=(6, 4)), y=y)
    with pytest.raises(DataError, match=message) as caught:
        _open(_none_held_out(path, normalize_targets=FixedNormalize(mean=(0.0,), std=(1.0,))))
    assert "normalize_targets" in caught.value.message + (caught.value.help or "")


def test_a_limit_of_one_long_text_leaves_its_begin(tmp_path: Path) -> None:
    """Windows chosen at random would not follow one another, and a state could not be carried."""
    (tmp_path / "t.txt").write_text("".join(chr(97 + i % 26) for i in range(2000)))
    whole, limited = (_open(Text(path=str(tmp_path / "t.txt"), window=8, limit=limit)) for limit in (None, 5))
    assert len(limited.train) == 5
    for split in ("train", "valid", "test"):
        ours, theirs = limited.splits()[split], whole.splits()[split]
        assert ours is not None
        assert theirs is not None
        assert np.array_equal(ours.inputs, theirs.inputs[:5])
        assert np.array_equal(ours.targets, theirs.targets[:5])


def test_auto_is_the_default() -> None:
    """A network that starts near 0 would take long to get to 200,000."""
    assert Arrays(path="x").normalize_targets == AutoNormalize()
