import pytest
import torch

from simclr.errors import InputError
from simclr.models.embedding import Embedded
from simclr.models.encoder import random_encoder

OPTIONS = {"name": "resnet8", "in_chans": 2, "width": 4}


def test_it_is_a_linear_map_of_what_the_encoder_gives():
    plain, x = random_encoder(3, **OPTIONS).eval(), torch.randn(5, 2, 8, 8)
    for normalize in (False, True):
        embedded = random_encoder(3, **OPTIONS, embedding={"dim": 6, "normalize": normalize}).eval()
        assert isinstance(embedded, Embedded)
        assert embedded.feature_dim == 6
        expected = plain(x) @ embedded.embedding.weight.T + embedded.embedding.bias
        expected = expected / expected.norm(dim=1, keepdim=True) if normalize else expected
        assert torch.allclose(embedded(x), expected, atol=1e-6)


def test_lengths_are_one_also_in_half_precision():
    embedded = random_encoder(3, **OPTIONS, embedding={"dim": 6}).eval()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        e = embedded(torch.randn(5, 2, 8, 8))
    assert e.dtype == torch.float32
    assert torch.allclose(e.norm(dim=1), torch.ones(5))
    assert embedded.double()(torch.randn(5, 2, 8, 8).double()).dtype == torch.float64


@pytest.mark.parametrize(
    ("embedding", "message"),
    [
        ({"dim": 0}, "embedding.dim is 0, but must be an integer between 1 and 10,000,000"),
        ({"dim": 4, "normalize": 1}, "embedding.normalize is 1, but must be true or false"),
        ({"dmi": 4}, "embedding.dmi is no argument of the embedding layer: did you mean dim?"),
        ({}, "embedding.dim is missing"),
    ],
)
def test_what_cannot_be_is_refused(embedding, message):
    with pytest.raises(InputError, match=message):
        random_encoder(0, **OPTIONS, embedding=embedding)
