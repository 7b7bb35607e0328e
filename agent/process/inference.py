"""The configured model behind the configured gate, and what the reports call it."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from agent.config.file import Config
from agent.line.gate import GateSettings
from agent.line.pipeline import Pipeline, Pixels
from agent.line.site import adapted
from agent.reports.document import ModelIdentity
from db.operating_point import OperatingPointRecord
from dicom_io.decoding import Decoder, DecoderSettings
from dicom_io.frames import read_frames
from model.card import ModelCard
from model.classifier import Classifier, load
from model.pixel_gate import load_pixel_gate
from model.preprocess import DESCRIPTION
from model.runtime import Threads, cores


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


def make_pipeline(
    config: Config,
    active: Sequence[OperatingPointRecord] = (),
    frames: Callable[[Path], Sequence[Pixels]] = read_frames,
) -> Pipeline:
    """Load the configured model behind the gate. Takes seconds, most of all with TensorFlow.

    Args:
        config: which model, gate and prevalence.
        active: the operating points that are active in the database; without any the model's own counts.
        frames: what reads a file's frames: a decoder's, so that what crashes there crashes nothing here.

    Raises:
        InstallationError: the active operating point was made for other weights.

    """
    classifier = load(
        config.model.name,
        threads=Threads(intra_op=config.model.threads or share_of_cores(config)),
        runtime=config.model.runtime,
        adapt=partial(adapted, prevalence=config.model.prevalence, active=active),
    )
    return Pipeline(classifier, gate_settings(config, classifier.card), load_pixel_gate(), frames)


def share_of_cores(config: Config) -> int:
    """Return how many cores are one working process's, of all that serve on this host."""
    return max(1, cores() // config.work.processes)


def images_at_once(config: Config) -> int:
    """Return how many jobs a worker runs side by side: reading files takes the cores while the network waits."""
    return config.model.images_at_once or 2 * max(2, share_of_cores(config))


def make_decoder(config: Config, *, processes: int = 0) -> Decoder:
    """Return the configured decoding processes, or so many of them; none has started yet."""
    section = config.decode
    return Decoder(
        DecoderSettings(
            processes=processes or section.processes or max(2, share_of_cores(config)),
            seconds=section.seconds,
            memory_bytes=section.megabytes << 20,
        )
    )


def gate_settings(config: Config, card: ModelCard) -> GateSettings:
    """Return what the header gate lets pass: the model's validated ages unless the site sets its own."""
    gate = config.gate
    return GateSettings(
        age_range_years=gate.ages(card.age_range_years),
        accept_unknown_view=gate.accept_unknown_view,
        paediatric_ae_titles=gate.paediatric_ae_titles,
        readmit_by_pixels=gate.readmit_by_pixels,
    )


def load_shadow(config: Config, active: Sequence[OperatingPointRecord] = ()) -> Classifier:
    """Load the second model, on one thread: there is no hurry, and the first one has work to do.

    Args:
        config: which model, and the site's prevalence, which holds for both.
        active: the operating points of the second model that are active in the database.

    Raises:
        ModelError: it is missing or damaged.
        InstallationError: the active operating point was made for other weights.

    """
    return load(
        config.model.shadow,
        threads=Threads(intra_op=1, inter_op=1),
        batches=(1,),
        runtime=config.model.runtime,
        adapt=partial(adapted, prevalence=config.model.prevalence, active=active),
        maps=False,
    )
