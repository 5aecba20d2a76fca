import pytest
import torch

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
    with pytest.raises(ValueError, match="at least 2"):
        ProjectionHead(8, layers=1)
