"""What becomes of predictions as a file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dlcli.app.predictions import Predictions, check_output
from dlcli.errors import UsageError

RECORDS = [
    {"sample": "-1.5", "=class": "=1+2", "probability": -0.5, "probabilities": {"=a": 0.25, "b": 0.75}},
    {"sample": "@x", "=class": "\tb", "probability": 0.5, "probabilities": {"=a": 0.5, "b": 0.5}},
]


@pytest.mark.parametrize("spreads", [False, True])
def test_a_table_has_no_formulas_and_numbers_stay_numbers(spreads: bool) -> None:
    """Texts that a spreadsheet would run get a ' before them; probabilities are there as columns on request."""
    found = Predictions(Path("r"), "best", ("a", "b"), 2, RECORDS, spreads=spreads)
    lines = found.as_text(".csv").splitlines()
    more = [",probability/=a,probability/b", ",0.25,0.75", ",0.5,0.5"] if spreads else ["", "", ""]
    expected = ["sample,'=class,probability", "-1.5,'=1+2,-0.5", "'@x,'\tb,0.5"]
    assert lines == [line + added for line, added in zip(expected, more, strict=True)]
    assert [json.loads(line) for line in found.as_text(".jsonl").splitlines()] == RECORDS


def test_an_output_that_no_file_can_be_called_is_refused() -> None:
    """Before anything is read."""
    with pytest.raises(UsageError, match=r"x\.\.\. can't be written: File name too long"):
        check_output(Path("x" * 300 + ".csv"))
