"""From a spec to splits of tensors."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from dlcli.config import compose
from dlcli.config.data import (
    SOURCES,
    Arrays,
    DataSpec,
    Digits,
    FashionMnist,
    ImageFolder,
    Kmnist,
    Mnist,
    SplitSpec,
)
from dlcli.config.diagnostics import Report
from dlcli.config.normalisation import FixedNormalize, NoNormalize
from dlcli.config.shapes import Image as ImageShape
from dlcli.config.spec import Choice, dump, read_choice
from dlcli.config.yaml_output import as_yaml
from dlcli.data.dataset import Dataset, Split, open_dataset
from dlcli.data.directories import Directories
from dlcli.data.raw import DataUnavailableError
from dlcli.errors import DataError
from tests.unit.data.idx_files import write_family, write_idx

Open = Callable[[DataSpec], Dataset]


@pytest.fixture
def open_(directories: Directories) -> Open:
    """Opens without a word and without a download."""

    def unexpected(notice: str) -> None:
        pytest.fail(f"an unexpected notice: {notice}")

    return lambda spec: open_dataset(spec, directories, unexpected, downloads=False)


def _same(one: Split | None, other: Split | None) -> bool:
    if one is None or other is None:
        return one is other
    return torch.equal(one.inputs, other.inputs) and torch.equal(one.targets, other.targets)


def _assert_same_data(one: Dataset, other: Dataset) -> None:
    assert _same(one.train, other.train)
    assert _same(one.valid, other.valid)
    assert _same(one.test, other.test)
    assert one.facts == other.facts
    assert one.spec.normalize == other.spec.normalize


def test_real_mnist_is_split_and_measured(shared_data: Path) -> None:
    """A tenth of the training part for validation, class by class; the published mean and deviation of the rest, nearly."""
    data = open_dataset(Mnist(), Directories((shared_data,), shared_data), pytest.fail)
    assert data.valid is not None
    assert [len(data.train), len(data.valid), len(data.test)] == [54_000, 6_000, 10_000]
    whole = torch.cat([data.train.targets, data.valid.targets]).bincount()
    torch.testing.assert_close(data.valid.targets.bincount() / whole, torch.full((10,), 0.1), atol=2e-4, rtol=0)
    assert isinstance(data.spec.normalize, FixedNormalize)
    assert data.spec.normalize.mean[0] == pytest.approx(0.1307, abs=2e-4)
    assert data.spec.normalize.std[0] == pytest.approx(0.3081, abs=2e-4)
    assert data.train.inputs.dtype == torch.uint8
    assert data.facts == Mnist().facts()


def test_digits_are_split_into_three_that_share_nothing(open_: Open) -> None:
    """A fifth for the test, a tenth of the rest for validation, all digits used once."""
    data = open_(Digits())
    assert data.valid is not None
    assert [len(data.train), len(data.valid), len(data.test)] == [1294, 144, 359]
    rows = torch.cat([split.inputs.flatten(1) for split in (data.train, data.valid, data.test)])
    whole = open_(Digits(split=SplitSpec(valid=0.0)))
    together = torch.cat([whole.train.inputs, whole.test.inputs]).flatten(1)
    assert sorted(rows.tolist()) == sorted(together.tolist())
    assert (data.asked, data.used, data.notice, data.origin) == ("digits", "digits", None, "inside the package")


def test_no_validation_where_none_is_wanted(open_: Open) -> None:
    """All of the training part is trained on."""
    data = open_(Digits(split=SplitSpec(valid=0.0)))
    assert data.valid is None
    assert len(data.train) == 1438


def test_the_test_samples_hang_on_nothing_but_their_own_seed(open_: Open) -> None:
    """Not on how much is kept for validation; another split seed tests on others."""
    test = open_(Digits()).test
    assert _same(test, open_(Digits(split=SplitSpec(valid=0.3))).test)
    assert not _same(test, open_(Digits(split=SplitSpec(seed=1))).test)


def _read(config: Path) -> DataSpec:
    """The data section of a file."""
    report = Report()
    node = compose.load(config).entries["data"].node
    spec = read_choice(node, Choice("data source", lambda: SOURCES), report)
    report.raise_if_any()
    assert isinstance(spec, DataSpec)
    return spec


@pytest.mark.parametrize(
    "fields", [{}, {"limit": 100}, {"resize": (5, 6), "view": "rows"}, {"normalize": NoNormalize()}, {"repeat": 3}]
)
def test_the_settled_spec_reads_the_same_data_again(open_: Open, tmp_path: Path, fields: dict[str, Any]) -> None:
    """Written as YAML into a run's resolved config and read back, to the last bit."""
    data = open_(Digits(**fields, fallback=Digits()))
    assert data.spec.fallback is None
    resolved = tmp_path / "config.resolved.yaml"
    resolved.write_text(as_yaml({"data": dump(data.spec, with_name=True)}), encoding="utf-8")
    again = _read(resolved)
    assert again == data.spec
    _assert_same_data(open_(again), data)


def test_a_settled_path_is_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a run can be judged from another folder."""
    rows = np.arange(100, dtype=np.float32).reshape(50, 2)
    np.savez(tmp_path / "a.npz", x=rows, y=np.arange(50) % 2)
    for index in range(10):
        for name in ("cat", "dog"):
            (tmp_path / "pets" / name).mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.full((4, 4), index, np.uint8)).save(tmp_path / "pets" / name / f"{index}.png")
    directories = Directories((tmp_path / "data",), tmp_path, (tmp_path,))
    for spec in (Arrays(path="a.npz"), ImageFolder(path="pets")):
        data = open_dataset(spec, directories, pytest.fail)
        assert isinstance(data.spec, Arrays | ImageFolder)
        assert Path(data.spec.path) == tmp_path / spec.path
        monkeypatch.chdir("/")
        _assert_same_data(open_dataset(data.spec, Directories((), tmp_path), pytest.fail), data)


def test_a_limit_holds_for_each_split(open_: Open) -> None:
    """A choice of what there would be without it."""
    data, whole = open_(Digits(limit=100)), open_(Digits())
    for name in ("train", "valid", "test"):
        few, all_ = getattr(data, name), getattr(whole, name)
        assert len(few) == 100
        rows = {tuple(row) for row in all_.inputs.flatten(1).tolist()}
        assert all(tuple(row) in rows for row in few.inputs.flatten(1).tolist())
    assert data.train.targets.unique().tolist() == list(range(10))


def test_own_splits_are_taken_as_they_are_and_limited(root: Path, open_: Open) -> None:
    """Only what is missing is taken from the training part."""
    x = np.arange(60, dtype=np.float32)[:, None]
    splits = {"x_train": x, "y_train": x, "x_valid": x[:7] + 100, "y_valid": x[:7], "x_test": x[:9] + 200, "y_test": x[:9]}
    np.savez(root / "a.npz", **splits)
    data = open_(Arrays(path="a.npz"))
    assert data.valid is not None
    assert data.train.inputs.flatten().tolist() == list(range(60))
    assert data.valid.inputs.flatten().tolist() == list(range(100, 107))
    assert data.test.inputs.flatten().tolist() == list(range(200, 209))
    assert [len(split or ()) for split in (data.train, data.valid, data.test)] == [60, 7, 9]
    data = open_(Arrays(path="a.npz", limit=8))
    assert [len(split or ()) for split in (data.train, data.valid, data.test)] == [8, 7, 8]
    for name in ("x_test", "y_test"):
        del splits[name]
    np.savez(root / "b.npz", **splits)
    data = open_(Arrays(path="b.npz"))
    assert [len(split or ()) for split in (data.train, data.valid, data.test)] == [48, 7, 12]
    assert sorted(torch.cat([data.train.inputs, data.test.inputs]).flatten().tolist()) == list(range(60))


def test_values_to_predict_are_split_freely(root: Path, open_: Open) -> None:
    """They have no classes whose shares could be kept."""
    x = np.arange(100, dtype=np.float32)[:, None]
    np.savez(root / "a.npz", x=x, y=x)
    data = open_(Arrays(path="a.npz"))
    assert torch.equal(data.test.inputs, data.test.targets)
    assert (data.facts.target.num_targets, data.facts.target.num_classes) == (1, None)


def _several(root: Path) -> dict[str, np.ndarray]:
    """Two inputs and three targets of 100 samples in the file `several.npz`."""
    generator = np.random.default_rng(0)
    arrays = {
        "image": generator.integers(0, 256, (100, 4, 5), dtype=np.uint8),
        "meta": generator.normal(3, 2, (100, 2)).astype(np.float32),
        "size": np.arange(100, dtype=np.float32),
        "rare": (np.arange(100) % 10 == 0).astype(np.int64),
        "digit": np.arange(100) % 3,
    }
    np.savez(root / "several.npz", **arrays)
    return arrays


SEVERAL: dict[str, Any] = {"path": "several.npz", "inputs": ("image", "meta"), "targets": ("size", "rare", "digit")}


def test_several_inputs_and_targets_are_split_together(root: Path, open_: Open) -> None:
    """A row of one stays with its rows of all; the first target that has classes keeps its shares."""
    arrays = _several(root)
    data = open_(Arrays(**SEVERAL))
    assert data.counts() == {"train": 72, "valid": 8, "test": 20}
    for split in (data.train, data.valid, data.test):
        assert split is not None
        assert isinstance(split.inputs, dict)
        assert isinstance(split.targets, dict)
        rows = split.targets["size"][:, 0].long().numpy()
        np.testing.assert_array_equal(split.inputs["image"][..., 0].numpy(), arrays["image"][rows])
        np.testing.assert_array_equal(split.inputs["meta"].numpy(), arrays["meta"][rows])
        np.testing.assert_array_equal(split.targets["digit"].numpy(), arrays["digit"][rows])
    assert isinstance(data.test.targets, dict)
    assert int(data.test.targets["rare"].sum()) == 2


def test_each_input_is_measured_by_itself_and_reads_back(root: Path, open_: Open, tmp_path: Path) -> None:
    """Or as the config says of it; the resolved config gives the same data again."""
    _several(root)
    data = open_(Arrays(**SEVERAL, normalize={"image": NoNormalize()}))
    assert isinstance(data.spec.normalize, dict)
    assert isinstance(data.train.inputs, dict)
    meta = data.spec.normalize["meta"]
    assert data.spec.normalize["image"] == NoNormalize()
    assert isinstance(meta, FixedNormalize)
    np.testing.assert_allclose(meta.mean, data.train.inputs["meta"].double().mean(dim=0))
    resolved = tmp_path / "config.resolved.yaml"
    resolved.write_text(as_yaml({"data": dump(data.spec, with_name=True)}), encoding="utf-8")
    again = _read(resolved)
    assert again == data.spec
    other = open_(again)
    assert isinstance(other.train.inputs, dict)
    assert all(torch.equal(other.train.inputs[name], values) for name, values in data.train.inputs.items())


def test_answers_for_each_step_are_split_freely(root: Path, open_: Open) -> None:
    """A sample has no single class whose share could be kept."""
    np.savez(root / "a.npz", x=np.zeros((50, 4, 2)), y=np.arange(200).reshape(50, 4) % 7)
    data = open_(Arrays(path="a.npz"))
    assert data.facts.target.per_step
    assert data.test.targets.shape == (10, 4)


def test_numbers_are_measured_on_the_training_samples_alone(root: Path, open_: Open) -> None:
    """Test samples a thousand times larger change nothing."""
    x = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
    np.savez(root / "a.npz", x_train=x, y_train=x, x_valid=x * 1000, y_valid=x, x_test=x * 1000, y_test=x)
    normalize = open_(Arrays(path="a.npz")).spec.normalize
    assert isinstance(normalize, FixedNormalize)
    np.testing.assert_allclose(normalize.std, x.astype(np.float64).std(axis=0), rtol=1e-9)


def test_pictures_are_resized_before_they_are_measured(open_: Open) -> None:
    """All splits; facts say the new size."""
    data = open_(Digits(resize=(16, 12)))
    assert data.valid is not None
    assert {split.inputs.shape[1:] for split in (data.train, data.valid, data.test)} == {torch.Size([16, 12, 1])}
    assert data.facts.input == ImageShape(1, 16, 12)
    assert isinstance(data.spec.normalize, FixedNormalize)
    mean = data.train.inputs.double().mean().item() / 255
    assert data.spec.normalize.mean[0] == pytest.approx(mean, rel=1e-12)


class TestFallback:
    """What steps in where data can't be had."""

    def test_it_is_used_with_a_notice_and_never_silently(self, directories: Directories) -> None:
        """One line that says what was asked for, why not, and what is used; the record keeps all of it."""
        notices: list[str] = []
        data = open_dataset(Mnist(fallback=Digits(limit=50)), directories, notices.append, downloads=False)
        assert notices == ["mnist can't be had here (it is not on disk); using digits instead, as `fallback` says"]
        assert (data.asked, data.used, data.notice) == ("mnist", "digits", notices[0])
        assert isinstance(data.spec, Digits)
        assert data.facts == Digits().facts()
        assert len(data.train) == 50

    def test_without_one_what_can_not_be_had_is_an_error(self, open_: Open) -> None:
        """With the places and the options that help."""
        with pytest.raises(DataUnavailableError, match="mnist can't be had here") as caught:
            open_(Mnist())
        assert "--data-dir" in (caught.value.help or "")

    def test_it_may_have_one_of_its_own(self, directories: Directories) -> None:
        """Two notices, the last source that is there."""
        notices: list[str] = []
        data = open_dataset(Mnist(fallback=Kmnist(fallback=Digits())), directories, notices.append, downloads=False)
        assert [notice.split()[0] for notice in notices] == ["mnist", "kmnist"]
        assert (data.asked, data.used) == ("mnist", "digits")

    def test_it_answers_an_absent_path(self, directories: Directories) -> None:
        """Of pictures and of arrays."""
        for spec in (ImageFolder(path="absent", fallback=Digits()), Arrays(path="absent.npz", fallback=Digits())):
            assert open_dataset(spec, directories, lambda _: None).used == "digits"

    def test_it_never_hides_damaged_data(self, root: Path, open_: Open) -> None:
        """A cut file, wrong labels, an unreadable picture, arrays that don't fit."""
        write_family(root / "kmnist")
        path = root / "kmnist" / "train-images-idx3-ubyte.gz"
        path.write_bytes(path.read_bytes()[:-30])
        write_family(root / "fashion_mnist")
        write_idx(root / "fashion_mnist" / "train-labels-idx1-ubyte.gz", np.full(50, 10, np.uint8))
        (root / "pets" / "cat").mkdir(parents=True)
        (root / "pets" / "cat" / "1.png").write_bytes(b"text")
        np.savez(root / "a.npz", x=np.zeros((5, 2)), y=np.zeros(4))
        for spec in (Kmnist, FashionMnist):
            with pytest.raises(DataError):
                open_(spec(fallback=Digits()))
        for spec in (ImageFolder(path="pets", fallback=Digits()), Arrays(path="a.npz", fallback=Digits())):
            with pytest.raises(DataError):
                open_(spec)


def test_all_splits_move_to_a_device_together(open_: Open) -> None:
    """Validation may be missing."""
    meta = torch.device("meta")
    moved = open_(Digits()).to(meta)
    assert moved.valid is not None
    assert {split.inputs.device for split in (moved.train, moved.valid, moved.test)} == {meta}
    assert open_(Digits(split=SplitSpec(valid=0.0))).to(meta).valid is None


def test_too_few_samples_for_a_split_are_refused(root: Path, open_: Open) -> None:
    """Three samples can't be shared out."""
    np.savez(root / "a.npz", x=np.zeros((3, 2)), y=np.zeros(3))
    with pytest.raises(DataError, match="the valid split would be empty: 0.1 of 2 samples"):
        open_(Arrays(path="a.npz"))
