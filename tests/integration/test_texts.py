"""Texts as people have them: what is wrong is said with file and line, and nothing is left behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.conftest import CONFIGS, Cli

LINES = """\
data: {name: text_lines, path: t.csv, test: test.csv, split: {valid: 0}}
model:
  layers:
    - embedding: 4
    - gru: {hidden_size: 4, return: last}
    - linear: ${data.num_classes}
train: {epochs: 1}
"""
CORPUS = """\
data: {name: text, path: t.txt, window: 8}
model:
  layers:
    - embedding: 4
    - gru: {hidden_size: 4}
    - linear: ${data.num_classes}
train: {epochs: 1}
"""
GOOD = "text,label\n" + "ab,x\nba,y\n" * 20


@pytest.mark.parametrize(
    ("config", "files", "message", "help"),
    [
        (LINES, {"t.csv": GOOD, "test.csv": "text,label\nab,x\n,y\n"}, "test.csv:3: column `text` is empty", "remove the row"),
        (
            LINES,
            {"t.csv": GOOD, "test.csv": "text,label\nab,z\n"},
            "test.csv:2: the label 'z' is never seen in training",
            "mend it",
        ),
        (
            LINES,
            {"t.csv": GOOD, "test.csv": "text,label\nqq,x\n"},
            "test.csv:2: none of the characters of 'qq'",
            "train on texts",
        ),
        (LINES, {"t.csv": GOOD, "test.csv": "words,label\nab,x\n"}, "test.csv:1: there is no column `text`", "data.text"),
        (LINES, {"t.csv": GOOD}, "the texts test.csv can't be had here", "a .csv, .tsv, .jsonl or .txt file"),
        (CORPUS, {"t.txt": "too short"}, "t.txt: the train split has 6 characters, expected at least 9", "a smaller data.window"),
        (CORPUS, {"t.txt": b"ab\n\xff\n"}, "t.txt:2: this line is not UTF-8 text", "save the file as text in UTF-8"),
    ],
)
def test_a_bad_text_ends_a_training_with_exit_code_3(
    cli: Cli, tmp_path: Path, config: str, files: dict[str, str | bytes], message: str, help: str
) -> None:
    """File and line, what was found, what to do; no run is begun."""
    (tmp_path / "c.yaml").write_text(config, encoding="utf-8")
    for name, content in files.items():
        (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    outcome = cli("train", "c.yaml")
    assert (outcome.code, outcome.out) == (3, "")
    assert message in outcome.err
    assert help in outcome.err.split("help:")[1]
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("{name: text_lines, path: t, unit: letters}", "`unit` must be 'characters', 'words' or 'bytes'"),
        ("{name: text_lines, path: t, unit: bytes, vocabulary: [a]}", "`vocabulary` is for characters and words"),
        ("{name: text_lines, path: t, vocabulary: [a, bc]}", "`vocabulary` is of characters, and 'bc' has 2"),
        ("{name: text_lines, path: t, vocabulary: [a, a]}", "`vocabulary` names something twice"),
        ("{name: text, path: t, lowercase: true}", "has no key `lowercase`"),
        ("{name: text, path: t, window: 0}", "`window` must be at least 1"),
        ("names.jsonl", "write `{name: text_lines, path: names.jsonl}`"),
    ],
)
def test_mistakes_in_the_config_are_shown_where_they_stand(cli: Cli, tmp_path: Path, data: str, message: str) -> None:
    """Before any file is looked for."""
    (tmp_path / "c.yaml").write_text(f"data: {data}\nmodel: {{layers: [linear: 2]}}\n", encoding="utf-8")
    outcome = cli("validate", "c.yaml")
    assert outcome.code == 2
    assert message in outcome.err + outcome.out
    assert "c.yaml:1:" in outcome.err + outcome.out


@pytest.mark.parametrize("name", ["number_words.yaml", "tagger.yaml"])
def test_the_shipped_configs_find_their_texts_from_any_folder(cli: Cli, name: str) -> None:
    """They lie beside the config."""
    assert cli("validate", "--strict", CONFIGS / name).code == 0
