"""The model of benchmarks/scale, which sleeps instead of computing, stands for a model as it is today."""

import importlib.util
from pathlib import Path

import numpy as np

from model.classifier import DEFAULT
from model.preprocess import INPUT_SHAPE


def test_the_model_that_sleeps_is_one_that_flags_nothing() -> None:
    file = Path(__file__).parents[3] / "benchmarks" / "scale" / "sleeping_agent.py"
    spec = importlib.util.spec_from_file_location("sleeping_agent", file)
    assert spec is not None
    assert spec.loader is not None
    spec.loader.exec_module(module := importlib.util.module_from_spec(spec))
    module.SECONDS = "0"
    classifier = module.load(DEFAULT)
    (score,) = classifier.score(np.zeros((1, *INPUT_SHAPE), np.float32))
    assert score.probability < classifier.card.operating_point.threshold
