"""A complete, made-up model card."""

import pytest

from model.calibration import Calibration
from model.card import PNEUMONIA, Condition, ModelCard, OperatingPoint, TrainingRun
from model.evaluation import Confusion, Interval, Metrics
from model.preprocess import INPUT_SHAPE


@pytest.fixture
def card() -> ModelCard:
    rate = Interval(0.9, 0.85, 0.95)
    return ModelCard(
        name="made_up",
        version="1.2.3",
        sha256="0123456789abcdef" * 4,
        architecture="none",
        members=2,
        label="pneumonia",
        finding=PNEUMONIA,
        input_shape=INPUT_SHAPE,
        preprocessing="none",
        operating_point=OperatingPoint(
            name="sensitivity 97.5%",
            threshold=0.4,
            sensitivity=0.975,
            sensitivity_interval=(0.96, 0.99),
            specificity=0.9,
            specificity_interval=(0.88, 0.92),
            chosen_on="nothing",
        ),
        calibration=Calibration(2.0, 1.0),
        age_range_years=(1.0, 6.0),
        prevalence=0.74,
        training=TrainingRun(
            data="nothing",
            images=10,
            patients=9,
            folds=3,
            seed=1,
            epochs=2,
            minutes=0.5,
            tensorflow="2.0",
            settings={"batch": 8, "augmentation": {"stretch": 1.3}},
        ),
        out_of_fold=Metrics(
            n=10,
            patients=9,
            positives=6,
            threshold=0.4,
            confusion=Confusion(3, 1, 0, 6),
            **dict.fromkeys(("auc", "precision", "recall", "specificity", "accuracy", "f1", "brier"), rate),
            ece=Interval(0.02, float("nan"), float("nan")),
        ),
        conditions=(
            Condition(name="swapped", description="d", auc=0.97, auc_drop=0.01, sensitivity=0.9, specificity=0.8),
        ),
        caveats=("a triage aid, not a diagnosis",),
    )
