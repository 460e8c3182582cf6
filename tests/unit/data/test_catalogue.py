"""The table of sources."""

from __future__ import annotations

import subprocess
import sys

import pytest

from dlcli.config.data import SOURCES as SPECS
from dlcli.config.data import KnownImages
from dlcli.data.catalogue import SOURCES
from dlcli.data.directories import Directories
from dlcli.data.sources.cifar import MEMBERS as CIFAR
from dlcli.data.sources.mnist import MEMBERS as MNIST


def test_every_source_of_a_config_can_be_read() -> None:
    """And none that no config can name."""
    assert set(SOURCES) == set(SPECS.values())


@pytest.mark.parametrize("spec", [spec for spec in SPECS.values() if issubclass(spec, KnownImages)], ids=lambda spec: spec.kind)
def test_facts_of_known_data_need_no_data(spec: type[KnownImages], directories: Directories) -> None:
    """They are in the config's own table."""
    facts = SOURCES[spec].facts(spec(), directories)
    assert (facts.input, facts.target.num_classes) == (spec.picture, spec.classes)


def test_class_names_are_as_many_as_classes() -> None:
    """Where they are written here."""
    for spec, member in MNIST.items():
        assert len(member.class_names) == spec.classes
    assert set(MNIST) | set(CIFAR) < set(SOURCES)


def test_sources_are_known_without_torch() -> None:
    """`validate` and `summary` answer in a blink."""
    code = "import sys, dlcli.data.catalogue, dlcli.data.directories; sys.exit(any(m in sys.modules for m in ('torch', 'torchvision')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
