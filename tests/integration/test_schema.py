"""`dlcli schema`: the JSON Schema for editors, and what one key means for a person in a terminal."""

from __future__ import annotations

import subprocess
import sys

import pytest
from jsonschema import Draft7Validator

from tests.integration.conftest import Cli


def test_the_schema_is_one_json_object_on_stdout(cli: Cli) -> None:
    """With and without `--json` the same schema, and nothing else anywhere."""
    plain, as_json = cli("schema"), cli("schema", "--json")
    assert (plain.code, plain.err) == (0, "")
    Draft7Validator.check_schema(plain.json)
    assert plain.out == as_json.out
    assert Draft7Validator(plain.json).is_valid({"data": "digits", "model": {"layers": ["flatten", {"linear": 10}]}})


def test_a_key_is_explained(cli: Cli) -> None:
    """Its whole path, prose, type, default, choices and an example, in lines that a terminal holds."""
    done = cli("schema", "--field", "train.optimizer")
    assert done.code == 0
    assert done.out.startswith("train.optimizer\n")
    for piece in (
        "type     one of the names below",
        "default  adam",
        "adamw     Adam with decoupled",
        "train:\n      optimizer: adam",
    ):
        assert piece in done.out
    assert max(map(len, done.out.splitlines())) <= 100


def test_a_required_field_says_so(cli: Cli) -> None:
    """Instead of a default."""
    done = cli("schema", "--field", "conv2d.out_channels")
    assert "  required\n" in done.out
    assert "default" not in done.out


def test_a_page_as_json(cli: Cli) -> None:
    """The same as an object."""
    page = cli("schema", "--field", "conv2d.padding", "--json").json
    assert set(page) == {"field", "type", "required", "default", "meaning", "choices", "fields", "example"}
    assert (page["field"], page["default"]) == ("model.layers.conv2d.padding", 0)


@pytest.mark.parametrize("key", ["train.optimzer", "conv2d.pading", "no.such.key"])
def test_a_misspelt_key_is_a_usage_error(cli: Cli, key: str) -> None:
    """Exit code 2, nothing on stdout, and what was probably meant."""
    done = cli("schema", "--field", key)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("error: ")
    assert "help: " in done.err


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("epochs", "did you mean `train.epochs`?"),
        ("lr", "did you mean `train.optimizer.lr`?"),
        ("adam.lr", "`data`, `model`, `train`; `dlcli schema --field model.layers` lists the layers"),
        ("conv2", "did you mean `conv2d`?"),
    ],
)
def test_a_key_without_its_section_is_found(key: str, meant: str, cli: Cli) -> None:
    """What is proposed has a page; of a key that is far from all the sections are listed, and no 70 layers."""
    done = cli("schema", "--field", key)
    assert (done.code, meant in done.err) == (2, True)
    if "did you mean" in meant:
        assert cli("schema", "--field", meant.split("`")[1]).code == 0


@pytest.mark.parametrize("arguments", [[], ["--field", "lstm.return"]])
def test_nothing_heavy_is_imported(arguments: list[str]) -> None:
    """An editor and a person wait for neither torch nor numpy."""
    code = "import sys; from dlcli.cli.main import run; run(sys.argv[1:]); print([m for m in ('torch', 'numpy') if m in sys.modules], file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code, "schema", *arguments], capture_output=True, text=True, check=True)
    assert done.stderr == "[]\n"
