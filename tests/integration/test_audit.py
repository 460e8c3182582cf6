"""What commands do to the machine, as Python's audit hooks see it.

No program is started, nothing is asked of the network, no code comes from anywhere but installed packages, and nothing is
written outside the runs.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest

import dlcli

_PROGRAM: Final = Path(__file__).with_name("audited.py")
_PACKAGE: Final = Path(dlcli.__file__).parent
_INSTALLED: Final = tuple(
    {str(Path(sysconfig.get_path(name)).resolve()) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
)

_PLAIN: Final = """
data: {name: arrays, path: a.npz}
model: {layers: [linear: 8, relu, linear: 2]}
train: {epochs: 2, batch_size: 8, metrics: [accuracy]}
"""
_STRANGERS: Final = {
    "layer": "model: {layers: [stranger.Layer, linear: 2]}\n",
    "path": "model: {layers: ['{_target_: stranger.Layer}', linear: 2]}\n",
    "optimizer": "train: {optimizer: stranger.Optimizer}\n",
    "loss": "train: {loss: {name: 'stranger:loss'}}\n",
    "data": "data: {name: stranger}\n",
    "plugin": "plugins: [stranger.py]\n",
    "expression": "model: {layers: [linear: \"${__import__('stranger')}\"]}\n",
    "call": 'model: {layers: [linear: "${stranger()}"]}\n',
    "tag": "data: !!python/object/apply:os.system ['touch was-here']\n",
    "module tag": "data: !!python/module:stranger {}\n",
    "name tag": "data: !!python/name:stranger.x {}\n",
    "format": "vars: {x: '{0.__class__}'}\nmodel: {layers: [linear: '${vars.x}']}\n",
    "parent": "extends: ../stranger.py\n",
}
"""What each adds to a plain config, or puts in its place."""

_COMMANDS: Final = {
    "train": ["train", "plain.yaml", "--name", "plain"],
    "resume": ["train", "--resume", "plain", "--set", "train.epochs=3"],
    "eval": ["eval", "plain"],
    "export": ["export", "plain", "--to", "python", "--output", "runs/plain.py"],
    "predict": ["predict", "plain", "new.npz", "--output", "runs/out.csv"],
    "explain": ["explain", "plain"],
    **{f"stranger: {name}": ["train", f"{number}.yaml"] for number, name in enumerate(_STRANGERS)},
}


@dataclass(frozen=True)
class Audit:
    """What was noted of all commands.

    Attributes:
        place: the working folder; the folder for temporary files lies beside it.
        noted: by the name of the command the exit code, what it printed, and the events.
    """

    place: Path
    noted: dict[str, dict[str, Any]]

    def events(self, *names: str) -> list[tuple[str, str, str]]:
        """Those whose names begin so, each once: name, subject, the file of the code that caused it."""
        found = {
            tuple(event) for of_command in self.noted.values() for event in of_command["events"] if event[0].startswith(names)
        }
        return sorted(found)


@pytest.fixture(scope="module")
def audit(tmp_path_factory: pytest.TempPathFactory) -> Audit:
    """All commands, run one after the other in a process with the hook."""
    base = tmp_path_factory.mktemp("audit")
    place = base / "work"
    for folder in (place, base / "temporary"):
        folder.mkdir()
    for stranger in (place / "stranger.py", base / "stranger.py"):
        stranger.write_text("open('was-here', 'w').close()\n")
    inputs = np.random.default_rng(0).random((40, 3), dtype=np.float32)
    np.savez(place / "a.npz", x=inputs, y=np.arange(40) % 2)
    np.savez(place / "new.npz", x=inputs)
    (place / "plain.yaml").write_text(_PLAIN)
    for number, text in enumerate(_STRANGERS.values()):
        kept = [line for line in _PLAIN.splitlines() if line.partition(":")[0] != text.partition(":")[0]]
        (place / f"{number}.yaml").write_text("\n".join([*kept, text]))
    environment = {**os.environ, "TMPDIR": str(base / "temporary"), "PYTHONDONTWRITEBYTECODE": "1"}
    environment.pop("TORCHINDUCTOR_CACHE_DIR", None)  # set by torch for its children, where a test of this process needed it
    command = [sys.executable, str(_PROGRAM)]
    commands = json.dumps([*_COMMANDS.values()])
    done = subprocess.run(command, input=commands, capture_output=True, text=True, cwd=place, env=environment, check=True)
    return Audit(place, dict(zip(_COMMANDS, json.loads(done.stdout), strict=True)))


def test_plain_commands_do_their_work_and_strangers_are_refused(audit: Audit) -> None:
    """Else what is noted would say nothing."""
    for name in _COMMANDS:
        noted = audit.noted[name]
        assert noted["code"] == (2 if name.startswith("stranger") else 0), (name, noted["text"])
        assert noted["events"], name


_STARTS: Final = ("subprocess.", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "os.startfile", "pty.")


def test_no_program_is_started(audit: Audit) -> None:
    """Not even git or uname. What torch starts while it is imported, whatever a config says, is allowed by its name."""
    ldconfig = "/sbin/ldconfig"  # torch for CUDA looks for the library that loads libraries, with ctypes.util.find_library
    assert [event for event in audit.events(*_STARTS) if event[1] != ldconfig] == []


def test_nothing_is_asked_of_the_network(audit: Audit) -> None:
    """No connection, no name looked up. A run's lock notes the name of this machine, which is known without a question."""
    assert [event for event in audit.events("socket.", "urllib.") if event[0] != "socket.gethostname"] == []


def test_no_pickle_is_read(audit: Audit) -> None:
    """No class is looked up for one."""
    assert audit.events("pickle.") == []


def _is_installed(file: str) -> bool:
    """Whether code is that of Python, of an installed package or of dlcli."""
    if file.startswith("<frozen "):
        return True
    path = str(Path(file).resolve())
    return path.startswith(tuple(f"{folder}{os.sep}" for folder in (*_INSTALLED, str(_PACKAGE))))


def test_no_code_is_run_but_that_of_installed_packages(audit: Audit) -> None:
    """Dlcli itself runs one text that it wrote: an export, to compare it with the network.

    Other code without a file is what packages write for themselves, such as `dataclasses`.
    """
    for _, file, cause in audit.events("exec"):
        if file == "exported.py":
            assert cause == str(_PACKAGE / "app" / "export" / "python.py")
        elif Path(file).is_absolute():
            assert _is_installed(file)
        else:
            assert _is_installed(cause), (file, cause)
            assert not cause.startswith(str(_PACKAGE)), (file, cause)


def test_no_text_of_a_config_becomes_code(audit: Audit) -> None:
    """Nothing that is compiled or executed names the stranger, but for what our own modules say of strangers."""
    compiled = audit.events("compile", "exec")
    assert compiled
    assert [event for event in compiled if "stranger" in event[1] and not event[1].startswith(f"{_PACKAGE}{os.sep}")] == []


def test_nothing_that_a_config_names_is_imported(audit: Audit) -> None:
    """Though a module of that name lies in the working folder, where Python looks first."""
    imported = audit.events("import")
    assert any(name == "torch" for _, name, _ in imported)
    assert [event for event in imported if "stranger" in event[1]] == []
    assert not (audit.place / "was-here").exists()


_CHANGES: Final = (
    "open",
    "os.chmod",
    "os.chown",
    "os.link",
    "os.mkdir",
    "os.remove",
    "os.rename",
    "os.rmdir",
    "os.symlink",
    "os.truncate",
    "os.utime",
    "shutil.",
)


def test_nothing_is_written_outside_the_runs(audit: Audit) -> None:
    """But temporary files, where the machine has them."""
    places = (str(audit.place / "runs"), str(audit.place.with_name("temporary")), os.devnull)
    changed = audit.events(*_CHANGES)
    assert any(subject.startswith(places[0]) for _, subject, _ in changed)
    files = [event for event in changed if not event[1].isdigit()]  # a number stands for a file that was opened before
    assert [event for event in files if not event[1].startswith(places)] == []
