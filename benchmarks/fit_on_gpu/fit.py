"""`model.fitting` in PyTorch: the same steps with the same batches; on a GPU one captured graph a step."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from augment import Augmenter
from network import Pass, Weights
from torch.nn import functional

from model.fitting import Recipe

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

_BETA_1, _BETA_2, _EPSILON, _CLIP = 0.9, 0.999, 1e-7, 5.0  # Keras' AdamW, and `model.fitting`
_WARM_UP_STEPS = 3
_UNDECAYED = ("gamma", "beta", "bias")


def batches(images: int, recipe: Recipe) -> Integers:
    """Which images each step takes [steps, batch]: those that `model.fitting.fit` takes with this seed."""
    rng, rows = np.random.default_rng(recipe.seed), []
    for _ in range(recipe.epochs):
        order = rng.permutation(images)
        for start in range(0, images - recipe.batch + 1, recipe.batch):
            rows.append(order[start : start + recipe.batch])
            rng.integers(0, 2**31, 2)  # that step's seed there
    return np.array(rows)


def rates(steps: int, recipe: Recipe) -> Floats:
    """Learning rate of each step: warm-up, then cosine."""
    warmup = max(1, round(steps * recipe.warmup_epochs / recipe.epochs))
    number = np.arange(steps)
    share = (number - warmup) / max(1, steps - warmup)
    cosine = 0.5 * (1.0 + np.cos(np.pi * share))
    return np.asarray(recipe.learning_rate * np.where(number < warmup, (number + 1) / warmup, cosine))


class Fit:
    """One network, its optimiser's state and its averaged weights, on one device."""

    def __init__(self, weights: Weights, images: torch.Tensor, labels: torch.Tensor, recipe: Recipe) -> None:
        """Prepare every step; `images` uint8 [n, 224, 224] and `labels` [n] lie on the device already."""
        self._device = device = str(images.device)
        self._weights, self._images, self._labels, self._recipe = weights, images, labels, recipe
        chosen = batches(len(images), recipe)
        self.steps, self.steps_an_epoch = len(chosen), len(chosen) // recipe.epochs
        self._order = torch.tensor(chosen, device=device)
        rate, number = rates(self.steps, recipe), np.arange(self.steps)
        correction = np.sqrt(1 - _BETA_2 ** (number + 1)) / (1 - _BETA_1 ** (number + 1))
        averaging = np.minimum(recipe.averaging, (1 + number) / (10 + number))
        table = np.stack((rate * correction, 1 - recipe.weight_decay * rate, averaging, 1 - averaging), 1)
        self._table = torch.tensor(table, dtype=torch.float32, device=device)
        positives = float(labels.float().mean())
        self._balance = torch.tensor((0.5 / (1 - positives), 0.5 / positives), device=device)
        self._generator = torch.Generator(device=device)
        self._augment = Augmenter(recipe.augmentation, device, self._generator)
        names = [name for name in weights if "moving" not in name]
        self._trained = [weights[name].requires_grad_() for name in names]
        self._decayed = [weights[name].data for name in names if not name.endswith(_UNDECAYED)]
        self._first, self._second = ([torch.zeros_like(w) for w in self._trained] for _ in range(2))
        self._average = [weight.detach().clone() for weight in weights.values()]
        self._losses = torch.zeros(self.steps, device=device)
        self._number = torch.zeros(1, dtype=torch.int64, device=device)
        self._graph: torch.cuda.CUDAGraph | None = None
        self._stream = torch.cuda.Stream() if device.startswith("cuda") else None

    def capture(self) -> None:
        """Record a step as a CUDA graph, leaving everything as it was."""
        state = [*(w.data for w in self._weights.values()), *self._first, *self._second, *self._average]
        state += [self._losses, self._number]
        kept = [tensor.clone() for tensor in state]
        torch.cuda.synchronize()
        with torch.cuda.stream(self._stream):
            for _ in range(_WARM_UP_STEPS):
                self._step()
        torch.cuda.synchronize()
        graph = torch.cuda.CUDAGraph()
        graph.register_generator_state(self._generator)
        self._generator.manual_seed(self._recipe.seed)
        with torch.cuda.graph(graph, stream=self._stream):
            self._step()
        for tensor, value in zip(state, kept, strict=True):
            tensor.copy_(value)
        torch.cuda.synchronize()
        self._graph = graph

    def step(self) -> None:
        """Queue one step."""
        if self._graph is None:
            self._step()
        else:
            with torch.cuda.stream(self._stream):
                self._graph.replay()

    def averaged(self) -> Weights:
        """Copy the averaged weights, as they are after the steps queued so far."""
        if self._stream is None:
            return {name: weight.clone() for name, weight in zip(self._weights, self._average, strict=True)}
        with torch.cuda.stream(self._stream):
            return {name: weight.clone() for name, weight in zip(self._weights, self._average, strict=True)}

    def losses(self) -> Floats:
        """Mean training loss of each epoch; waits for the device."""
        values = self._losses.cpu().numpy().astype(np.float64)
        return values.reshape(self._recipe.epochs, -1).mean(1)

    def _step(self) -> None:
        chosen = self._order[self._number][0]
        rate, keep, average, fresh = self._table[self._number][0].unbind()
        labels = self._labels[chosen]
        with torch.no_grad():
            inputs = self._augment(self._images[chosen], labels)
        smoothing = self._recipe.label_smoothing
        targets = labels.float() * (1.0 - smoothing) + 0.5 * smoothing
        logits = Pass(self._weights, training=True, generator=self._generator).logits(inputs)
        losses = functional.binary_cross_entropy_with_logits(logits, targets, reduction="none")
        loss = (losses * self._balance[labels]).mean()
        gradients = torch.autograd.grad(loss, self._trained)
        with torch.no_grad():
            self._losses[self._number] = loss.detach()
            self._update(gradients, rate, keep)
            torch._foreach_mul_(self._average, average)
            torch._foreach_add_(self._average, torch._foreach_mul([w.data for w in self._weights.values()], fresh))
            self._number += 1

    def _update(self, gradients: Sequence[torch.Tensor], rate: torch.Tensor, keep: torch.Tensor) -> None:
        """Update as Keras' AdamW does: clip by the global norm, decay, then Adam with its epsilon beside the root."""
        norm = torch.stack(torch._foreach_norm(gradients)).norm()
        clipped = torch._foreach_mul(gradients, _CLIP / norm.clamp(min=_CLIP))
        torch._foreach_mul_(self._decayed, keep)
        torch._foreach_mul_(self._first, _BETA_1)
        torch._foreach_add_(self._first, clipped, alpha=1 - _BETA_1)
        torch._foreach_mul_(self._second, _BETA_2)
        torch._foreach_addcmul_(self._second, clipped, clipped, 1 - _BETA_2)
        root = torch._foreach_sqrt(self._second)
        torch._foreach_add_(root, _EPSILON)
        change = torch._foreach_div(self._first, root)
        torch._foreach_mul_(change, rate)
        torch._foreach_sub_([w.data for w in self._trained], change)
