"""`dlcli doctor` on the command line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.integration.conftest import Cli


def test_a_machine_that_is_well_gives_0(cli: Cli) -> None:
    """A line for each check, and at the end what there is to mend; JSON says the same."""
    outcome = cli("doctor")
    assert outcome.code == 0, outcome.out
    told = cli("doctor", "--json").json
    assert told["ok"]
    assert told["faults"] == 0
    assert [line.split()[0] for line in outcome.out.splitlines() if line.startswith(("ok ", "warning "))] == [
        check["state"] for check in told["checks"]
    ]
    assert list(Path().iterdir()) == []


def test_a_fault_gives_2(cli: Cli) -> None:
    """Here runs that have nowhere to go; everything else is still looked at."""
    Path("file").touch()
    outcome = cli("doctor", "--runs-dir", "file", "--json")
    assert outcome.code == 2
    assert not outcome.json["ok"]
    faults = [check for check in outcome.json["checks"] if check["state"] == "fault"]
    assert [fault["check"] for fault in faults] == ["runs"]
    assert "--runs-dir" in faults[0]["help"]
    assert "\n\n1 fault" in cli("doctor", "--runs-dir", "file").out


_WITHOUT = """
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "torch":
            raise ImportError("libtorch_cpu.so: cannot open shared object file")

sys.meta_path.insert(0, Refuse())
from dlcli.cli.main import run
sys.exit(run(["doctor"]))
"""


def test_a_torch_that_can_not_be_imported_is_told(tmp_path: Path) -> None:
    """In a process of its own, without a traceback: a fault with its mend, and what is not looked at without it."""
    done = subprocess.run([sys.executable, "-c", _WITHOUT], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert done.returncode == 2
    assert "it can't be imported: libtorch_cpu.so" in done.stdout
    assert "help: pip install --force-reinstall torch" in done.stdout
    assert done.stdout.count("not looked at, since torch can't be imported") == 5
