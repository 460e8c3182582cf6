"""Made-up tasks from a config to a judged run, and what is said of impossible ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.conftest import Cli

VALUES = "  layers:\n    - gru: {hidden_size: 4, return: last}\n    - linear: ${data.num_targets}\ntrain: {loss: mse, metrics: [mae]}\n"
TAGS = "  layers:\n    - embedding: 4\n    - lstm: 4\n    - linear: ${data.num_classes}\ntrain: {metrics: [accuracy]}\n"
STEPS = "  layers:\n    - rnn: 4\n    - linear: ${data.num_targets}\ntrain: {loss: mse, metrics: [mae]}\n"
VECTORS = "  layers: [linear: '${data.num_targets}']\ntrain: {loss: mse, metrics: [mae]}\n"
CLIPS = """\
  layers:
    - time_distributed:
        - flatten
        - linear: 8
    - gru: {hidden_size: 4, return: last}
    - linear: ${data.num_classes}
train: {metrics: [accuracy]}
"""

TASKS = {
    "adding": ("{name: adding, steps: 12, num_samples: 100}", VALUES),
    "adding of several lengths": ("{name: adding, steps: 12, min_steps: 5, num_samples: 100}", VALUES),
    "copy_memory": ("{name: copy_memory, delay: 3, length: 2, num_samples: 100}", TAGS),
    "parity": ("{name: parity, steps: 12, num_samples: 100}", TAGS),
    "parity of several lengths": ("{name: parity, steps: 12, min_steps: 5, num_samples: 100}", TAGS),
    "sine": ("{name: sine, steps: 12, num_samples: 100}", STEPS),
    "random": ("{name: random, sizes: [6], num_targets: 1, num_samples: 100}", VECTORS),
    "moving_digits": ("{name: moving_digits, frames: 3, size: 9, num_samples: 100}", CLIPS),
}


@pytest.mark.parametrize("task", TASKS)
def test_a_task_is_trained_and_judged(task: str, cli: Cli, tmp_path: Path) -> None:
    """From its shortest config; judged again it gives the same numbers on the same 20 samples, which are drawn as before."""
    data, rest = TASKS[task]
    (tmp_path / "task.yaml").write_text(f"data: {data}\nmodel:\n{rest}")
    trained = cli("train", "task.yaml", "--set", "train.epochs=1", "--device", "cpu", "--name", "r", "--json")
    assert trained.code == 0, trained.err
    assert trained.json["data"] == {"name": task.partition(" ")[0], "fallback": False}
    judged = cli("eval", "r", "--device", "cpu", "--json")
    assert judged.code == 0, judged.err
    assert judged.json["metrics"] == trained.json["test"]
    assert judged.json["samples"] == 20
    assert "notice" not in judged.json


@pytest.mark.parametrize(
    ("data", "code", "message"),
    [
        ("{name: copy_memory, delay: 0}", 2, "`delay` must be at least 1, not 0"),
        ("{name: copy_memory}", 2, "`copy_memory` needs `delay`"),
        ("{name: adding, steps: 10, min_steps: 20}", 2, "`min_steps` must be at most `steps`, 10, not 20"),
        ("{name: parity, steps: 60000, num_samples: 1000000}", 2, "more than 4,294,967,296 numbers"),
        ("{name: sine, noise: loud}", 2, "`noise` must be a number, not the text 'loud'"),
        ("{name: moving_digits, size: 4}", 2, "`size` must be at least 8, not 4"),
        ("{name: moving_digits, num_samples: 3}", 3, "the valid split would be empty"),
        ("{name: adding, num_samples: 2}", 3, "split would be empty"),
    ],
)
def test_impossible_tasks_are_refused(data: str, code: int, message: str, cli: Cli, tmp_path: Path) -> None:
    """In a sentence that names what is wrong, with nothing written."""
    (tmp_path / "task.yaml").write_text(f"data: {data}\nmodel:\n{CLIPS if 'moving' in data else VALUES}")
    outcome = cli("train", "task.yaml", "--device", "cpu")
    assert outcome.code == code, outcome.err
    assert message in outcome.err
    assert not (tmp_path / "runs").exists()
