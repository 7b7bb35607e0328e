"""Write what `__main__.py` starts from to the file given: the network's weights by their Keras paths, ImageNet's."""

import sys
from pathlib import Path

import numpy as np

from model import zoo

architecture = zoo.architecture("efficientnet_lite0")
network = architecture.build()
architecture.initialise(network)
np.savez_compressed(Path(sys.argv[1]), allow_pickle=False, **{w.path: np.asarray(w.value) for w in network.weights})
