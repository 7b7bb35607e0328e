"""A complete, made-up model card."""

import pytest

from model.calibration import Calibration
from model.card import PNEUMONIA, ModelCard, OperatingPoint
from model.card_facts import (
    Condition,
    EnsembleCheck,
    FlipComparison,
    HeatMapCheck,
    Histogram,
    MapGeometry,
    ReliabilityBin,
    Subgroup,
    TrainingRun,
)
from model.evaluation import Confusion, Interval, Metrics
from model.preprocess import INPUT_SHAPE


@pytest.fixture(scope="session")
def card() -> ModelCard:
    rate = Interval(0.9, 0.85, 0.95)
    point = OperatingPoint(
        name="sensitivity 97.5%",
        threshold=0.4,
        sensitivity=0.975,
        sensitivity_interval=(0.96, 0.99),
        specificity=0.9,
        specificity_interval=(0.88, 0.92),
        chosen_on="nothing",
    )
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
        map_geometry=MapGeometry(first=38.5, step=78.0),
        intended_use="made up",
        not_intended=("everything",),
        operating_point=point,
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
            processor="abacus",
            cores=2,
            kilowatt_hours=0.01,
            energy_assumption="beads weigh nothing",
            software={"tensorflow": "2.0"},
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
        operating_points=(point,),
        reliability=(ReliabilityBin(low=0.0, high=1 / 15, images=4, mean_probability=0.03, share_positive=0.0),),
        subgroups=(
            Subgroup(name="some", label="NORMAL", images=4, patients=3, rate="specificity", value=rate, auc=rate),
        ),
        conditions=(
            Condition(
                name="swapped",
                description="d",
                auc=0.97,
                auc_drop=0.01,
                auc_drop_interval=(0.0, 0.02),
                sensitivity=0.9,
                specificity=0.8,
            ),
        ),
        confounds=("shape",),
        flips=FlipComparison(images=10, auc_without=0.97, auc_with=0.98, gain=rate, served=False),
        ensemble=(
            EnsembleCheck(
                basis="made up",
                images=10,
                averaged=3,
                deviation=0.5,
                slope=1.1,
                auc_single=0.97,
                auc_averaged=0.98,
                sensitivity_single=0.97,
                sensitivity_averaged=0.98,
                specificity_single=0.9,
                specificity_averaged=0.91,
                ece_single=0.01,
                ece_averaged=0.02,
            ),
        ),
        heat_maps=HeatMapCheck(
            images=10,
            masked_share=0.1,
            hottest_lowers_more=rate,
            drop_hottest=2.0,
            drop_random=0.5,
            correlation_shuffled=0.01,
        ),
        reference=(Histogram(quantity="contrast", group="all", low=0.0, high=4.0, counts=(1, 2, 3, 4)),),
        prediction="all will be well",
        caveats=("a triage aid, not a diagnosis",),
    )
