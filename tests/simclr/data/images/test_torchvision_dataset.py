"""Data sets of torchvision: what is said where they are not there."""

from urllib.error import URLError

import pytest

from simclr.data.images.torchvision_dataset import torchvision_source
from simclr.errors import InputError


def refusal(name, root, download):
    with pytest.raises(InputError) as caught:
        torchvision_source(name, root, download=download)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture
def no_network(monkeypatch):
    def fail(*_, **__):
        raise URLError(OSError(-2, "Name or service not known"))

    monkeypatch.setattr("urllib.request.urlopen", fail)


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize("name", ["CIFAR10", "MNIST", "STL10", "Omniglot", "Flowers102"])
def test_what_cannot_be_fetched_is_not_advised_to_be_fetched(name, tmp_path):
    message = refusal(name, tmp_path / "data", True)
    assert message.startswith(f"{name} could not be fetched to {tmp_path / 'data'} (")
    assert "put its files there, or try again with a network" in message
    assert "data.download" not in message


def test_what_may_be_fetched_is_advised_to_be_fetched_and_nothing_else_is(tmp_path):
    assert "set data.download=true to fetch it" in refusal("CIFAR10", tmp_path, False)
    for download in (False, True):  # of which torchvision can only unpack what lies there
        assert refusal("ImageNet", tmp_path, download).endswith("put its files there.")


def test_no_data_set_and_no_folder(tmp_path):
    assert "did you mean CIFAR100?" in refusal("cifar_100", tmp_path, False)
    assert "data.path is not set" in refusal("CIFAR10", None, False)
