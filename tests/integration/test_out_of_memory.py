"""A batch that does not find room: exit code 6, and a batch size that does."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

CONFIG = """\
data: {name: digits, resize: 64, limit: 600}
model:
  layers:
    - conv2d: {out_channels: 64, kernel_size: 3}
    - relu
    - conv2d: {out_channels: 64, kernel_size: 3}
    - relu
    - global_avg_pool
    - linear: ${data.num_classes}
train: {epochs: 1, batch_size: 256, max_steps: 2, accumulate: 1}
"""
"""A step of 256 samples takes about 1.9 GB."""

LIMITED = """
import resource, sys
import torch, torch._dynamo
from dlcli.cli.main import run
import dlcli.app.train
torch.set_num_threads(1)
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + int(sys.argv[1]) * 2**20,) * 2)
sys.exit(run(sys.argv[2:]))
"""
"""A process that may take so many MiB more than the imports did."""


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's limit of a process's memory")
def test_the_batch_size_that_is_said_to_fit_fits(tmp_path: Path) -> None:
    """Under a real limit: the error with what was asked for, the run's record, and the settings of the help, which succeed."""
    (tmp_path / "my.yaml").write_text(CONFIG)

    def train(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", LIMITED, "900", "train", "my.yaml", *arguments]
        return subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)

    failed = train("--name", "large")
    assert failed.returncode == 6, failed.stderr
    assert "error: there is not enough memory: " in failed.stderr
    found = re.search(
        r"help: (\d+) samples fit at a time: (--set train\.batch_size=\1 --set train\.accumulate=(\d+))\n", failed.stderr
    )
    assert found is not None, failed.stderr
    assert int(found[1]) * int(found[3]) == 256
    record = json.loads((tmp_path / "runs/large/run.json").read_text())
    assert (record["status"], record["exit_code"]) == ("failed", 6)
    again = train("--name", "small", *found[2].split())
    assert again.returncode == 0, again.stderr
