"""The reader of IDX files."""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path

import numpy as np
import pytest

from dlcli.data.sources.idx import read_idx
from dlcli.errors import DataError
from tests.unit.data.idx_files import write_idx


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("dtype", [np.uint8, np.int32])
def test_values_and_shape_are_those_written(tmp_path: Path, suffix: str, dtype: type) -> None:
    """Compressed or not, bytes or big-endian integers; the hash is that of the uncompressed file."""
    values = np.random.default_rng(0).integers(0, 200, (5, 3, 4)).astype(dtype)
    path = tmp_path / f"file{suffix}"
    write_idx(path, values)
    read = read_idx(path, "mend")
    np.testing.assert_array_equal(read.values, values)
    assert read.values.dtype == dtype
    assert read.values.flags.writeable
    content = path.read_bytes() if not suffix else gzip.decompress(path.read_bytes())
    assert read.sha256 == hashlib.sha256(content).hexdigest()


def test_the_reader_agrees_with_torchvision_on_real_files(shared_data: Path, tmp_path: Path) -> None:
    """All four files of MNIST, value by value."""
    from torchvision.datasets.mnist import read_image_file, read_label_file

    for name, theirs in (("t10k-images-idx3-ubyte", read_image_file), ("train-labels-idx1-ubyte", read_label_file)):
        path = shared_data / "mnist" / f"{name}.gz"
        unpacked = tmp_path / name
        unpacked.write_bytes(gzip.decompress(path.read_bytes()))
        np.testing.assert_array_equal(read_idx(path, "mend").values, theirs(str(unpacked)).numpy())


@pytest.fixture
def intact(tmp_path: Path) -> Path:
    """A compressed file of 1,000 bytes of noise."""
    path = tmp_path / "images.gz"
    write_idx(path, np.random.default_rng(0).integers(0, 256, 1000, dtype=np.uint8))
    return path


@pytest.mark.parametrize("keep", [0, 1, 5, 12, 30, 500, 900, -9, -1])
def test_a_cut_file_is_refused_wherever_it_ends(intact: Path, keep: int) -> None:
    """Also inside the header and inside the checksum, with its name and the mend."""
    intact.write_bytes(intact.read_bytes()[:keep])
    with pytest.raises(DataError, match=str(intact)) as caught:
        read_idx(intact, "the mend")
    assert caught.value.help == "the mend"


@pytest.mark.parametrize("keep", [0, 3, 5, 7, 8, 500, 1007])
def test_a_cut_file_without_compression_is_refused(tmp_path: Path, keep: int) -> None:
    """Fewer values than the header says."""
    path = tmp_path / "images"
    write_idx(path, np.zeros(1000, np.uint8))
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(DataError, match="cut off|no IDX file|only"):
        read_idx(path, "mend")


def test_a_flipped_bit_is_found_by_the_checksum(intact: Path) -> None:
    """In the compressed values."""
    content = bytearray(intact.read_bytes())
    content[600] ^= 4
    intact.write_bytes(content)
    with pytest.raises(DataError, match="is damaged"):
        read_idx(intact, "mend")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\x89PNG\r\n\x1a\n", "is no IDX file: it begins with 89 50 4e 47"),
        (b"\0\0\x07\x01\0\0\0\0", "is no IDX file"),
        (b"\0\0\x08\x00", "is no IDX file"),
        (b"\0\0\x08\x01\0\0\0\x02abc", r"says 2 bytes, and it has more"),
        (b"\0\0\x08\x03\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xffabc", "and at most 268,435,456 are read"),
    ],
)
def test_what_is_no_idx_file_is_refused(tmp_path: Path, content: bytes, words: str) -> None:
    """Another format, an unknown type, no axes, too many values, a header that asks for more than any memory."""
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(DataError, match=words):
        read_idx(path, "mend")


def test_a_file_that_is_no_gzip_is_refused(tmp_path: Path) -> None:
    """A .gz that was unpacked and kept its name."""
    path = tmp_path / "images.gz"
    path.write_bytes(b"\0\0\x08\x01\0\0\0\x01a")
    with pytest.raises(DataError, match="is damaged: Not a gzipped file"):
        read_idx(path, "mend")
