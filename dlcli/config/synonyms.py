"""What other libraries call the words of a config, so that somebody who writes Keras's or torch's name is led to dlcli's."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

_BATCH_NORMS: Final = ("batch_norm2d", "batch_norm1d", "batch_norm3d")
_CONVOLUTIONS: Final = ("conv2d", "conv1d", "conv3d")
_MAX_POOLS: Final = ("max_pool2d", "max_pool1d", "max_pool3d")
_AVG_POOLS: Final = ("avg_pool2d", "avg_pool1d", "avg_pool3d")

SYNONYMS: Final[Mapping[str, tuple[str, ...]]] = {
    # layers
    "averagepooling1d": ("avg_pool1d",),
    "averagepooling2d": ("avg_pool2d",),
    "averagepooling3d": ("avg_pool3d",),
    "batchnorm": _BATCH_NORMS,
    "batchnormalization": _BATCH_NORMS,
    "bn": _BATCH_NORMS,
    "concatenate": ("concat",),
    "conv": _CONVOLUTIONS,
    "conv1dtranspose": ("conv_transpose1d",),
    "conv2dtranspose": ("conv_transpose2d",),
    "convolution": _CONVOLUTIONS,
    "convolution1d": ("conv1d",),
    "convolution2d": ("conv2d",),
    "convolution3d": ("conv3d",),
    "convtranspose": ("conv_transpose2d", "conv_transpose1d"),
    "deconv": ("conv_transpose2d", "conv_transpose1d"),
    "deconv2d": ("conv_transpose2d",),
    "dense": ("linear",),
    "fc": ("linear",),
    "fullyconnected": ("linear",),
    "gap": ("global_avg_pool",),
    "globalaveragepooling": ("global_avg_pool",),
    "globalaveragepooling1d": ("global_avg_pool",),
    "globalaveragepooling2d": ("global_avg_pool",),
    "globalavgpool2d": ("global_avg_pool",),
    "globalmaxpooling": ("global_max_pool",),
    "globalmaxpooling1d": ("global_max_pool",),
    "globalmaxpooling2d": ("global_max_pool",),
    "maxpool": _MAX_POOLS,
    "maxpooling": _MAX_POOLS,
    "maxpooling1d": ("max_pool1d",),
    "maxpooling2d": ("max_pool2d",),
    "maxpooling3d": ("max_pool3d",),
    "avgpool": _AVG_POOLS,
    "averagepooling": _AVG_POOLS,
    "adaptiveavgpool": ("adaptive_avg_pool2d", "adaptive_avg_pool1d", "adaptive_avg_pool3d"),
    "adaptivemaxpool": ("adaptive_max_pool2d", "adaptive_max_pool1d", "adaptive_max_pool3d"),
    "simplernn": ("rnn",),
    "spatialdropout": ("dropout2d", "dropout1d"),
    "spatialdropout1d": ("dropout1d",),
    "spatialdropout2d": ("dropout2d",),
    "swish": ("silu",),
    "view": ("reshape",),
    "cat": ("concat",),
    "mul": ("multiply",),
    "sub": ("subtract",),
    # fields of layers
    "features": ("out_features", "embedding_dim", "hidden_size"),
    "filters": ("out_channels",),
    "channels": ("out_channels",),
    "kernel": ("kernel_size",),
    "ksize": ("kernel_size",),
    "poolsize": ("kernel_size",),
    "size": ("kernel_size", "output_size", "out_features", "hidden_size"),
    "strides": ("stride",),
    "dilationrate": ("dilation",),
    "pad": ("padding",),
    "units": ("out_features", "hidden_size"),
    "hidden": ("hidden_size",),
    "layers": ("num_layers",),
    "outputdim": ("embedding_dim", "out_features"),
    "dim": ("embedding_dim",),
    "rate": ("p",),
    "prob": ("p",),
    "probability": ("p",),
    "usebias": ("bias",),
    "inputs": ("from",),
    "input": ("from",),
    "id": ("name",),
    "times": ("repeat",),
    # training
    "learningrate": ("lr",),
    "rho": ("alpha",),
    "numepochs": ("epochs",),
    "maxepochs": ("epochs",),
    "nepochs": ("epochs",),
    "iterations": ("max_steps",),
    "bs": ("batch_size",),
    "batch": ("batch_size",),
    "opt": ("optimizer",),
    "scheduler": ("schedule",),
    "lrscheduler": ("schedule",),
    "criterion": ("loss",),
    "objective": ("loss",),
    "gradclip": ("clip_gradients",),
    "clipnorm": ("clip_gradients",),
    "gradientclipping": ("clip_gradients",),
    "patience": ("early_stopping",),
    "gradientaccumulation": ("accumulate",),
    "randomseed": ("seed",),
    "training": ("train",),
    "network": ("model",),
    "dataset": ("data",),
    "variables": ("vars",),
    "inherits": ("extends",),
    # losses, metrics, optimisers, schedules
    "crossentropyloss": ("cross_entropy",),
    "categoricalcrossentropy": ("cross_entropy",),
    "sparsecategoricalcrossentropy": ("cross_entropy",),
    "nllloss": ("cross_entropy",),
    "bce": ("binary_cross_entropy",),
    "bcewithlogitsloss": ("binary_cross_entropy",),
    "bceloss": ("binary_cross_entropy",),
    "mseloss": ("mse",),
    "meansquarederror": ("mse",),
    "l2": ("mse",),
    "l1loss": ("l1",),
    "meanabsoluteerror": ("l1", "mae"),
    "mae": ("l1",),
    "huberloss": ("huber",),
    "smoothl1": ("huber",),
    "acc": ("accuracy",),
    "categoricalaccuracy": ("accuracy",),
    "top5": ("top_k",),
    "cosineannealing": ("cosine",),
    "cosineannealinglr": ("cosine",),
    "steplr": ("step",),
    "multisteplr": ("multistep",),
    "exponentiallr": ("exponential",),
    "reducelronplateau": ("plateau",),
    "onecyclelr": ("one_cycle",),
    # data
    "fashionmnist": ("fashion_mnist",),
    "npz": ("arrays",),
    "numpy": ("arrays",),
    "folder": ("image_folder",),
    "imagefolder": ("image_folder",),
    "file": ("path",),
    "root": ("path",),
    "dir": ("path",),
    "validation": ("valid",),
    "validationsplit": ("valid",),
    "valsplit": ("valid",),
    "normalise": ("normalize",),
    "normalization": ("normalize",),
    "standardize": ("normalize",),
    "augmentation": ("augment",),
    "transforms": ("augment",),
    "classes": ("num_classes", "data.num_classes"),
    "data.classes": ("data.num_classes",),
    "data.nclasses": ("data.num_classes",),
    "data.vocabsize": ("data.vocabulary_size",),
    "data.features": ("data.num_features",),
    "data.timesteps": ("data.time_steps",),
    "data.seqlen": ("data.time_steps",),
}
"""Another word, without capitals, `_` and `-` -> what it may mean, the likeliest first."""

_CALL: Final = re.compile(r"\(.*", re.DOTALL)


def plain_word(word: str) -> str:
    """A word without capitals, `_`, `-` and spaces: `Max_Pool-2D` is `maxpool2d`."""
    return re.sub(r"[-_\s]", "", word.lower())


def meanings(word: str) -> tuple[str, ...]:
    """What a word may mean here, as plain words or words of a config: of `nn.Conv2d(3, 8)` it is `conv2d`."""
    called = plain_word(_CALL.sub("", word))
    last = called.rpartition(".")[2]
    return (called, *SYNONYMS.get(called, ()), last, *SYNONYMS.get(last, ()))
