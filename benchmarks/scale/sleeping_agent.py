"""`tibabu`, with a model that sleeps instead of computing: for measuring what is around the model, and nothing else.

sleeping_agent.py SECONDS ARGUMENTS... is `tibabu ARGUMENTS...`, but each image takes the network SECONDS, one after the
other. It is no module of the zoo, so no configuration can name it.
"""

import sys
import time

import numpy as np

import agent.process.inference
from agent.cli import main
from model.classifier import Classifier, verify
from model.runtime import Execute, Floats

LOGIT = -4.0
"""Not flagged: a heat map would take as long as some dozen images."""


def sleeping(seconds: float) -> Execute:
    """Return what stands for a network."""

    def execute(images: Floats) -> tuple[Floats, Floats]:
        time.sleep(seconds * len(images))
        return np.full(len(images), LOGIT, np.float32), np.zeros((len(images), 5, 5), np.float32)

    return execute


def load(name: str, **_: object) -> Classifier:
    """Stand for `model.classifier.load`: the card is the model's, so that reports are as long as ever."""
    return Classifier(verify(name), (sleeping(float(SECONDS)),), (1,), runtime="sleeping")


if __name__ == "__main__":
    SECONDS = sys.argv.pop(1)
    agent.process.inference.load = load
    main()
