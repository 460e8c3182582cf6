"""What other libraries call a thing leads to what it is called here."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dlcli.config.augmentation import AUGMENTATIONS
from dlcli.config.data import SOURCES
from dlcli.config.diagnostics import nearest, same_meanings
from dlcli.config.experiment import SECTIONS
from dlcli.config.facts import FACT_NAMES
from dlcli.config.layers import LAYERS
from dlcli.config.loggers import LOGGERS
from dlcli.config.losses import LOSSES
from dlcli.config.metrics import METRICS
from dlcli.config.optimizers import OPTIMIZERS
from dlcli.config.schedules import SCHEDULES
from dlcli.config.spec import Spec, keys_of
from dlcli.config.synonyms import SYNONYMS, meanings, plain_word


def _specs(family: type[Spec] = Spec) -> Iterator[type[Spec]]:
    for spec in family.__subclasses__():
        yield spec
        yield from _specs(spec)


def _vocabulary() -> set[str]:
    tables = (LAYERS, SOURCES, AUGMENTATIONS, LOGGERS, LOSSES, METRICS, OPTIMIZERS, SCHEDULES)
    keys = {key for spec in _specs() for key in keys_of(spec)}
    return {*keys, *SECTIONS, *(f"data.{fact}" for fact in FACT_NAMES), *(name for table in tables for name in table)}


def test_every_synonym_leads_to_a_word_of_the_language() -> None:
    """No hint can name something that is not there."""
    assert {word for words in SYNONYMS.values() for word in words} <= _vocabulary()
    assert all(plain_word(synonym) == synonym for synonym in SYNONYMS)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        *[("Conv2D", "conv2d"), ("nn.Conv2d", "conv2d"), ("MaxPooling2D", "max_pool2d"), ("MaxPool2d", "max_pool2d")],
        *[("Dense", "linear"), ("LSTM", "lstm"), ("Flatten()", "flatten"), ("BatchNormalization", "batch_norm2d")],
        *[("ReLU", "relu"), ("rleu", "relu"), ("cov2d", "conv2d"), ("dropuot", "dropout"), ("Dropout(0.5)", "dropout")],
        *[("maxpool", "max_pool2d"), ("LeakyReLU", "leaky_relu"), ("GlobalAveragePooling2D", "global_avg_pool")],
        *[("layers.Concatenate", "concat"), ("SimpleRNN", "rnn"), ("TimeDistributed", "time_distributed"), ("swish", "silu")],
    ],
)
def test_the_names_of_keras_and_torch_lead_to_the_layer(written: str, meant: str) -> None:
    """Class names, calls, modules before them, capitals, and letters that changed places."""
    assert nearest(written, LAYERS) == meant


def test_a_synonym_counts_only_where_its_word_may_stand() -> None:
    """`units` is `out_features` of one layer and `hidden_size` of another, and nothing of a third."""
    assert nearest("units", keys_of(LAYERS["linear"])) == "out_features"
    assert nearest("units", keys_of(LAYERS["lstm"])) == "hidden_size"
    assert nearest("units", ["momentum"]) is None


def test_a_word_for_several_layers_leads_to_all_of_them() -> None:
    """Which is meant depends on what they read."""
    assert set(same_meanings("BatchNormalization", LAYERS)) == {"batch_norm1d", "batch_norm2d", "batch_norm3d"}
    assert set(same_meanings("Conv", LAYERS)) == {"conv1d", "conv2d", "conv3d"}
    assert same_meanings("Conv2D", LAYERS) == ("conv2d",)


def test_known_words_may_have_capitals() -> None:
    """Names that a config gives itself are found whatever their capitals."""
    assert nearest("stem", ["Body", "STEM"]) == "STEM"
    assert nearest("Stme", ["Body", "Stem"]) == "Stem"


def test_a_very_long_word_is_no_slip() -> None:
    """Comparing costs time, and nobody misspells a word of a million letters."""
    assert nearest("relu" * 250_000, LAYERS) is None
    assert meanings("x(" * 100_000)[0] == "x"
