"""`dlcli predict`: each format's answers are what plain torch makes of the run's network, in the order of the file."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

import dlcli
from dlcli.errors import DataError
from tests.integration.conftest import Cli

Trained = Callable[[str], Path]

_TS = """\
@problemName vowels
@univariate false
@dimensions 2
@equalLength false
@classLabel true one two
@data
"""
_SERIES = """\
data: {name: ts, path: V_TRAIN.ts, split: {valid: 0, test: 0}}
model: {layers: [gru: {hidden_size: 4, return: last, bidirectional: true}, linear: "${data.num_classes}"]}
train: {epochs: 2, batch_size: 8}
"""
_WINDOWS = _SERIES.replace(
    "gru: {hidden_size: 4, return: last, bidirectional: true}", "conv1d: {out_channels: 2, kernel_size: 3}, global_max_pool"
)
_FORECAST = """\
data: {name: csv, path: hours.csv, target: [load, wind], time: date, window: 6, horizon: 3}
model: {layers: [gru: {hidden_size: 4, return: last}, linear: "${data.num_targets}"]}
train: {epochs: 1, loss: mse}
"""
_TAGS = """\
data: {name: text_lines, path: t.jsonl, unit: words, split: {valid: 0, test: 0}}
model: {layers: [embedding: 4, gru: {hidden_size: 4}, linear: "${data.num_classes}"]}
train: {epochs: 1}
"""
_NAMES = """\
data: {name: text_lines, path: t.csv, split: {valid: 0, test: 0}}
model: {layers: [embedding: 4, gru: {hidden_size: 4, return: last}, linear: "${data.num_classes}"]}
train: {epochs: 1}
"""
_CORPUS = """\
data: {name: text, path: t.txt, window: 8}
model: {layers: [embedding: 4, LAYER, linear: "${data.num_classes}"]}
train: {epochs: 2}
"""
_PICTURES = "data: {name: digits, limit: 60}\nmodel: {layers: [flatten, linear: 10]}\ntrain: {epochs: 1}\n"
_MADE_UP = "data: {name: random, sizes: 3, num_samples: 60}\nmodel: {layers: [linear: 10]}\ntrain: {epochs: 1}\n"


def _series() -> list[np.ndarray]:
    """150 series of 3 to 9 steps with 2 dimensions, in no order of length: more than a batch has."""
    generator = np.random.default_rng(0)
    return [generator.normal(size=(int(steps), 2)).round(3) for steps in generator.integers(3, 10, 150)]


def _ts_lines(series: list[np.ndarray]) -> str:
    rows = (":".join(",".join(f"{value:.3f}" for value in channel) for channel in one.T) for one in series)
    return _TS + "".join(f"{row}:{('one', 'two')[number % 2]}\n" for number, row in enumerate(rows))


def _hour(hour: int) -> str:
    return f"2024-01-{1 + hour // 24:02} {hour % 24:02}:00,{500 + 90 * np.sin(hour / 4):.4f},{hour % 7}.5"


@pytest.fixture
def trained(cli: Cli, tmp_path: Path) -> Trained:
    """Trains a config to the run `r` on files of its kind."""
    (tmp_path / "V_TRAIN.ts").write_text(_ts_lines(_series()))
    (tmp_path / "hours.csv").write_text("\n".join(["date,load,wind", *map(_hour, range(100))]))
    tags = [{"text": ["a", "dog", "ran"][: 1 + n % 3], "label": ["D", "N", "V"][: 1 + n % 3]} for n in range(12)]
    (tmp_path / "t.jsonl").write_text("".join(json.dumps(row) + "\n" for row in tags))
    (tmp_path / "t.csv").write_text("text,label\n" + "=ab,+x\nbab,-1 or 2\n" * 10)
    (tmp_path / "t.txt").write_text("to be or not to be, that is the question\n" * 12)

    def train(config: str) -> Path:
        (tmp_path / "c.yaml").write_text(config)
        outcome = cli("train", "c.yaml", "--name", "r", "--device", "cpu")
        assert outcome.code == 0, outcome.err
        return tmp_path / "runs" / "r"

    return train


def test_series_of_different_lengths_get_the_class_that_each_gets_alone(cli: Cli, trained: Trained) -> None:
    """By plain torch, one series at a time, in the order of the file; the answers in the file are not looked at."""
    run = trained(_SERIES)
    series = _series()
    found = cli("predict", "r", "V_TRAIN.ts", "--device", "cpu", "--json").json
    network, scale = dlcli.load(run), json.loads((run / "run.json").read_text())
    assert scale["data"]["classes"] == ["one", "two"]
    steps = np.concatenate(series).astype(np.float32)
    mean, std = steps.mean(axis=0, dtype=np.float64), steps.std(axis=0, dtype=np.float64)
    with torch.no_grad():
        for one, row in zip(series, found["predictions"], strict=True):
            alone = network(torch.tensor((one - mean) / std, dtype=torch.float32)[None]).softmax(1)[0]
            torch.testing.assert_close(torch.tensor(list(row["probabilities"].values())), alone, rtol=1e-4, atol=1e-5)
            assert (row["class"], row["probability"]) == (("one", "two")[int(alone.argmax())], max(row["probabilities"].values()))
    assert (found["samples"], found["predictions"][0]["sample"], list(row["probabilities"])) == (150, "line 7", ["one", "two"])
    padded = np.full((150, 9, 2), np.nan, np.float32)
    for one, place in zip(series, padded, strict=True):
        place[: len(one)] = one
    from_python = dlcli.predict(run, padded, lengths=[len(one) for one in series], device="cpu")
    assert isinstance(from_python, torch.Tensor)
    listed = torch.tensor([list(row["probabilities"].values()) for row in found["predictions"]])
    torch.testing.assert_close(from_python, listed, rtol=1e-6, atol=1e-7)


def test_forecasts_go_on_in_time_and_in_the_units_of_the_data(cli: Cli, trained: Trained, tmp_path: Path) -> None:
    """From the last window of the file; standardised and back by plain arithmetic on the rows of the training."""
    run = trained(_FORECAST)
    outcome = cli("predict", "r", "hours.csv", "--output", "next.csv", "--device", "cpu")
    assert outcome.code == 0, outcome.err
    rows = list(csv.DictReader(io.StringIO((tmp_path / "next.csv").read_text())))
    assert [row["date"] for row in rows] == ["2024-01-05 04:00", "2024-01-05 05:00", "2024-01-05 06:00"]
    values = np.array([[500 + 90 * round(np.sin(h / 4), 9), h % 7 + 0.5] for h in range(100)])
    mean, std = values[:72].mean(axis=0), values[:72].std(axis=0)
    window = torch.tensor((values[-6:] - mean) / std, dtype=torch.float32)[None]
    with torch.no_grad():
        expected = dlcli.load(run)(window).numpy().reshape(3, 2) * std + mean
    np.testing.assert_allclose([[float(row["load"]), float(row["wind"])] for row in rows], expected, rtol=1e-4)
    from_python = dlcli.predict(run, values[-6:][None], device="cpu")
    np.testing.assert_allclose(from_python, expected.reshape(1, 6), rtol=1e-4)
    assert expected[:, 0].min() > 200


def test_each_step_has_its_own_row(cli: Cli, trained: Trained, tmp_path: Path) -> None:
    """Only the steps that are there, each with its tag's name; JSON lines hold the same rows."""
    trained(_TAGS)
    (tmp_path / "new.jsonl").write_text('{"text": ["dog", "ran"]}\n{"text": ["a", "dog", "ran"]}\n{"text": ["ran"]}\n')
    rows = cli("predict", "r", "new.jsonl", "--json").json["predictions"]
    assert [(row["sample"], row["step"]) for row in rows] == [
        ("dog ran", 1),
        ("dog ran", 2),
        ("a dog ran", 1),
        ("a dog ran", 2),
        ("a dog ran", 3),
        ("ran", 1),
    ]
    assert {row["class"] for row in rows} <= {"D", "N", "V"}
    assert rows[0]["probabilities"] == pytest.approx({name: rows[0]["probabilities"][name] for name in "DNV"})
    lines = cli("predict", "r", "new.jsonl", "--output", "out.jsonl")
    assert lines.code == 0
    assert [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()] == rows


def test_texts_come_from_a_file_or_from_standard_input(trained: Trained, cli: Cli, tmp_path: Path) -> None:
    """The same answers; no cell of a spreadsheet becomes a formula, and numbers stay numbers."""
    trained(_NAMES)
    (tmp_path / "new.csv").write_text("text\n=ab\nbab\n")
    of_file = cli("predict", "r", "new.csv")
    command = [sys.executable, "-m", "dlcli", "predict", "r", "-"]
    done = subprocess.run(command, cwd=tmp_path, input=b"=ab\r\nbab\n", capture_output=True, check=False)
    assert (done.returncode, done.stdout.decode()) == (0, of_file.out)
    head, *rows = csv.reader(io.StringIO(of_file.out))
    assert head == ["sample", "class", "probability"]
    assert [row[0] for row in rows] == ["'=ab", "bab"]
    assert all(row[1] in ("'+x", "'-1 or 2") and 0.5 <= float(row[2]) <= 1 for row in rows)


@pytest.mark.parametrize(
    ("content", "code", "words"),
    [
        (b"", 3, "standard input is empty"),
        (b"\xff\n", 3, "standard input is not UTF-8"),
        (b"bab", 0, ""),
        (b"bab\n\n", 3, "is empty"),
    ],
)
def test_standard_input_holds_a_text_in_each_line(
    cli: Cli, trained: Trained, monkeypatch: pytest.MonkeyPatch, content: bytes, code: int, words: str
) -> None:
    """With or without an end of the last line; what is none is said."""
    trained(_NAMES)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content)))
    outcome = cli("predict", "r", "-")
    assert outcome.code == code
    assert words in outcome.err
    monkeypatch.setattr("sys.stdin", None)
    assert "standard input is empty" in cli("predict", "r", "-").err


def test_a_column_of_the_data_keeps_its_name(cli: Cli, tmp_path: Path) -> None:
    """What leads to an answer makes way for a target that is called the same; a class after a window is one row."""
    rows = [f"{n / 9},{n % 5 + 0.5},{'ab'[n % 2]}" for n in range(60)]
    (tmp_path / "t.csv").write_text("\n".join(["x,sample,kind", *rows]))
    (tmp_path / "c.yaml").write_text(
        "data: {name: csv, path: t.csv, target: [sample], features: [x]}\nmodel: {layers: [linear: 1]}\ntrain: {epochs: 1, loss: mse, monitor: loss}\n"
    )
    assert cli("train", "c.yaml", "--name", "r").code == 0
    found = cli("predict", "r", "t.csv", "--json").json["predictions"]
    assert [*found[0]] == ["sample_", "sample"]
    assert [row["sample_"] for row in found] == [str(line) for line in range(2, 62)]
    (tmp_path / "c.yaml").write_text(
        "data: {name: csv, path: t.csv, target: kind, features: [x], window: 4, horizon: 2}\nmodel: {layers: [flatten, linear: 2]}\ntrain: {epochs: 1}\n"
    )
    assert cli("train", "c.yaml", "--name", "w").code == 0
    [row] = cli("predict", "w", "t.csv", "--json").json["predictions"]
    assert (row["step"], row["class"] in "ab") == ("2", True)


@pytest.mark.parametrize("inputs", [["series", "meta"], ["series"]])
def test_answers_for_each_step_stand_in_rows(cli: Cli, tmp_path: Path, inputs: list[str]) -> None:
    """As many as the sequence among the inputs has steps."""
    generator = np.random.default_rng(0)
    arrays = {"meta": generator.normal(size=(30, 2)), "series": generator.normal(size=(30, 5, 2))}
    np.savez(tmp_path / "a.npz", **arrays, y=arrays["series"][..., :1])
    layers = [{"gru": {"hidden_size": 3, "from": "series"}}, {"linear": 1}]
    data = {"name": "arrays", "path": str(tmp_path / "a.npz"), "inputs": inputs}
    train = {"epochs": 1, "loss": "mse", "monitor": "loss"}
    dlcli.train({"data": data, "model": {"layers": layers}, "train": train}, name="r", device="cpu")
    np.savez(tmp_path / "new.npz", **{name: array[:2] for name, array in arrays.items()})
    rows = cli("predict", "r", "new.npz", "--json").json["predictions"]
    assert [(row["sample"], row["step"]) for row in rows] == [(str(n), step) for n in range(2) for step in range(1, 6)]


def test_lengths_for_samples_of_one_size_are_refused(trained: Trained) -> None:
    """With what to do."""
    run = trained(_PICTURES)
    with pytest.raises(DataError, match="lengths were given, and the network reads samples of one size"):
        dlcli.predict(run, np.zeros((2, 8, 8), np.uint8), lengths=[8, 8])


def test_arrays_of_a_file_are_predicted_as_those_given_to_python(cli: Cli, tmp_path: Path) -> None:
    """Values of padded sequences at every step, in the data's units; what is in the padding is no matter."""
    generator = np.random.default_rng(1)
    x, lengths = generator.normal(size=(30, 5, 2)).astype(np.float32), np.arange(30) % 5 + 1
    np.savez(tmp_path / "a.npz", x_train=x, y_train=100 + 7 * x[..., :1], lengths_train=lengths)
    layers = [{"gru": 3}, {"linear": 1}]
    data = {"name": "arrays", "path": str(tmp_path / "a.npz"), "split": {"valid": 0, "test": 0}}
    train = {"epochs": 1, "loss": "mse", "monitor": "loss"}
    run = dlcli.train({"data": data, "model": {"layers": layers}, "train": train}, name="r", device="cpu")
    np.savez(tmp_path / "new.npz", x=np.where(np.arange(5)[:, None] < lengths[:, None, None], x, np.nan), lengths=lengths)
    found = cli("predict", "r", "new.npz", "--json", "--device", "cpu").json["predictions"]
    expected = dlcli.predict(run, x, lengths=lengths, device="cpu")
    assert isinstance(expected, torch.Tensor)
    assert [(row["sample"], row["step"]) for row in found[:4]] == [("0", 1), ("1", 1), ("1", 2), ("2", 1)]
    valid = torch.arange(5) < torch.tensor(lengths)[:, None]
    np.testing.assert_allclose([row["value"] for row in found], expected[valid][:, 0], rtol=1e-6)
    assert float(expected[~valid].abs().max()) == 0
    assert 50 < float(expected[valid].min()) < 150


@pytest.mark.parametrize(
    ("config", "arguments", "code", "words"),
    [
        (_SERIES, ["V_TRAIN.ts", "--prompt", "x"], 2, ["a file and --prompt"]),
        (_SERIES, [], 2, ["nothing to predict", "dlcli predict latest FILE"]),
        (_SERIES, ["--prompt", "x"], 2, ["is no language model", "dlcli predict", "FILE"]),
        (_SERIES, ["nowhere.ts"], 3, ["nowhere.ts", "there is no file"]),
        (_SERIES, ["wide.ts"], 3, ["wide.ts has samples of 3 features, and the network reads 2"]),
        (_SERIES, ["-"], 2, ["`-` reads texts"]),
        (_SERIES, ["V_TRAIN.ts", "--output", "p.txt"], 2, ["ends neither in .csv nor in .jsonl"]),
        (_SERIES, ["V_TRAIN.ts", "--output", "no/p.csv"], 2, ["there is no folder no"]),
        (_SERIES, ["p.png"], 2, ["p.png is a picture, and runs/r was trained on `ts`", "give a .ts file"]),
        (_SERIES, ["V_TRAIN.ts", "--top-k", "3"], 2, ["more classes than the 2 there are"]),
        (_SERIES, ["V_TRAIN.ts", "--invert"], 2, ["--invert is for picture files"]),
        (_SERIES, ["V_TRAIN.ts", "-"], 2, ["`-` is standard input, and files were given too"]),
        (_FORECAST, ["hours.csv", "--top-k", "1"], 2, ["--top-k is about classes", "predicts values"]),
        (_FORECAST, ["hours.csv", "--probabilities"], 2, ["--probabilities is about classes"]),
        (_PICTURES, ["t.csv"], 2, ["t.csv is a table, and runs/r was trained on `digits`", "give pictures"]),
        (_MADE_UP, ["t.csv"], 2, ["was trained on `random`", "dlcli.predict(RUN, ARRAY)"]),
        (_SERIES, ["V_TRAIN.ts", "--output", "folder.csv"], 2, ["folder.csv is a folder"]),
        (_WINDOWS, ["short.ts"], 3, ["short.ts: sample 0 has 2 steps, and `conv1d_1` needs at least 3"]),
        (_FORECAST, ["hours.csv", "--output", "hours.csv"], 2, ["is the file that is to be read"]),
        (_FORECAST, ["t.csv"], 3, ["t.csv has no column `load`"]),
    ],
)
def test_what_can_not_be_predicted_is_said(
    cli: Cli, trained: Trained, tmp_path: Path, config: str, arguments: list[str], code: int, words: list[str]
) -> None:
    """What was found and what to do; nothing is printed on stdout, and no file is written or changed."""
    trained(config)
    (tmp_path / "p.png").write_bytes(b"\x89PNG")
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "short.ts").write_text(_TS + "1,2:1,2\n")
    (tmp_path / "wide.ts").write_text(_TS.replace("@dimensions 2", "@dimensions 3") + "1,2,3:1,2,3:1,2,3:one\n")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    outcome = cli("predict", "r", *arguments)
    assert (outcome.code, outcome.out) == (code, ""), outcome.err
    for word in words:
        assert word in outcome.err
    assert before == {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}


@pytest.mark.parametrize("output", ["D/new.ts.csv", "link.csv"])
def test_an_input_is_never_replaced(cli: Cli, trained: Trained, tmp_path: Path, output: str) -> None:
    """Wherever it was found: also in the folder of --data-dir, by the name it has there or by that of a link to it."""
    trained(_FORECAST)
    (tmp_path / "D").mkdir()
    (tmp_path / "hours.csv").rename(tmp_path / "D" / "new.ts.csv")
    (tmp_path / "link.csv").symlink_to("D/new.ts.csv")
    before = (tmp_path / "D" / "new.ts.csv").read_bytes()
    outcome = cli("predict", "r", "new.ts.csv", "--data-dir", "D", "--output", output)
    assert (outcome.code, outcome.out) == (2, "")
    assert f"{output} is the file that is to be read" in outcome.err
    assert (tmp_path / "D" / "new.ts.csv").read_bytes() == before
    (tmp_path / "other.csv").write_text("old")
    assert cli("predict", "r", "new.ts.csv", "--data-dir", "D", "--output", "other.csv").code == 0
    assert (tmp_path / "other.csv").read_text().startswith("date,load,wind\n")


@pytest.mark.parametrize("name", ["x" * 300, "folder/" * 800])
def test_a_name_that_no_file_can_have_is_refused(cli: Cli, trained: Trained, tmp_path: Path, name: str) -> None:
    """As data that is not there, also beside an output that is."""
    trained(_FORECAST)
    (tmp_path / "found.csv").write_text("old")
    outcome = cli("predict", "r", name, "--output", "found.csv")
    assert (outcome.code, outcome.out) == (3, "")
    assert f"no file can be called '{name[:50]}" in outcome.err
    assert (tmp_path / "found.csv").read_text() == "old"


def test_a_series_that_is_no_fit_for_a_fixed_length_is_named(cli: Cli, tmp_path: Path) -> None:
    """Both numbers of steps and where it stands."""
    head = _TS.replace("@equalLength false", "@equalLength true")
    (tmp_path / "E_TRAIN.ts").write_text(head + "1,2,3:1,2,4:one\n2,2,3:1,5,4:two\n" * 5)
    (tmp_path / "new.ts").write_text(_TS + "1,2,3:1,2,4\n2,2:1,5\n")
    (tmp_path / "c.yaml").write_text(_SERIES.replace("V_TRAIN", "E_TRAIN"))
    assert cli("train", "c.yaml", "--name", "r").code == 0
    outcome = cli("predict", "r", "new.ts")
    assert outcome.code == 3
    assert "new.ts: 'line 8' has 2 steps, and the network reads sequences of 3" in outcome.err


def _greedy(run: Path, prompt: str, length: int, window: int | None) -> str:
    """The most likely text, by reading all of it, or its last `window` characters, anew for each character."""
    network = dlcli.load(run)
    entries = yaml.safe_load((run / "config.resolved.yaml").read_text())["data"]["vocabulary"]
    tokens = [1 + entries.index(character) for character in prompt]
    with torch.no_grad():
        for _ in range(length):
            seen = tokens if window is None else tokens[-window:]
            logits = network(torch.tensor(seen)[None])[0, -1]
            tokens.append(1 + int(logits[1:].argmax()))
    return "".join(entries[token - 1] for token in tokens)


@pytest.mark.parametrize(
    ("layer", "window"),
    [
        ("lstm: {hidden_size: 8, num_layers: 2}", None),
        ("gru: {hidden_size: 8, bidirectional: true}", 8),
        ("conv1d: {out_channels: 8, kernel_size: 3, padding: 1}", 8),
    ],
)
def test_the_most_likely_text_is_that_of_reading_all_of_it_again(
    cli: Cli, trained: Trained, layer: str, window: int | None
) -> None:
    """A carried state gives what reading from the begin gives; networks without one read the last window each time."""
    run = trained(_CORPUS.replace("LAYER", layer))
    outcome = cli("predict", "r", "--prompt", "to be or no", "--length", 30, "--temperature", 0, "--device", "cpu")
    assert outcome.code == 0, outcome.err
    assert outcome.out == _greedy(run, "to be or no", 30, window) + "\n"


def test_a_network_of_whole_windows_needs_a_prompt_that_fills_one(cli: Cli, trained: Trained) -> None:
    """Fewer characters can't be read at all; from then on the last window is read each time."""
    whole = 'flatten, linear: "${8 * data.vocabulary_size}", reshape: [8, "${data.vocabulary_size}"]'
    run = trained(_CORPUS.replace('LAYER, linear: "${data.num_classes}"', whole))
    outcome = cli("predict", "r", "--prompt", "to be")
    assert outcome.code == 2
    assert "the prompt has 5 characters, and the network reads 8 at once" in outcome.err
    outcome = cli("predict", "r", "--prompt", "to be or", "--length", 9, "--temperature", 0, "--device", "cpu")
    assert outcome.out == _greedy(run, "to be or", 9, 8) + "\n"


def test_a_text_goes_on_from_one_output_alone(cli: Cli, trained: Trained) -> None:
    """A network of two says so, with their names."""
    layers = 'gru: {hidden_size: 4, name: body}, linear: {out_features: "${data.num_classes}", name: side}, '
    layers += 'linear: {out_features: "${data.num_classes}", name: main, from: body}'
    config = _CORPUS.replace('LAYER, linear: "${data.num_classes}"', layers).replace("]}", "], outputs: [side, main]}")
    trained(config)
    outcome = cli("predict", "r", "--prompt", "to")
    assert outcome.code == 2
    assert "has several outputs (side, main)" in outcome.err


def test_a_seed_gives_one_text_and_a_temperature_its_share_of_chance(cli: Cli, trained: Trained) -> None:
    """The same text twice, another with another seed; next to no temperature gives the most likely text."""
    run = trained(_CORPUS.replace("LAYER", "gru: 8"))

    def text(**options: object) -> str:
        given = [part for name, value in options.items() for part in (f"--{name}", value)]
        outcome = cli("predict", "r", "--prompt", "that", "--length", 40, "--device", "cpu", "--json", *given)
        found: str = outcome.json["continuation"]
        assert len(found) == 40
        return found

    assert text() == text(seed=0, temperature=0.8) != text(seed=1)
    assert text(temperature=0) == text(temperature=1e-30) == text(temperature=1e-30, seed=3) == _greedy(run, "that", 40, None)[4:]


def test_bytes_and_words_go_on_too(cli: Cli, trained: Trained, tmp_path: Path) -> None:
    """Words behind spaces; of bytes, of which any may be in a prompt, the text that they are."""
    trained(_CORPUS.replace("window: 8", "window: 8, unit: words").replace("LAYER", "gru: 4"))
    outcome = cli("predict", "r", "--prompt", "to be", "--length", 3)
    assert len(outcome.out.split()) == 5
    assert cli("predict", "r", "--prompt", "to bee").err.startswith(
        "error: the prompt has words that the run's vocabulary has not: 'bee'"
    )
    (tmp_path / "c.yaml").write_text(_CORPUS.replace("window: 8", "window: 8, unit: bytes").replace("LAYER", "gru: 4"))
    assert cli("train", "c.yaml", "--name", "b").code == 0
    outcome = cli("predict", "b", "--prompt", "zwölf", "--length", 5, "--temperature", 0)
    assert outcome.code == 0
    assert outcome.out.startswith("zwölf")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--prompt", "to ZE"], ["characters that the run's vocabulary has not: 'Z', 'E'"]),
        (["--prompt", ""], ["the prompt is empty"]),
        (["--prompt", "to", "--length", "0"], ["the length is 0", "at least 1"]),
        (["--prompt", "to", "--temperature", "-1"], ["the temperature is -1.0"]),
        (["--prompt", "to", "--temperature", "nan"], ["the temperature is nan"]),
        (["--prompt", "to", "--output", "p.csv"], ["--output is for the predictions of files"]),
        (["--prompt", "to", "--top-k", "2"], ["--top-k is for the predictions of files"]),
        (["t.txt"], ["was trained on `text`", "--prompt"]),
    ],
)
def test_a_text_that_can_not_begin_is_said(cli: Cli, trained: Trained, arguments: list[str], words: list[str]) -> None:
    """Exit code 2, with what was found and what to do."""
    trained(_CORPUS.replace("LAYER", "gru: 4"))
    outcome = cli("predict", "r", *arguments)
    assert (outcome.code, outcome.out) == (2, ""), outcome.err
    for word in words:
        assert word in outcome.err


def test_several_outputs_stand_side_by_side(cli: Cli, tmp_path: Path) -> None:
    """Each under its name: a class, a yes-or-no answer, and a value in its units."""
    generator = np.random.default_rng(2)
    x = generator.normal(size=(60, 3)).astype(np.float32)
    kind = np.arange(60) % 3
    np.savez(tmp_path / "a.npz", x_train=x, kind_train=kind, even_train=kind % 2, size_train=1000 + x[:, :1])
    ends = [("kind", 3), ("even", 1), ("size", 1)]
    layers = [{"linear": {"from": "input", "out_features": width, "name": name}} for name, width in ends]
    data = {"name": "arrays", "path": str(tmp_path / "a.npz"), "targets": ["kind", "even", "size"]}
    loss = {"kind": "cross_entropy", "even": "binary_cross_entropy", "size": "mse"}
    model = {"layers": layers, "outputs": ["kind", "even", "size"]}
    run = dlcli.train(
        {"data": data, "model": model, "train": {"epochs": 1, "loss": loss, "monitor": "loss"}}, name="r", device="cpu"
    )
    np.savez(tmp_path / "new.npz", x=x[:4])
    rows = cli("predict", "r", "new.npz", "--json", "--device", "cpu").json["predictions"]
    expected = dlcli.predict(run, x[:4], device="cpu")
    assert isinstance(expected, dict)
    for row, of_kind, of_even, size in zip(rows, expected["kind"], expected["even"], expected["size"], strict=True):
        assert row["kind/class"] == int(of_kind.argmax())
        assert row["even/class"] == int(of_even > 0.5)
        assert row["even/probability"] == pytest.approx(max(float(of_even), 1 - float(of_even)), rel=1e-5)
        assert row["size/value"] == pytest.approx(float(size), rel=1e-6)
        assert 990 < row["size/value"] < 1010


@pytest.mark.parametrize(
    ("lengths", "words"),
    [
        ([3, 2], "expected 3 whole numbers"),
        ([3, 2, 0], "the length of sample 2 is 0, expected 1 to 9"),
        ([3, 2, 10], "the length of sample 2 is 10, expected 1 to 9"),
        ([3.0, 2.0, 1.0], "expected 3 whole numbers"),
    ],
)
def test_lengths_that_are_none_are_refused(trained: Trained, lengths: list[float], words: str) -> None:
    """With what was found and what is expected."""
    run = trained(_SERIES)
    with pytest.raises(DataError, match=words):
        dlcli.predict(run, np.zeros((3, 9, 2)), lengths=lengths)
