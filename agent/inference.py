"""The configured model behind the configured gate, and what the reports call it."""

from agent.config import Config
from agent.gate import GateSettings
from agent.pipeline import Pipeline
from agent.reports.document import ModelIdentity
from model.card import ModelCard
from model.classifier import Classifier, load
from model.preprocess import DESCRIPTION
from model.runtime import Threads


def model_identity(card: ModelCard) -> ModelIdentity:
    """Return what the reports say of the model: it changes with the weights and with the operating point."""
    return ModelIdentity(
        name=card.name,
        version=card.version,
        sha256=card.sha256,
        operating_point_name=card.operating_point.name,
        threshold=card.operating_point.threshold,
        preprocessing=DESCRIPTION,
    )


def make_pipeline(config: Config) -> Pipeline:
    """Load the configured model behind the gate. Takes seconds: this is where TensorFlow is imported."""
    classifier = load(config.model.name, threads=Threads(intra_op=config.model.threads))
    youngest, oldest = classifier.card.age_range_years
    gate = config.gate
    return Pipeline(
        classifier,
        GateSettings(
            age_range_years=(
                youngest if gate.minimum_age_years is None else gate.minimum_age_years,
                oldest if gate.maximum_age_years is None else gate.maximum_age_years,
            ),
            accept_unknown_view=gate.accept_unknown_view,
            paediatric_ae_titles=gate.paediatric_ae_titles,
        ),
    )


def load_shadow(config: Config) -> Classifier:
    """Load the second model, on one thread: there is no hurry, and the first one has work to do.

    Raises ModelError, with what is wrong, for one that is missing or damaged.
    """
    return load(config.model.shadow, threads=Threads(intra_op=1, inter_op=1))
