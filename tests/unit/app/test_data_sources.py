"""Which data there is, what a name means, and how it is fetched."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from dlcli.app.datasets import sources
from dlcli.app.datasets.sources import LICENCES, check_fetchable, fetch, files_of, list_sources
from dlcli.app.datasets.target import open_target
from dlcli.cli.data_pages import source_lines
from dlcli.config.data import SOURCES, FashionMnist, KnownImages
from dlcli.config.diagnostics import ConfigError
from dlcli.data.directories import search_directories
from dlcli.data.raw import DataUnavailableError
from dlcli.data.sources import cifar, mnist
from dlcli.data.sources.published import PUBLISHED, Published, RemoteFile
from dlcli.errors import DataError, ResourceError, UsageError
from tests.unit.data.idx_files import write_family


@pytest.fixture(autouse=True)
def _empty_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No cache, no folder of data, and no network."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("DLCLI_DATA", raising=False)
    monkeypatch.chdir(tmp_path)


def test_every_source_is_listed_with_where_it_is() -> None:
    """All of the vocabulary; what can be downloaded says how much that is."""
    entries = {entry.name: entry for entry in list_sources(None)}
    assert entries.keys() == SOURCES.keys()
    assert {name for name, entry in entries.items() if entry.download is not None} == set(PUBLISHED)
    assert entries["mnist"].download == 9_912_422 + 28_881 + 1_648_877 + 4_542
    assert {name: entry.kind for name, entry in entries.items() if entry.kind not in ("own files", "made up")} == {
        **dict.fromkeys(PUBLISHED, "public"),
        "digits": "inside the package",
    }
    assert (entries["csv"].kind, entries["moving_digits"].kind) == ("own files", "made up")
    assert all(entry.what.endswith(".") and "\n" not in entry.what for entry in entries.values())
    assert entries["mnist"].as_json()["place"] is None


def test_the_published_data_sets_are_the_public_ones() -> None:
    """By the names that configs have for them, and as their readers download them."""
    public = {name for name, spec in SOURCES.items() if issubclass(spec, KnownImages)} - {"digits"}
    assert set(PUBLISHED) == public
    for spec, member in {**mnist.MEMBERS, **cifar.MEMBERS}.items():
        assert PUBLISHED[spec.kind] is member.published
    assert set(LICENCES) <= public | {"digits"}


@pytest.mark.parametrize("place", ["fashion_mnist", "FashionMNIST/raw", "FashionMNIST"])
def test_what_is_on_the_disk_is_found_where_a_training_finds_it(place: str, tmp_path: Path) -> None:
    """Its files, and their size; a folder that lacks one is none."""
    folder = tmp_path / "data" / place
    write_family(folder)
    found = next(entry for entry in list_sources(tmp_path / "data") if entry.name == "fashion_mnist")
    assert found.place == str(folder)
    assert found.size == sum(file.stat().st_size for file in folder.iterdir())
    raw = mnist.read(FashionMnist(), search_directories(tmp_path / "data", None), False)
    assert raw.origin == found.place
    next(iter(folder.iterdir())).unlink()
    assert files_of("fashion_mnist", search_directories(tmp_path / "data", None)) == ()
    assert sources._size(folder / "gone") == 0


def test_cifar_is_found_by_all_of_its_files(tmp_path: Path) -> None:
    """No file is opened for that."""
    folder = tmp_path / "data" / "cifar-100-python"
    folder.mkdir(parents=True)
    for name in ("train", "test", "meta"):
        (folder / name).touch()
    directories = search_directories(tmp_path / "data", None)
    assert {path.name for path in files_of("cifar100", directories)} == {"train", "test", "meta"}
    assert files_of("cifar10", directories) == ()


def test_a_list_says_what_to_do(tmp_path: Path) -> None:
    """Where it is, or the command that downloads it; wrapped to the width."""
    write_family(tmp_path / "data" / "fashion_mnist")
    lines = source_lines(list_sources(tmp_path / "data"), 80)
    page = "\n".join(lines)
    assert "not here: `dlcli data fetch mnist` downloads 11.6 MB" in page
    assert f"here: {tmp_path}" in " ".join(page.split())
    assert [line for line in lines if line and not line.startswith(" ")] == [
        "public data sets",
        "inside the package",
        "your own files",
        "made up, to try networks on",
    ]
    assert all(len(line) <= 80 or str(tmp_path) in line for line in lines)


def _publish(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes these files those that were published as Fashion-MNIST."""
    files = tuple(
        RemoteFile(path.name, path.stat().st_size, hashlib.sha256(path.read_bytes()).hexdigest()) for path in folder.iterdir()
    )
    published = Published((f"{folder}/",), files)
    members = {**mnist.MEMBERS, FashionMnist: replace(mnist.MEMBERS[FashionMnist], published=published)}
    monkeypatch.setattr(mnist, "MEMBERS", members)


def _serve(monkeypatch: pytest.MonkeyPatch) -> None:
    """Answers addresses that are paths with their files."""

    class Answer:
        def __init__(self, path: str) -> None:
            self._file = Path(path).open("rb")  # noqa: SIM115 - closed as an answer is

        def __enter__(self) -> Answer:
            return self

        def __exit__(self, *_: object) -> None:
            self._file.close()

        def read(self, count: int) -> bytes:
            return self._file.read(min(count, 1000))

    monkeypatch.setattr("dlcli.data.sources.download._open", lambda address, *_: Answer(address))


def test_a_data_set_is_fetched_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """To the folder that is given, which is made; with word of every byte; the second time it is there, and is read again."""
    write_family(tmp_path / "published")
    _publish(tmp_path / "published", monkeypatch)
    _serve(monkeypatch)
    told: list[tuple[int, int]] = []
    target = tmp_path / "new" / "data"
    found = fetch("fashion_mnist", target, lambda received, total: told.append((received, total)))
    assert (found.place, found.was_there, found.samples) == (str(target / "fashion_mnist"), False, 70)
    total = sum(file.stat().st_size for file in (tmp_path / "published").iterdir())
    assert told[-1] == (total, total)
    assert [received for received, _ in told] == sorted(received for received, _ in told)
    assert len(told) > 4
    assert fetch("fashion_mnist", target, lambda *_: pytest.fail("nothing is downloaded")).was_there
    assert found.as_json()["samples"] == 70


def test_what_an_environment_variable_leads_to_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As for a training."""
    write_family(tmp_path / "data" / "kmnist")
    monkeypatch.setenv("DLCLI_DATA", str(tmp_path / "data"))
    assert fetch("kmnist", None, lambda *_: pytest.fail("nothing is downloaded")).place == str(tmp_path / "data" / "kmnist")


def test_what_is_there_and_damaged_is_told(tmp_path: Path) -> None:
    """A fetch reads all that it finds."""
    folder = tmp_path / "data" / "fashion_mnist"
    write_family(folder)
    (folder / "train-labels-idx1-ubyte.gz").write_bytes(b"nothing")
    with pytest.raises(DataError, match="train-labels"):
        fetch("fashion_mnist", tmp_path / "data", lambda *_: None)


def test_a_folder_that_can_not_be_made_is_told(tmp_path: Path) -> None:
    """A file is in its place."""
    (tmp_path / "file").touch()
    with pytest.raises(ResourceError, match="can't be made"):
        fetch("mnist", tmp_path / "file" / "data", lambda *_: None)


@pytest.mark.parametrize(
    ("name", "words", "help"),
    [
        ("digits", "needs no download", "these can be fetched: mnist"),
        ("adding", "needs no download", "these can be fetched: mnist"),
        ("csv", "is a format of your own files", "these can be fetched: mnist"),
        ("mnits", "there is no data set `mnits`", "did you mean `mnist`?"),
    ],
)
def test_what_can_not_be_fetched_is_told_before_anything_is(name: str, words: str, help: str) -> None:
    """With what can."""
    with pytest.raises(UsageError, match=words) as caught:
        check_fetchable(["mnist", name])
    assert str(caught.value.help).startswith(help)
    check_fetchable([*PUBLISHED])


CONFIG = """\
vars: {count: 40}
data: {name: digits, limit: "${vars.count}"}
model: {layers: [no_such_layer]}
nonsense: true
"""


def test_the_data_of_a_config_is_read_whatever_else_it_says(tmp_path: Path) -> None:
    """Its variables count, and `--set`; mistakes elsewhere do not."""
    (tmp_path / "my.yaml").write_text(CONFIG)
    assert len(open_target("my.yaml", (), None, lambda _: None).train) == 40
    assert len(open_target("my.yaml", ["data.limit=30"], None, lambda _: None).train) == 30


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("model: {layers: []}", "the config has no `data`"),
        ("data: {name: digits, limt: 4}", "`digits` has no key `limt`"),
        ("data: {name: dgits}", "there is no data source `dgits`"),
        ("data: {name: digits, limit: '${vars.x}'}", "nothing is named `vars.x`"),
    ],
)
def test_a_mistake_in_the_data_is_shown_at_its_place(text: str, words: str, tmp_path: Path) -> None:
    """As `validate` shows it."""
    (tmp_path / "my.yaml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        open_target("my.yaml", (), None, lambda _: None)
    assert [diagnostic.message for diagnostic in caught.value.diagnostics] == [words]


def test_a_config_finds_what_lies_beside_it(tmp_path: Path) -> None:
    """As in a training."""
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "t.csv").write_text("a,b\n" + "".join(f"{number}.5,{number % 2}\n" for number in range(50)))
    (tmp_path / "sub" / "my.yaml").write_text("data: {name: csv, path: t.csv}")
    assert open_target("sub/my.yaml", (), None, lambda _: None).origin == str(tmp_path / "sub" / "t.csv")


@pytest.mark.parametrize(
    ("target", "words", "help"),
    [
        ("mnits", "is neither a config nor the name of a data source", "did you mean `mnist`?"),
        ("my.yaml", "there is no file my.yaml", None),
        ("t.csv", "t.csv is data", "csv --set data.path=t.csv"),
        ("pictures/cats", "pictures/cats is data", "image_folder --set data.path=pictures/cats"),
        ("no/such", "is neither a config", "`dlcli data list`"),
    ],
)
def test_what_is_no_data_is_told_with_what_is(target: str, words: str, help: str | None, tmp_path: Path) -> None:
    """A slip, a file that is not there, or data in place of its config."""
    (tmp_path / "t.csv").write_text("a,b\n1,2\n")
    (tmp_path / "pictures" / "cats").mkdir(parents=True)
    with pytest.raises(UsageError, match=words) as caught:
        open_target(target, (), None, lambda _: None)
    if help is not None:
        assert help in str(caught.value.help)


def test_data_that_is_not_here_is_not_downloaded() -> None:
    """The help has the command that does; one's own file has none."""
    with pytest.raises(DataUnavailableError) as caught:
        open_target("mnist", (), None, lambda _: None)
    assert caught.value.help == "download it: dlcli data fetch mnist"
    with pytest.raises(DataUnavailableError) as caught:
        open_target("csv", ["data.path=nowhere.csv"], None, lambda _: None)
    assert "give" in str(caught.value.help)
    assert "fetch" not in str(caught.value.help)


def test_a_fallback_steps_in_as_in_a_training() -> None:
    """With its notice."""
    notices: list[str] = []
    dataset = open_target("mnist", ["data.fallback=digits"], None, notices.append)
    assert (dataset.asked, dataset.used) == ("mnist", "digits")
    assert len(notices) == 1
