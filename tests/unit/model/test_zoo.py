"""The module's name is the model's name; asking for another lists what exists."""

import pytest

from model import classifier, zoo
from model.errors import UnknownModelError


def test_the_zoo_lists_its_modules() -> None:
    assert {"efficientnet_lite0", "small_cnn"} <= set(zoo.names())
    assert set(zoo.loadable()) <= set(zoo.names())
    assert classifier.DEFAULT in zoo.loadable()


@pytest.mark.parametrize("name", ["resnet", "", "..", "zoo.small_cnn", "efficientnet_lite0.json"])
def test_an_unknown_name_lists_what_exists(name: str) -> None:
    with pytest.raises(UnknownModelError, match=r"expected one of the models .*efficientnet_lite0.*small_cnn"):
        zoo.architecture(name)


def test_an_architecture_without_weights_does_not_load_and_says_which_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zoo.Architecture, "is_loadable", property(lambda self: self.name == "efficientnet_lite0"))
    with pytest.raises(UnknownModelError, match=r"one of efficientnet_lite0. Received: name=small_cnn"):
        classifier.load("small_cnn")
