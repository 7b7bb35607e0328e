"""Every error this package raises on purpose.

ModelError
├── UnknownModelError   no model of that name in the zoo
├── CardError           a model card is absent, unreadable or says something impossible
├── WeightsError        a weights file is absent, damaged or not the one that its card names
├── PlanError           a network has a layer that serving cannot execute
├── RuntimeUnavailableError  the wanted runtime is not installed
├── InputError          an image that must not be scored: wrong shape, type or values
├── DatasetError        a data folder that is not laid out as the training needs it
├── PretrainedError     the ImageNet weights are absent or not what was expected
└── SitePointError      a site's operating point cannot be chosen, read or applied
"""


class ModelError(Exception):
    """Anything that keeps a model from being trained, loaded or asked."""


class UnknownModelError(ModelError):
    """There is no loadable model of that name in the zoo."""


class CardError(ModelError):
    """A model card is absent, unreadable or inconsistent; its model does not load."""


class WeightsError(ModelError):
    """A weights file is absent, damaged or has another digest than its card names."""


class PlanError(ModelError):
    """A network has a layer, or a setting of one, that serving cannot execute."""


class RuntimeUnavailableError(ModelError):
    """The runtime that is asked for is not installed."""


class InputError(ModelError):
    """An image has the wrong shape, type or values; it gets no score."""


class DatasetError(ModelError):
    """A data folder is not laid out as NORMAL/ and PNEUMONIA/ or holds unusable files."""


class PretrainedError(ModelError):
    """The ImageNet weights cannot be read; training from them is impossible."""


class SitePointError(ModelError):
    """A site's operating point cannot be chosen, read or applied: too little data, a bad file, or another model."""
