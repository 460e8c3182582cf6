"""Files made to run code, to write elsewhere or to fill the memory: refused with a line, and nothing happens.

Each is met by the command that a person would use on it, in a process of its own. `SECURITY.md` states the limit of memory.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import pickle
import shutil
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest

from tests.integration.conftest import QUICK
from tests.integration.hostile import Commands, Ending, everything

MAX_MEMORY: Final = 1 << 30
"""As in `SECURITY.md`: twice what a refusal may take."""

_OF_NUMBERS: Final = "flatten"
_OF_TEXTS: Final = "{embedding: 4}, {gru: {hidden_size: 4, return: last}}"
_NESTED: Final = "[" * 100_000 + "]" * 100_000


class _Attack:
    """Leaves a file behind when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("touch was-here ../outside/was-here",)


@pytest.fixture(scope="module")
def commands() -> Iterator[Commands]:
    """One process that forks for each command."""
    commands = Commands()
    yield commands
    commands.close()


@pytest.fixture(scope="module")
def trained(commands: Commands, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder `work` with a finished run, and beside it `outside`."""
    place = tmp_path_factory.mktemp("trained")
    (place / "work").mkdir()
    (place / "work" / "quick.yaml").write_text(QUICK)
    ending = commands(place / "work", "train", "quick.yaml", "--name", "run")
    assert ending.code == 0, ending.text
    return place


@pytest.fixture
def place(trained: Path, tmp_path: Path) -> Path:
    """A copy of that folder."""
    shutil.copytree(trained, tmp_path / "place", symlinks=True)
    (tmp_path / "place" / "outside").mkdir()
    return tmp_path / "place"


def _refused(commands: Commands, place: Path, code: int, words: str, *arguments: object) -> Ending:
    """Runs a command that must refuse, and looks at all that is promised."""
    before = everything(place)
    ending = commands(place / "work", *arguments)
    print(f"\n{ending.memory / 2**20:.0f} MiB\n{ending.text[:2000]}")
    assert ending.code == code, ending.text[:2000]
    assert len([line for line in ending.text.splitlines() if line.startswith("error")]) == 1
    assert words in ending.text, ending.text[:2000]
    assert "Traceback" not in ending.text
    assert len(ending.text) < 5000
    assert everything(place) == before
    assert ending.memory < MAX_MEMORY
    return ending


# --- checkpoints and runs


def _checkpoint(place: Path) -> Path:
    """The one that `eval` takes."""
    folder = place / "work" / "runs" / "run" / "checkpoints"
    checkpoint = folder / json.loads((folder / "best.json").read_text())["checkpoint"]
    assert checkpoint.is_dir()
    return checkpoint


def _write(checkpoint: Path, name: str, content: bytes) -> None:
    """Replaces a file of a checkpoint, and makes the manifest fit it."""
    (checkpoint / name).write_bytes(content)
    _list(checkpoint, name, content)


def _list(checkpoint: Path, name: str, content: bytes) -> None:
    manifest = json.loads((checkpoint / "MANIFEST.json").read_text())
    manifest["files"][name] = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    (checkpoint / "MANIFEST.json").write_text(json.dumps(manifest))


def _safetensors(header: object, data: bytes = b"", claims: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if claims is None else claims) + text + data


def _tensor(shape: list[int], end: int) -> dict[str, Any]:
    return {"dtype": "F32", "shape": shape, "data_offsets": [0, end]}


def _link_to(target: Path, link: Path) -> None:
    """Moves something outside and leaves a link in its place."""
    shutil.move(link, target)
    link.symlink_to(target)


def _outside_with_its_hash(checkpoint: Path, name: str) -> None:
    secret = b"secret"
    (checkpoint.parents[4] / "outside" / "secret").write_bytes(secret)
    _list(checkpoint, name, secret)


def _fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _record(checkpoint: Path, **changes: object) -> None:
    path = checkpoint.parents[1] / "run.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


WEIGHTS: Final = "model.safetensors"
Tamper = Callable[[Path], object]

CHECKPOINTS: dict[str, tuple[Tamper, str]] = {
    "a pickle for weights": (lambda it: _write(it, WEIGHTS, pickle.dumps(_Attack())), "can't be read"),
    "a zip of a pickle for weights": (lambda it: _write(it, WEIGHTS, _torch_file()), "can't be read"),
    "a header of 4 GB": (lambda it: _write(it, WEIGHTS, _safetensors({}, claims=4 << 30)), "can't be read"),
    "a header of 2^64 bytes": (lambda it: _write(it, WEIGHTS, _safetensors({}, claims=2**64 - 1)), "can't be read"),
    "a nested header": (lambda it: _write(it, WEIGHTS, _safetensors(_NESTED.encode())), "can't be read"),
    "10^12 values": (lambda it: _write(it, WEIGHTS, _safetensors({"x": _tensor([10**12], 4)}, bytes(4))), "can't be read"),
    "2^64 values": (lambda it: _write(it, WEIGHTS, _safetensors({"x": _tensor([2**32, 2**32], 0)})), "can't be read"),
    "values behind the end": (lambda it: _write(it, WEIGHTS, _safetensors({"x": _tensor([10], 40)}, bytes(4))), "can't be read"),
    "other weights": (lambda it: _write(it, WEIGHTS, _safetensors({"../x": _tensor([1], 4)}, bytes(4))), "error"),
    "nothing for weights": (lambda it: _write(it, WEIGHTS, b""), "can't be read"),
    "a file above the checkpoint": (lambda it: _outside_with_its_hash(it, "../../../../../outside/secret"), "names files"),
    "a file of an absolute place": (lambda it: _list(it, "/etc/passwd", b""), "names files"),
    "a hidden file": (lambda it: _list(it, ".safetensors", b""), "names files"),
    "a link to weights": (lambda it: _link_to(it.parents[4] / "outside" / "weights", it / WEIGHTS), "can't be read"),
    "a link to a checkpoint": (lambda it: _link_to(it.parents[4] / "outside" / it.name, it), "is a link"),
    "weights of 4 GiB of nothing": (lambda it: _sparse(it), "is damaged"),  # noqa: PLW0108 - it is defined below
    "a pipe for weights": (lambda it: _fifo(it / WEIGHTS), "is no file"),
    "a pipe for a manifest": (lambda it: _fifo(it / "MANIFEST.json"), "is no file"),
    "a nested manifest": (lambda it: (it / "MANIFEST.json").write_text(_NESTED), "can't be read"),
    "a manifest of 20 MB": (lambda it: (it / "MANIFEST.json").write_text(" " * 20_000_000), "at most"),
    "a manifest of a number of 5,000 digits": (lambda it: (it / "MANIFEST.json").write_text("9" * 5000), "can't be read"),
    "a nested state": (lambda it: _write(it, "state.json", _NESTED.encode()), "can't be read"),
    "a state that is a list": (lambda it: _write(it, "state.json", b"[]"), "holds no weights"),
    "a nested record": (lambda it: (it.parents[1] / "run.json").write_text(_NESTED), "can't be read"),
    "a record of data that is none": (lambda it: _record(it, data=[]), "has no proper `data`"),
    "a link to a record": (lambda it: _link_to(it.parents[4] / "outside" / "run.json", it.parents[1] / "run.json"), "error"),
}


def _sparse(checkpoint: Path) -> None:
    """Claims no disk, and would claim memory."""
    os.truncate(checkpoint / WEIGHTS, 4 << 30)
    manifest = json.loads((checkpoint / "MANIFEST.json").read_text())
    manifest["files"][WEIGHTS] = {"bytes": 4 << 30, "sha256": "0" * 64}
    (checkpoint / "MANIFEST.json").write_text(json.dumps(manifest))


def _torch_file() -> bytes:
    """As `torch.save` lays it out."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(_Attack()))
    return file.getvalue()


@pytest.mark.parametrize(("tamper", "words"), CHECKPOINTS.values(), ids=CHECKPOINTS)
def test_a_hostile_checkpoint_is_refused(commands: Commands, place: Path, tamper: Tamper, words: str) -> None:
    """By `eval`, with exit code 5, though every hash in it fits."""
    tamper(_checkpoint(place))
    _refused(commands, place, 5, words, "eval", "run")


CONFIGS: dict[str, tuple[Tamper, str]] = {
    "a tag of Python's": (
        lambda it: (it.parents[1] / "config.resolved.yaml").write_text(
            "data: !!python/object/apply:os.system ['touch was-here']"
        ),
        "config.resolved.yaml:1",
    ),
    "a plug-in that a run names": (lambda it: _record(it, plugins=[_plugin(it)]), "give it: --plugin"),
    "a network of 10^12 units": (
        lambda it: (it.parents[1] / "config.resolved.yaml").write_text(
            "data: digits\nmodel: {layers: [flatten, linear: 1000000000000]}\n"
        ),
        "error",
    ),
}


def _plugin(checkpoint: Path) -> str:
    file = checkpoint.parents[4] / "outside" / "plugin.py"
    file.write_text("import os; os.system('touch was-here')")
    return str(file)


@pytest.mark.parametrize("command", ["eval", "export", "resume"])
@pytest.mark.parametrize(("tamper", "words"), CONFIGS.values(), ids=CONFIGS)
def test_a_run_can_not_say_what_to_execute(commands: Commands, place: Path, tamper: Tamper, words: str, command: str) -> None:
    """Neither in its config nor in its record: exit code 2."""
    tamper(_checkpoint(place))
    arguments = {"eval": ["eval", "run"], "export": ["export", "run", "--to", "python"], "resume": ["train", "--resume", "run"]}
    _refused(commands, place, 2, words, *arguments[command])


# --- data


def _config(place: Path, data: str) -> Path:
    path = place / "work" / "hostile.yaml"
    layers = _OF_TEXTS if "text_lines" in data else _OF_NUMBERS
    path.write_text(f"data: {data}\nmodel: {{layers: [{layers}, linear: '${{data.num_classes}}']}}\ntrain: {{epochs: 1}}\n")
    return path


def _png(height: int, width: int, data: bytes = b"") -> bytes:
    """A grey picture of a size; its pixels may be missing."""
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)), (b"IDAT", data), (b"IEND", b"")]
    packed = [struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks]
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


def _black(height: int, width: int) -> bytes:
    return _png(height, width, zlib.compress(bytes(height * (width + 1)), 1))


def _picture(folder: Path, content: bytes, name: str = "1.png") -> str:
    for kind in ("a", "b"):
        (folder / "pets" / kind).mkdir(parents=True)
        (folder / "pets" / kind / name).write_bytes(content)
    return "{name: image_folder, path: pets}"


def _many_pictures(folder: Path) -> str:
    """2 GB from 300 files of 8 kB."""
    data = _picture(folder, _black(2600, 2600))
    for number in range(2, 300):
        os.link(folder / "pets" / "a" / "1.png", folder / "pets" / "a" / f"{number}.png")
    return data


def _npy(description: object, values: bytes = b"") -> bytes:
    header = description if isinstance(description, bytes) else repr(description).encode()
    return b"\x93NUMPY\x02\x00" + struct.pack("<I", len(header) + 1) + header + b"\n" + values


def _array(shape: tuple[int, ...], dtype: str = "<f4") -> dict[str, object]:
    return {"descr": dtype, "fortran_order": False, "shape": shape}


def _npz(folder: Path, x: bytes, packing: int = zipfile.ZIP_DEFLATED, name: str = "x") -> str:
    labels = io.BytesIO()
    np.save(labels, np.arange(10) % 2)
    with zipfile.ZipFile(folder / "a.npz", "w", packing) as archive:
        archive.writestr(f"{name}.npy", x)
        archive.writestr("y.npy", labels.getvalue())
    return "{name: arrays, path: a.npz}"


def _zip_bomb(folder: Path) -> str:
    """1.5 GB of zeros that fit their header, in 1.5 MB."""
    size = 10 * 37_500_000 * 4
    with zipfile.ZipFile(folder / "a.npz", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        with archive.open("x.npy", "w", force_zip64=True) as member:
            member.write(_npy(_array((10, 37_500_000))))
            for _ in range(size // 50_000_000):
                member.write(bytes(50_000_000))
        with archive.open("y.npy", "w") as member:
            np.save(member, np.arange(10) % 2)
    return "{name: arrays, path: a.npz}"


def _pickled_npz(folder: Path) -> str:
    np.savez(folder / "a.npz", x=np.array([_Attack()] * 10, dtype=object), y=np.arange(10) % 2)
    return "{name: arrays, path: a.npz}"


def _idx_bomb(folder: Path, header: bytes, zeros: int) -> str:
    (folder / "mnist").mkdir()
    for name in ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"):
        with gzip.open(folder / "mnist" / f"{name}-ubyte.gz", "wb", compresslevel=1) as file:
            file.write(header)
            for _ in range(zeros // 10_000_000):
                file.write(bytes(10_000_000))
    return "{name: mnist}"


def _cifar(folder: Path) -> str:
    (folder / "cifar10").mkdir()
    for name in ("data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch", "batches.meta"):
        (folder / "cifar10" / name).write_bytes(pickle.dumps(_Attack()))
    return "{name: cifar10}"


def _text(folder: Path, name: str, content: str | bytes) -> str:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    source = {"csv": "csv", "tsv": "csv", "parquet": "csv", "ts": "ts", "bin": "text"}.get(path.suffix[1:], "text_lines")
    return f"{{name: {source}, path: {name}{', window: 8' if source == 'text' else ''}}}"


def _looped(folder: Path) -> str:
    data = _picture(folder, _black(8, 8))
    (folder / "pets" / "a" / "0.png").symlink_to("0.png")
    (folder / "pets" / "a" / "1.png").unlink()
    return data


def _piped(folder: Path) -> str:
    os.mkfifo(folder / "a.csv")
    return "{name: csv, path: a.csv}"


_TS: Final = "@problemName x\n@univariate true\n@equalLength false\n@classLabel true a b\n@data\n"
_EPS: Final = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n(%pipe%touch was-here) (w) file\n"

DATA: dict[str, tuple[Callable[[Path], str], str]] = {
    "a picture of 10^10 pixels": (lambda it: _picture(it, _png(100_000, 100_000)), "has more than 89,478,485 pixels"),
    "a picture of 10^8 pixels": (lambda it: _picture(it, _black(10_000, 10_000)), "has more than 89,478,485 pixels"),
    "a picture without its pixels": (lambda it: _picture(it, _png(5000, 5000)), "can't be read as a picture"),
    "pictures that fill the memory together": (_many_pictures, "GiB of memory"),
    "a program for a picture": (lambda it: _picture(it, _EPS), "is no PNG, JPEG, BMP or WebP file"),
    "a picture that is a link to itself": (_looped, "a holds no picture"),
    "pickled arrays": (_pickled_npz, "holds Python objects"),
    "an array of 10^12 values": (lambda it: _npz(it, _npy(_array((10, 10**11)))), "takes 4,000,000,000,000"),
    "an array of -10 times -10 values": (lambda it: _npz(it, _npy(_array((-10, -1)), bytes(40))), "is damaged"),
    "an array of a number of 9,000 digits": (lambda it: _npz(it, _npy(_array((10, 10**3000)))), "is damaged"),
    "an array with a nested header": (lambda it: _npz(it, _npy(b"(" * 9000)), "is damaged"),
    "an array with a program for a header": (
        lambda it: _npz(it, _npy(b"__import__('os').system('touch was-here')")),
        "is damaged",
    ),
    "an array with a header of 4 GB": (lambda it: _npz(it, b"\x93NUMPY\x02\x00\xff\xff\xff\xff" + bytes(1000)), "is damaged"),
    "arrays that are packed otherwise": (
        lambda it: _npz(it, _npy(_array((10, 1)), bytes(40)), zipfile.ZIP_LZMA),
        "is packed in a way",
    ),
    "a zip that unpacks to 1.5 GB": (_zip_bomb, "GiB of memory"),
    "arrays with a place outside": (
        lambda it: _npz(it, _npy(_array((10, 1)), bytes(40)), name="../../outside/x"),
        "has no array x",
    ),
    "pictures of digits that say 10^13": (lambda it: _idx_bomb(it, b"\0\0\x08\x03" + b"\0\1\0\0" * 3, 0), "and at most"),
    "more than 60,000 digits": (
        lambda it: _idx_bomb(it, struct.pack(">IIII", 0x803, 60_000, 28, 28), 200_000_000),
        "and it has more",
    ),
    "pickles for CIFAR": (_cifar, "is damaged: its MD5"),
    "one long series among short ones": (
        lambda it: _text(it, "a.ts", f"{_TS}{','.join('1' * 200_000)}:a\n" + "1:b\n" * 5000),
        "5,001 series padded to 200,000 steps",
    ),
    "one long text among short ones": (
        lambda it: _text(it, "a.txt", "a\tx\n" * 10_000 + f"{'a' * 200_000}\tx\n"),
        "texts padded to 200,000 characters would take",
    ),
    "a nested line": (lambda it: _text(it, "a.jsonl", '{"text": ' + _NESTED + "}\n"), "can't be read as JSON"),
    "a table of 100,000 columns of one name": (lambda it: _text(it, "a.csv", "a," * 100_000 + "a\n"), "are both called"),
    "a cell without an end": (lambda it: _text(it, "a.csv", 'a,b\n1,"' + "x" * 10_000_000), "can't be read"),
    "a table that is none": (lambda it: _text(it, "a.csv", os.urandom(100_000)), "is not UTF-8 text"),
    "a Parquet file that is none": (lambda it: _text(it, "a.parquet", b"PAR1" + os.urandom(1000) + b"PAR1"), "error"),
    "a text that is none": (lambda it: _text(it, "a.bin", b"\xff" * 1000), "is not UTF-8 text"),
    "a pipe for a table": (_piped, "a device or a pipe"),
}


@pytest.mark.parametrize(("make", "words"), DATA.values(), ids=DATA)
def test_hostile_data_is_refused(commands: Commands, place: Path, make: Callable[[Path], str], words: str) -> None:
    """By `train`, with exit code 3."""
    data = make(place / "work")
    config = _config(place, data)
    _refused(commands, place, 3, words, "train", config.name, "--data-dir", ".")


def test_a_hostile_file_to_predict_is_refused(commands: Commands, place: Path) -> None:
    """It is read like data to train on."""
    work = place / "work"
    np.savez(work / "good.npz", x=np.zeros((20, 3), np.float32), y=np.arange(20) % 2)
    config = _config(place, "{name: arrays, path: good.npz}")
    assert commands(work, "train", config.name, "--name", "arrays").code == 0
    _npz(work, _npy(_array((10, 10**11))))
    _refused(commands, place, 3, "takes 4,000,000,000,000", "predict", "arrays", "a.npz", "--output", "out.csv")


def test_a_log_of_garbage_holds_no_run_up(commands: Commands, place: Path) -> None:
    """It is written anew from where it makes sense; nothing else is touched."""
    log = place / "work" / "runs" / "run" / "metrics.jsonl"
    lines = [log.read_text().splitlines()[0], _NESTED, '{"event": 1, "epoch": "x"}', "\0\ufffd"]
    log.write_text("\n".join(lines))
    ending = commands(place / "work", "train", "--resume", "run", "--set", "train.epochs=3")
    assert "Traceback" not in ending.text
    assert ending.code == 0, ending.text
    assert ending.memory < MAX_MEMORY
    assert all(isinstance(json.loads(line), dict) for line in log.read_text().splitlines())
    assert not [*(place / "outside").iterdir()]
