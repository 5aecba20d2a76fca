import pytest
import torch

from simclr.errors import InputError
from simclr.models.head import ProjectionHead


@pytest.mark.parametrize("layers", [2, 3])
def test_layers_and_widths(layers):
    head = ProjectionHead(32, 48, 16, layers)
    linear = [m for m in head if isinstance(m, torch.nn.Linear)]
    assert [m.out_features for m in linear] == [48] * (layers - 1) + [16]
    assert all(m.bias is None for m in linear)
    z = head(torch.randn(64, 32))
    assert z.shape == (64, 16)
    # The last layer is normalised, has no offset and no ReLU.
    torch.testing.assert_close(z.mean(0), torch.zeros(16), atol=1e-5, rtol=0)
    torch.testing.assert_close(z.var(0, correction=0), torch.ones(16), atol=1e-3, rtol=0)
    assert not head[-1].bias.requires_grad


def test_one_layer_is_refused():
    with pytest.raises(ValueError, match="between 2 and 1,000"):
        ProjectionHead(8, layers=1)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"in_dim": 0}, "head.in_dim is 0, but must be an integer between 1 and 10,000,000"),
        ({"in_dim": 8, "hidden_dim": -1}, "head.hidden_dim is -1"),
        ({"in_dim": 8, "out_dim": 1.5}, "head.out_dim is 1.5"),
        ({"in_dim": 8, "layers": 10**9}, "head.layers is 1000000000, but must be an integer between 2 and 1,000"),
        ({"in_dim": 8, "hidden_dim": 10**7, "layers": 3}, "the projection head would take 372,5"),
    ],
)
def test_numbers_that_make_no_sense_are_refused_before_memory_is_taken(arguments, words):
    with pytest.raises(InputError, match=words):
        ProjectionHead(**arguments)
