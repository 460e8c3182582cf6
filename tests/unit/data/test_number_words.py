"""The project's own text sets: numbers written out."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest

FOLDER = Path(__file__).parents[3] / "configs" / "texts"

KNOWN = {
    "english": {
        13: "thirteen",
        40: "forty",
        99: "ninety-nine",
        100: "one hundred",
        342: "three hundred and forty-two",
        1_005: "one thousand and five",
        1_500: "one thousand five hundred",
        20_118: "twenty thousand one hundred and eighteen",
        999_999: "nine hundred and ninety-nine thousand nine hundred and ninety-nine",
    },
    "german": {
        1: "eins",
        11: "elf",
        12: "zwölf",
        16: "sechzehn",
        17: "siebzehn",
        20: "zwanzig",
        21: "einundzwanzig",
        30: "dreißig",
        67: "siebenundsechzig",
        70: "siebzig",
        101: "einhunderteins",
        111: "einhundertelf",
        1_000: "eintausend",
        1_001: "eintausendeins",
        21_000: "einundzwanzigtausend",
        101_000: "einhunderteintausend",
        654_321: "sechshundertvierundfünfzigtausenddreihunderteinundzwanzig",
    },
    "dutch": {
        1: "een",
        12: "twaalf",
        13: "dertien",
        14: "veertien",
        18: "achttien",
        21: "eenentwintig",
        22: "tweeëntwintig",
        33: "drieëndertig",
        80: "tachtig",
        100: "honderd",
        101: "honderdeen",
        200: "tweehonderd",
        1_000: "duizend",
        1_234: "duizend tweehonderdvierendertig",
        21_500: "eenentwintigduizend vijfhonderd",
    },
    "french": {
        16: "seize",
        17: "dix-sept",
        21: "vingt et un",
        22: "vingt-deux",
        61: "soixante et un",
        70: "soixante-dix",
        71: "soixante et onze",
        77: "soixante-dix-sept",
        80: "quatre-vingts",
        81: "quatre-vingt-un",
        91: "quatre-vingt-onze",
        99: "quatre-vingt-dix-neuf",
        100: "cent",
        101: "cent un",
        200: "deux cents",
        201: "deux cent un",
        280: "deux cent quatre-vingts",
        1_000: "mille",
        2_000: "deux mille",
        80_000: "quatre-vingt mille",
        200_000: "deux cent mille",
        200_200: "deux cent mille deux cents",
    },
    "italian": {
        3: "tre",
        14: "quattordici",
        17: "diciassette",
        21: "ventuno",
        23: "ventitré",
        28: "ventotto",
        38: "trentotto",
        81: "ottantuno",
        100: "cento",
        103: "centotré",
        108: "centootto",
        180: "centottanta",
        200: "duecento",
        1_000: "mille",
        1_001: "milleuno",
        2_000: "duemila",
        23_000: "ventitremila",
        21_450: "ventunomilaquattrocentocinquanta",
    },
    "spanish": {
        16: "dieciséis",
        21: "veintiuno",
        22: "veintidós",
        31: "treinta y uno",
        100: "cien",
        101: "ciento uno",
        500: "quinientos",
        700: "setecientos",
        999: "novecientos noventa y nueve",
        1_000: "mil",
        1_001: "mil uno",
        21_000: "veintiún mil",
        31_000: "treinta y un mil",
        100_000: "cien mil",
        101_101: "ciento un mil ciento uno",
    },
    "portuguese": {
        3: "três",
        16: "dezesseis",
        22: "vinte e dois",
        100: "cem",
        101: "cento e um",
        342: "trezentos e quarenta e dois",
        500: "quinhentos",
        1_000: "mil",
        1_001: "mil e um",
        1_100: "mil e cem",
        1_200: "mil e duzentos",
        1_234: "mil duzentos e trinta e quatro",
        21_000: "vinte e um mil",
    },
    "swedish": {
        1: "ett",
        14: "fjorton",
        18: "arton",
        21: "tjugoett",
        30: "trettio",
        40: "fyrtio",
        100: "etthundra",
        342: "trehundrafyrtiotvå",
        1_000: "ettusen",
        2_345: "tvåtusentrehundrafyrtiofem",
        21_000: "tjugoettusen",
        101_001: "etthundraettusenett",
    },
}
"""From textbooks and dictionaries, and not from the script."""


@pytest.fixture(scope="module")
def script() -> ModuleType:
    """The script as a module."""
    spec = importlib.util.spec_from_file_location("make_number_words", FOLDER / "make_number_words.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(("name", "function"), [("number_words.csv", "number_words"), ("number_parts.jsonl", "number_parts")])
def test_the_files_are_what_the_script_makes(script: ModuleType, name: str, function: str) -> None:
    """To the last byte, and small."""
    content = (FOLDER / name).read_bytes()
    assert content.decode() == getattr(script, function)()
    assert len(content) < 200_000


@pytest.mark.parametrize("language", KNOWN)
def test_known_numbers_are_written_as_dictionaries_have_them(script: ModuleType, language: str) -> None:
    """Elisions, accents, plurals, hyphens and the order of tens and units."""
    assert {number: script.LANGUAGES[language](number) for number in KNOWN[language]} == KNOWN[language]


def test_every_language_is_checked_and_names_each_number_once(script: ModuleType) -> None:
    """Two numbers never have the same name."""
    assert set(script.LANGUAGES) == set(KNOWN)
    numbers = [*range(1, 2_500), *range(2_500, 1_000_000, 997)]
    for written in script.LANGUAGES.values():
        assert len({written(number) for number in numbers}) == len(numbers)


def test_numbers_are_different_and_of_all_sizes(script: ModuleType) -> None:
    """From 1 to 999,999; equal seeds give equal ones, other seeds others."""
    numbers = script.numbers(400, 3)
    assert len(set(numbers)) == 400
    assert 1 <= min(numbers) <= 9
    assert 900_000 < max(numbers) <= 999_999
    assert numbers == script.numbers(400, 3) != script.numbers(400, 4)


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("zweiundvierzig", "00006661111111"),
        ("dreizehn", "00001111"),
        ("zwölftausenddreihundert", "44444666666622222222222"),
        ("tweeëntwintig", "0000661111111"),
        ("duizend een", "66666666000"),
        ("honderdeenduizend", "55555553336666666"),
    ],
)
def test_characters_are_tagged_with_their_decimal_place(script: ModuleType, text: str, label: str) -> None:
    """Counted by hand."""
    numbers = {"zweiundvierzig": 42, "dreizehn": 13, "zwölftausenddreihundert": 12_300}
    numbers |= {"tweeëntwintig": 22, "duizend een": 1_001, "honderdeenduizend": 101_000}
    parts = script.german_parts if "zw" in text or "drei" in text else script.dutch_parts
    found = list(parts(numbers[text]))
    assert "".join(part for part, _ in found) == text
    assert "".join(str(place) * len(part) for part, place in found) == label


def test_tags_tell_which_digits_are_not_zero(script: ModuleType) -> None:
    """Of every line in the file: the places that are tagged are those of the digits that the number has."""
    by_text = {script.german(number): number for number in script.numbers(script.NUMBERS_WITH_PARTS, 100)}
    by_text |= {script.dutch(number): number for number in script.numbers(script.NUMBERS_WITH_PARTS, 101)}
    for line in (FOLDER / "number_parts.jsonl").read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        digits = f"{by_text[entry['text']]:06}"[::-1]
        expected = {place for place, digit in enumerate(digits) if digit != "0"}
        expected -= {units for units in (0, 3) if digits[units : units + 2] in ("11", "21")}
        expected -= {3} if digits[3:] == "100" and "duizend" in entry["text"] else set()
        assert set(entry["label"]) - {script.JOINT} == expected, entry["text"]
