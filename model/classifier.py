"""A loaded model: scores, probabilities and class-activation maps.

The network runs as a compiled function with a few fixed batch shapes, never through Keras' `predict`, whose every call
costs tens of milliseconds.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from model import explanation, weights, zoo
from model.card import ModelCard, read_card
from model.errors import UnknownModelError, WeightsError
from model.preprocess import INPUT_SHAPE, Input, check_inputs
from model.runtime import Network, Tensor, Threads, tensorflow

DEFAULT = "efficientnet_lite0"
BATCHES = (1, 8)

Runtime = Literal["auto", "tensorflow", "openvino"]
Forward = Callable[[Tensor], tuple[Tensor, Tensor]]
Map = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Score:
    """What the model says of one image: the raw logit and the calibrated probability of pneumonia."""

    score: float
    probability: float


class Classifier:
    """A model ready to score. Made by `load`; safe to use from several threads."""

    def __init__(
        self, card: ModelCard, forward: Forward, batches: Sequence[int] = BATCHES, *, runtime: str = "tensorflow"
    ) -> None:
        """Wrap a compiled function from images [n, 156, 156, 3] to (logits [n], activations [n, rows, columns])."""
        self._card, self._forward, self._batches = card, forward, tuple(sorted(batches))
        self._runtime = runtime

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
        logits, _ = self._run(check_inputs(images))
        probabilities = self._card.calibration.probability(logits)
        return tuple(Score(float(z), float(p)) for z, p in zip(logits, probabilities, strict=True))

    def explain(self, image: Input) -> npt.NDArray[np.uint8]:
        """Show where one image float32 [156, 156, 3] speaks for pneumonia: uint8 [156, 156].

        See `model.explanation.explain`. Made for flagged images; `score` does not pay for it.

        Raises:
            InputError: as for `score`.

        """
        (checked,) = check_inputs(image[np.newaxis])
        return explanation.explain(checked, lambda images: self._run(images)[1], self._card)

    def warm_up(self) -> None:
        """Compile every batch shape, so that the first patient does not wait for it."""
        for size in self._batches:
            self._run(np.zeros((size, *INPUT_SHAPE), np.float32))

    def _run(self, images: Input) -> tuple[Map, Map]:
        logits, activations = [np.zeros(0, np.float32)], []
        start = 0
        while start < len(images):
            size = self._batch_for(len(images) - start)
            batch = images[start : start + size]
            padded = np.concatenate([batch, np.zeros((size - len(batch), *INPUT_SHAPE), np.float32)])
            z, activation = (np.asarray(part)[: len(batch)] for part in self._forward(padded))
            logits.append(z)
            activations.append(activation)
            start += size
        found = np.concatenate(logits)
        if not np.isfinite(found).all():
            msg = f"expected finite logits from {self._card.name}. Received: {found[~np.isfinite(found)][0]}"
            raise WeightsError(msg)
        return found, np.concatenate(activations) if activations else np.zeros((0, 1, 1), np.float32)

    def _batch_for(self, waiting: int) -> int:
        """Pick the largest shape that fills up, else the smallest that holds all that wait."""
        full = [size for size in self._batches if size <= waiting]
        return full[-1] if full else self._batches[0]


def load(
    name: str = DEFAULT,
    *,
    threads: Threads | None = None,
    batches: Sequence[int] = BATCHES,
    runtime: Runtime = "auto",
    adapt: Callable[[ModelCard], ModelCard] | None = None,
) -> Classifier:
    """Load a model of the zoo, check its weights against its card, and warm it up.

    Args:
        name: the model's module in `model.zoo`.
        threads: how many threads the network may use; counts only if nothing ran in this process before.
        batches: the batch shapes to compile; more images than the largest are taken in several batches.
        runtime: what executes the network; "auto" is the fastest that is installed.
        adapt: applied to the verified card: a site's prevalence or operating point.

    Raises:
        UnknownModelError: no such model, or it has no trained weights; the message lists those that have.
        CardError: its card is unreadable or lacks an operating point.
        WeightsError: the weights are damaged or are not those that the card names.

    """
    card, members = _verified(name)
    return _classifier(card if adapt is None else adapt(card), name, members, threads, batches, runtime)


def load_member(
    name: str,
    member: int,
    *,
    threads: Threads | None = None,
    batches: Sequence[int] = BATCHES,
    runtime: Runtime = "auto",
) -> Classifier:
    """Load one member of an ensemble, for figures on the images that its fold did not see. Its card is the ensemble's.

    Raises:
        UnknownModelError: as for `load`, or there is no such member.
        CardError, WeightsError: as for `load`.

    """
    card, members = _verified(name)
    if not 0 <= member < len(members):
        msg = f"expected a member of {name}, 0 to {len(members) - 1}. Received: member={member}"
        raise UnknownModelError(msg)
    return _classifier(card, name, members[member : member + 1], threads, batches, runtime)


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
) -> Classifier:
    tensorflow(threads)
    networks = [zoo.architecture(name).build() for _ in members]
    for network, member in zip(networks, members, strict=True):
        weights.assign(network, member)
    classifier = Classifier(card, compiled(networks), batches, runtime="tensorflow" if runtime == "auto" else runtime)
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


def compiled(networks: Sequence[Network]) -> Forward:
    """Compile the ensemble: the mean of the members' logits and of their activation maps.

    One trace serves every batch shape, which takes half as long as one each; the kernels still see fixed shapes only.
    """
    tf = tensorflow()

    def forward(images: Tensor) -> tuple[Tensor, Tensor]:
        outputs = [network(images, training=False) for network in networks]
        logits, activations = zip(*outputs, strict=True)
        return tf.add_n(list(logits)) / len(outputs), tf.add_n(list(activations)) / len(outputs)

    function: Forward = tf.function(
        forward, autograph=False, input_signature=[tf.TensorSpec((None, *INPUT_SHAPE), tf.float32)]
    )
    return function
