"""Where the data sets that are downloaded were published, with the size and the SHA-256 of each file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class RemoteFile:
    """A file as it was published.

    Attributes:
        name: behind the address of a mirror, and in the folder it goes to.
        size: in bytes; no more are taken from any server.
        sha256: of these bytes.
    """

    name: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Published:
    """A data set as it was published.

    Attributes:
        mirrors: addresses that the names of the files are put behind; each ends with a slash.
        files: all of them.
    """

    mirrors: tuple[str, ...]
    files: tuple[RemoteFile, ...]


MNIST: Final = Published(
    ("https://ossci-datasets.s3.amazonaws.com/mnist/", "https://storage.googleapis.com/cvdf-datasets/mnist/"),
    (
        RemoteFile("train-images-idx3-ubyte.gz", 9_912_422, "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"),
        RemoteFile("train-labels-idx1-ubyte.gz", 28_881, "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"),
        RemoteFile("t10k-images-idx3-ubyte.gz", 1_648_877, "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"),
        RemoteFile("t10k-labels-idx1-ubyte.gz", 4_542, "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"),
    ),
)
FASHION_MNIST: Final = Published(
    (
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
        "https://fashion-mnist.s3.eu-central-1.amazonaws.com/",
    ),
    (
        RemoteFile("train-images-idx3-ubyte.gz", 26_421_880, "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"),
        RemoteFile("train-labels-idx1-ubyte.gz", 29_515, "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"),
        RemoteFile("t10k-images-idx3-ubyte.gz", 4_422_102, "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"),
        RemoteFile("t10k-labels-idx1-ubyte.gz", 5_148, "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"),
    ),
)
KMNIST: Final = Published(
    ("https://codh.rois.ac.jp/kmnist/dataset/kmnist/",),
    (
        RemoteFile("train-images-idx3-ubyte.gz", 18_165_135, "51467d22d8cc72929e2a028a0428f2086b092bb31cfb79c69cc0a90ce135fde4"),
        RemoteFile("train-labels-idx1-ubyte.gz", 29_497, "e38f9ebcd0f3ebcdec7fc8eabdcdaef93bb0df8ea12bee65224341c8183d8e17"),
        RemoteFile("t10k-images-idx3-ubyte.gz", 3_041_136, "edd7a857845ad6bb1d0ba43fe7e794d164fe2dce499a1694695a792adfac43c5"),
        RemoteFile("t10k-labels-idx1-ubyte.gz", 5_120, "20bb9a0ef54c7db3efc55a92eef5582c109615df22683c380526788f98e42a1c"),
    ),
)
QMNIST: Final = Published(
    ("https://raw.githubusercontent.com/facebookresearch/qmnist/master/",),
    (
        RemoteFile(
            "qmnist-train-images-idx3-ubyte.gz", 9_704_059, "9e26a7bf1683614e065d7b76460ccd52807165b3f22561fb782bd9f38c52b51d"
        ),
        RemoteFile(
            "qmnist-train-labels-idx2-int.gz", 463_024, "2c05dc77f6b916b38e455e97ab129a42a444f3dbef09b278a366f82904e0dd9f"
        ),
        RemoteFile(
            "qmnist-test-images-idx3-ubyte.gz", 9_742_279, "43fc22bf7498b8fc98de98369d72f752d0deabc280a43a7bcc364ab19e57b375"
        ),
        RemoteFile("qmnist-test-labels-idx2-int.gz", 526_800, "9fbcbe594c3766fdf4f0b15c5165dc0d1e57ac604e01422608bb72c906030d06"),
    ),
)
CIFAR10: Final = Published(
    ("https://www.cs.toronto.edu/~kriz/",),
    (RemoteFile("cifar-10-python.tar.gz", 170_498_071, "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce"),),
)
CIFAR100: Final = Published(
    ("https://www.cs.toronto.edu/~kriz/",),
    (RemoteFile("cifar-100-python.tar.gz", 169_001_437, "85cd44d02ba6437773c5bbd22e183051d648de2e7d6b014e1ef29b855ba677a7"),),
)

PUBLISHED: Final[Mapping[str, Published]] = {
    "mnist": MNIST,
    "fashion_mnist": FASHION_MNIST,
    "kmnist": KMNIST,
    "qmnist": QMNIST,
    "cifar10": CIFAR10,
    "cifar100": CIFAR100,
}
"""By the names that configs have for them."""
