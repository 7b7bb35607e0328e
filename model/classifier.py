"""A loaded model: scores, probabilities and heat maps.

The network runs as a compiled graph with a few fixed batch shapes, by OpenVINO where that is installed, else by
TensorFlow; never through Keras' `predict`, whose every call costs tens of milliseconds.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module

import numpy as np
import numpy.typing as npt

from model import explanation, weights, zoo
from model.batching import Batcher
from model.card import ModelCard, read_card
from model.errors import UnknownModelError, WeightsError
from model.plan import with_weights
from model.preprocess import INPUT_SHAPE, Input, check_inputs
from model.recorder import record
from model.runtime import Execute, Floats, Runtime, Threads, chosen, cores

DEFAULT = "efficientnet_lite0"
BATCHES = (1, 5)
"""One, and what the 25 images of a heat map come to without a rest; an image of five costs no more than one of more."""


@dataclass(frozen=True, slots=True)
class Score:
    """What the model says of one image: the raw logit and the calibrated probability of pneumonia."""

    score: float
    probability: float


class Classifier:
    """A model ready to score. Made by `load`; safe to use from several threads."""

    def __init__(
        self,
        card: ModelCard,
        executions: Sequence[Execute],
        batches: Sequence[int] = BATCHES,
        *,
        runtime: str = "tensorflow",
        rough: Sequence[Execute] | None = None,
    ) -> None:
        """Wrap executions of a compiled ensemble, each called by one thread at a time, with batches of these sizes.

        `rough` are as many that are faster and less exact, for heat maps only; None where there are none.
        """
        self._card, self._batches, self._runtime = card, tuple(batches), runtime
        self._batcher = Batcher(executions, batches, rough)
        self._has_rough = rough is not None

    @property
    def runtime(self) -> str:
        """What executes the network: "tensorflow" or "openvino"."""
        return self._runtime

    @property
    def card(self) -> ModelCard:
        """Who is speaking, and with which threshold."""
        return self._card

    def score(self, images: Input) -> tuple[Score, ...]:
        """Score float32 [n, 156, 156, 3] in 0..1 (see `model.preprocess.to_input`), in order.

        Raises:
            InputError: another shape or type, a value outside 0..1 or NaN.
            WeightsError: the network produced something that is no number.

        """
        checked = check_inputs(images)
        if not len(checked):
            return ()
        logits, _ = self._run(checked)
        probabilities = self._card.calibration.probability(logits)
        return tuple(Score(float(z), float(p)) for z, p in zip(logits, probabilities, strict=True))

    def explain(self, image: Input) -> npt.NDArray[np.uint8]:
        """Show where one image float32 [156, 156, 3] speaks for pneumonia: uint8 [156, 156].

        See `model.explanation.explain`. Made for flagged images; `score` does not pay for it, and scores that are asked
        for meanwhile go first.

        Raises:
            InputError: as for `score`.

        """
        (checked,) = check_inputs(image[np.newaxis])
        return explanation.explain(checked, lambda images: self._run(images, roughly=True)[0])

    def warm_up(self) -> None:
        """Compile every batch shape, so that the first patient does not wait for it."""
        for size in self._batches:
            self._run(np.zeros((size, *INPUT_SHAPE), np.float32))
            if self._has_rough:
                self._run(np.zeros((size, *INPUT_SHAPE), np.float32), roughly=True)

    def _run(self, images: Input, *, roughly: bool = False) -> tuple[Floats, Floats]:
        logits, activations = self._batcher.run(images, patient=roughly, roughly=roughly)
        for found in (logits, activations):
            if not np.isfinite(found).all():
                msg = f"expected finite outputs of {self._card.name}. Received: {found[~np.isfinite(found)][0]}"
                raise WeightsError(msg)
        return logits, activations


def load(
    name: str = DEFAULT,
    *,
    threads: Threads | None = None,
    batches: Sequence[int] = BATCHES,
    runtime: Runtime = "auto",
    adapt: Callable[[ModelCard], ModelCard] | None = None,
    maps: bool = True,
) -> Classifier:
    """Load a model of the zoo, check its weights against its card, and warm it up.

    Args:
        name: the model's module in `model.zoo`.
        threads: how many threads the network may use; 0 is one a core. TensorFlow takes them from the first call only.
        batches: the batch shapes to compile; more images than the largest are taken in several batches.
        runtime: what executes the network; "auto" is OpenVINO where it is installed, else TensorFlow.
        adapt: applied to the verified card: a site's prevalence or operating point.
        maps: False does without what draws heat maps quickly, which takes half of the loading.

    Raises:
        UnknownModelError: no such model, or it has no trained weights; the message lists those that have.
        CardError: its card is unreadable or lacks an operating point.
        WeightsError: the weights are damaged or are not those that the card names.
        RuntimeUnavailableError: the wanted runtime is not installed.

    """
    card, members = _verified(name)
    return _classifier(card if adapt is None else adapt(card), name, members, threads, batches, runtime, maps=maps)


def load_member(
    name: str,
    member: int,
    *,
    threads: Threads | None = None,
    batches: Sequence[int] = BATCHES,
    runtime: Runtime = "auto",
) -> Classifier:
    """Load one member of an ensemble, for figures on the images that its fold did not see. Its card is the ensemble's.

    It draws no heat maps quickly.

    Raises:
        UnknownModelError: as for `load`, or there is no such member.
        CardError, WeightsError: as for `load`.

    """
    card, members = _verified(name)
    if not 0 <= member < len(members):
        msg = f"expected a member of {name}, 0 to {len(members) - 1}. Received: member={member}"
        raise UnknownModelError(msg)
    return _classifier(card, name, members[member : member + 1], threads, batches, runtime, maps=False)


def _verified(name: str) -> tuple[ModelCard, tuple[weights.Member, ...]]:
    card = verify(name)
    members = weights.load(zoo.architecture(name).weights_path)
    if len(members) != card.members:
        msg = f"expected {card.members} members in the weights of {name}. Received: {len(members)}"
        raise WeightsError(msg)
    return card, members


def _classifier(
    card: ModelCard,
    name: str,
    members: Sequence[weights.Member],
    threads: Threads | None,
    batches: Sequence[int],
    runtime: Runtime,
    *,
    maps: bool,
) -> Classifier:
    plan = record(zoo.architecture(name).build)
    plans = [with_weights(plan, member, name) for member in members]
    wanted = threads or Threads()
    pool = Threads(intra_op=wanted.intra_op or cores(), inter_op=wanted.inter_op or 1)
    executed_by = chosen(runtime)
    module = import_module(f"model.{executed_by}_runtime")
    executions = module.compile_plans(plans, batches, pool)
    rough = module.compile_roughly(plans, batches, pool) if maps else None
    classifier = Classifier(card, executions, batches, runtime=executed_by, rough=rough)
    classifier.warm_up()
    return classifier


def verify(name: str = DEFAULT) -> ModelCard:
    """Return the card of a model of the zoo after checking its weights against it; needs no TensorFlow.

    Raises:
        UnknownModelError, CardError, WeightsError: as for `load`.

    """
    architecture = zoo.architecture(name)
    if not architecture.is_loadable:
        msg = f"expected a trained model, one of {', '.join(zoo.loadable())}. Received: name={name}"
        raise UnknownModelError(msg)
    card = read_card(architecture.card_path)
    digest = weights.sha256(architecture.weights_path)
    if digest != card.sha256:
        msg = f"expected weights of {name} with sha256={card.sha256}. Received: sha256={digest}"
        raise WeightsError(msg)
    return card
