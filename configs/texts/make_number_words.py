"""Makes the two small text sets beside it, from the rules of the languages alone: nothing is downloaded.

    python configs/texts/make_number_words.py

number_words.csv    numbers from 1 to 999,999 written out in eight languages; to be told: the language.
number_parts.jsonl  the same in German and in Dutch, where the digits stand in another order than they are written: `drei` can
                    be 3, 30, 300 or 3,000, and what follows says which. To be told: of each character, which decimal place
                    it belongs to (0 units to 5 hundred thousands), or 6 for what only joins: und, tausend, a space.

Equal runs make equal files. Numbers have one digit to six with equal chances, and none is twice in a language.
"""

# ruff: noqa: SIM905 (a row of words is read more easily than a list of quoted ones)

from __future__ import annotations

import csv
import io
import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path

NUMBERS_OF_A_LANGUAGE = 400
NUMBERS_WITH_PARTS = 600
MOST_DIGITS = 6
JOINT = 6
"""The tag of what belongs to no decimal place."""

Part = tuple[str, int]
"""Some characters and the decimal place that they belong to, or JOINT."""


def english(number: int) -> str:
    """British: three hundred and forty-two thousand and seven."""
    thousands, rest = divmod(number, 1000)
    if not thousands:
        return _english_below_1000(number)
    words = f"{_english_below_1000(thousands)} thousand"
    if not rest:
        return words
    return f"{words}{' and' if rest < 100 else ''} {_english_below_1000(rest)}"


_ENGLISH = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
).split()
_ENGLISH_TENS = ". . twenty thirty forty fifty sixty seventy eighty ninety".split()


def _english_below_1000(number: int) -> str:
    hundreds, rest = divmod(number, 100)
    tens, units = divmod(rest, 10)
    words = _ENGLISH[rest] if rest < 20 else _ENGLISH_TENS[tens] + (f"-{_ENGLISH[units]}" if units else "")
    if not hundreds:
        return words
    return f"{_ENGLISH[hundreds]} hundred" + (f" and {words}" if rest else "")


def french(number: int) -> str:
    """Of France, in the traditional spelling: quatre-vingts, but quatre-vingt-un and quatre-vingt mille."""
    thousands, rest = divmod(number, 1000)
    if not thousands:
        return _french_below_1000(number, is_last=True)
    words = "mille" if thousands == 1 else f"{_french_below_1000(thousands, is_last=False)} mille"
    return f"{words} {_french_below_1000(rest, is_last=True)}" if rest else words


_FRENCH = (
    "zéro un deux trois quatre cinq six sept huit neuf dix onze douze treize quatorze quinze seize dix-sept dix-huit dix-neuf"
).split()
_FRENCH_TENS = ". . vingt trente quarante cinquante soixante soixante quatre-vingt quatre-vingt".split()


def _french_below_1000(number: int, *, is_last: bool) -> str:
    """Vingt and cent have an s in the plural where nothing follows them."""
    hundreds, rest = divmod(number, 100)
    words = _french_below_100(rest, is_last=is_last) if rest else ""
    if not hundreds:
        return words
    cents = "cent" if hundreds == 1 else f"{_FRENCH[hundreds]} cent" + ("s" if is_last and not rest else "")
    return f"{cents} {words}" if rest else cents


def _french_below_100(number: int, *, is_last: bool) -> str:
    if number < 20:
        return _FRENCH[number]
    if number == 80:
        return "quatre-vingts" if is_last else "quatre-vingt"
    tens = number // 10
    units = number - 10 * tens + (10 if tens in (7, 9) else 0)
    if not units:
        return _FRENCH_TENS[tens]
    return f"{_FRENCH_TENS[tens]}{' et ' if units in (1, 11) and tens < 8 else '-'}{_FRENCH[units]}"


def italian(number: int) -> str:
    """One word: ventuno and ventotto lose a vowel, a final tre gets an accent."""
    thousands, rest = divmod(number, 1000)
    words = "" if not thousands else "mille" if thousands == 1 else f"{_italian_below_1000(thousands)}mila"
    words += _italian_below_1000(rest)
    return f"{words[:-1]}é" if words.endswith("tre") and number > 3 else words


_ITALIAN = (
    " uno due tre quattro cinque sei sette otto nove dieci undici dodici tredici quattordici quindici sedici diciassette "
    "diciotto diciannove"
).split(" ")
_ITALIAN_TENS = ". . venti trenta quaranta cinquanta sessanta settanta ottanta novanta".split()


def _italian_below_1000(number: int) -> str:
    hundreds, rest = divmod(number, 100)
    tens, units = divmod(rest, 10)
    words = _ITALIAN[rest] if rest < 20 else _ITALIAN_TENS[tens][: -1 if units in (1, 8) else None] + _ITALIAN[units]
    if not hundreds:
        return words
    cento = f"{_ITALIAN[hundreds] if hundreds > 1 else ''}cento"
    return (cento[:-1] if tens == 8 else cento) + words


def spanish(number: int) -> str:
    """Veintiún mil, treinta y un mil: uno is shortened before mil."""
    thousands, rest = divmod(number, 1000)
    if not thousands:
        return _spanish_below_1000(number)
    of_thousands = _spanish_below_1000(thousands)
    if of_thousands.endswith("veintiuno"):
        of_thousands = f"{of_thousands[:-3]}ún"
    elif of_thousands.endswith("uno"):
        of_thousands = of_thousands[:-1]
    words = "mil" if thousands == 1 else f"{of_thousands} mil"
    return f"{words} {_spanish_below_1000(rest)}" if rest else words


_SPANISH = (
    "cero uno dos tres cuatro cinco seis siete ocho nueve diez once doce trece catorce quince dieciséis diecisiete dieciocho "
    "diecinueve veinte veintiuno veintidós veintitrés veinticuatro veinticinco veintiséis veintisiete veintiocho veintinueve"
).split()
_SPANISH_TENS = ". . . treinta cuarenta cincuenta sesenta setenta ochenta noventa".split()
_SPANISH_HUNDREDS = (
    ". ciento doscientos trescientos cuatrocientos quinientos seiscientos setecientos ochocientos novecientos"
).split()


def _spanish_below_1000(number: int) -> str:
    hundreds, rest = divmod(number, 100)
    tens, units = divmod(rest, 10)
    words = _SPANISH[rest] if rest < 30 else _SPANISH_TENS[tens] + (f" y {_SPANISH[units]}" if units else "")
    if not hundreds:
        return words
    return f"{_SPANISH_HUNDREDS[hundreds]} {words}" if rest else "cien" if hundreds == 1 else _SPANISH_HUNDREDS[hundreds]


def portuguese(number: int) -> str:
    """Of Brazil: mil duzentos e trinta, but mil e duzentos and mil e trinta."""
    thousands, rest = divmod(number, 1000)
    if not thousands:
        return _portuguese_below_1000(number)
    words = "mil" if thousands == 1 else f"{_portuguese_below_1000(thousands)} mil"
    if not rest:
        return words
    return f"{words}{' e' if rest < 100 or rest % 100 == 0 else ''} {_portuguese_below_1000(rest)}"


_PORTUGUESE = (
    "zero um dois três quatro cinco seis sete oito nove dez onze doze treze catorze quinze dezesseis dezessete dezoito dezenove"
).split()
_PORTUGUESE_TENS = ". . vinte trinta quarenta cinquenta sessenta setenta oitenta noventa".split()
_PORTUGUESE_HUNDREDS = (". cento duzentos trezentos quatrocentos quinhentos seiscentos setecentos oitocentos novecentos").split()


def _portuguese_below_1000(number: int) -> str:
    hundreds, rest = divmod(number, 100)
    tens, units = divmod(rest, 10)
    words = _PORTUGUESE[rest] if rest < 20 else _PORTUGUESE_TENS[tens] + (f" e {_PORTUGUESE[units]}" if units else "")
    if not hundreds:
        return words
    return f"{_PORTUGUESE_HUNDREDS[hundreds]} e {words}" if rest else "cem" if hundreds == 1 else _PORTUGUESE_HUNDREDS[hundreds]


def swedish(number: int) -> str:
    """One word, in which no consonant stands three times: ettusen, tjugoettusen."""
    thousands, rest = divmod(number, 1000)
    words = f"{_swedish_below_1000(thousands)}tusen" if thousands else ""
    return (words + _swedish_below_1000(rest)).replace("ttt", "tt")


_SWEDISH = (" ett två tre fyra fem sex sju åtta nio tio elva tolv tretton fjorton femton sexton sjutton arton nitton").split(" ")
_SWEDISH_TENS = ". . tjugo trettio fyrtio femtio sextio sjuttio åttio nittio".split()


def _swedish_below_1000(number: int) -> str:
    hundreds, rest = divmod(number, 100)
    tens, units = divmod(rest, 10)
    words = _SWEDISH[rest] if rest < 20 else _SWEDISH_TENS[tens] + _SWEDISH[units]
    return f"{_SWEDISH[hundreds]}hundra{words}" if hundreds else words


def german(number: int) -> str:
    """One word, the units before the tens: zweiundvierzig."""
    return _text(german_parts(number))


def german_parts(number: int) -> Iterator[Part]:
    """The parts of a German number, in the order of the word."""
    thousands, rest = divmod(number, 1000)
    if thousands:
        yield from _german_below_1000(thousands, 3, is_last=False)
        yield "tausend", JOINT
    yield from _german_below_1000(rest, 0, is_last=True)


_GERMAN = " ein zwei drei vier fünf sechs sieben acht neun".split(" ")
_GERMAN_BEFORE_ZEHN = " . . drei vier fünf sech sieb acht neun".split(" ")
_GERMAN_TENS = ". zehn zwanzig dreißig vierzig fünfzig sechzig siebzig achtzig neunzig".split()


def _german_below_1000(number: int, place: int, *, is_last: bool) -> Iterator[Part]:
    hundreds, rest = divmod(number, 100)
    tens, units = divmod(rest, 10)
    if hundreds:
        yield f"{_GERMAN[hundreds]}hundert", place + 2
    if rest in (11, 12):
        yield ("elf", "zwölf")[rest - 11], place + 1
    elif tens == 1:
        yield _GERMAN_BEFORE_ZEHN[units], place
        yield "zehn", place + 1
    elif not tens:
        yield "eins" if units == 1 and is_last else _GERMAN[units], place
    else:
        if units:
            yield _GERMAN[units], place
            yield "und", JOINT
        yield _GERMAN_TENS[tens], place + 1


def dutch(number: int) -> str:
    """A space behind duizend, and a diaeresis where vowels meet: tweeëntwintig."""
    return _text(dutch_parts(number))


def dutch_parts(number: int) -> Iterator[Part]:
    """The parts of a Dutch number, in the order of the words."""
    thousands, rest = divmod(number, 1000)
    if thousands:
        if thousands > 1:
            yield from _dutch_below_1000(thousands, 3)
        yield "duizend", JOINT
        if rest:
            yield " ", JOINT
    yield from _dutch_below_1000(rest, 0)


_DUTCH = " een twee drie vier vijf zes zeven acht negen".split(" ")
_DUTCH_BEFORE_TIEN = " . . der veer vijf zes zeven acht negen".split(" ")
_DUTCH_TENS = ". tien twintig dertig veertig vijftig zestig zeventig tachtig negentig".split()


def _dutch_below_1000(number: int, place: int) -> Iterator[Part]:
    hundreds, rest = divmod(number, 100)
    tens, units = divmod(rest, 10)
    if hundreds:
        yield f"{_DUTCH[hundreds] if hundreds > 1 else ''}honderd", place + 2
    if rest in (11, 12):
        yield ("elf", "twaalf")[rest - 11], place + 1
    elif tens == 1:
        yield _DUTCH_BEFORE_TIEN[units], place
        yield "tien", place + 1
    elif not tens:
        yield _DUTCH[units], place
    else:
        if units:
            yield _DUTCH[units], place
            yield "ën" if _DUTCH[units].endswith("e") else "en", JOINT
        yield _DUTCH_TENS[tens], place + 1


def _text(parts: Iterator[Part]) -> str:
    return "".join(text for text, _ in parts)


LANGUAGES: dict[str, Callable[[int], str]] = {
    "dutch": dutch,
    "english": english,
    "french": french,
    "german": german,
    "italian": italian,
    "portuguese": portuguese,
    "spanish": spanish,
    "swedish": swedish,
}


def numbers(count: int, seed: int) -> list[int]:
    """So many different numbers from 1 to 999,999, short ones as often as long ones, in ascending order."""
    draw = random.Random(seed).random  # noqa: S311  # no secret; and the generator that no version of Python changes
    chosen: set[int] = set()
    while len(chosen) < count:
        smallest = 10 ** int(draw() * MOST_DIGITS)
        chosen.add(smallest + int(draw() * 9 * smallest))
    return sorted(chosen)


def number_words() -> str:
    """The table: text,language."""
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(("text", "language"))
    for seed, (language, written) in enumerate(LANGUAGES.items()):
        writer.writerows((written(number), language) for number in numbers(NUMBERS_OF_A_LANGUAGE, seed))
    return table.getvalue()


def number_parts() -> str:
    """The lines: {"text": ..., "label": [a tag for each character]}."""
    lines = []
    for seed, parts_of in enumerate((german_parts, dutch_parts)):
        for number in numbers(NUMBERS_WITH_PARTS, 100 + seed):
            parts = list(parts_of(number))
            label = [place for text, place in parts for _ in text]
            entry = {"text": _text(iter(parts)), "label": label}
            lines.append(json.dumps(entry, ensure_ascii=False, separators=(",", ":")))
    return "\n".join(lines) + "\n"


def main() -> None:
    """Writes both files beside this one."""
    here = Path(__file__).parent
    for name, content in (("number_words.csv", number_words()), ("number_parts.jsonl", number_parts())):
        (here / name).write_bytes(content.encode())


if __name__ == "__main__":
    main()
