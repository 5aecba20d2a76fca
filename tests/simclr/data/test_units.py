"""Values that nothing can be learned from are refused before a run; all others give finite numbers."""

import pytest
import torch

from simclr.data.fitting import fit_preprocess
from simclr.data.scenes.scene import SceneSource
from simclr.data.source import TensorSource
from simclr.errors import InputError

BASE = torch.rand(50, 2, 6, 6, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("normalize", ["auto", "minmax", "standardize", "unit"])
@pytest.mark.parametrize(
    ("images", "says"),
    [
        (BASE * 1e-40, "too little for 32-bit floats: multiply them"),
        (torch.full_like(BASE, 0.3), "holds nothing but the value 0.3: there is nothing to learn"),
        (torch.zeros(50, 1, 6, 6), "nothing but the value 0"),
        (torch.full((50, 1, 6, 6), 77, dtype=torch.uint8), "nothing but the value 77"),
        (torch.tensor([0.2, 0.4]).view(1, 2, 1, 1).expand_as(BASE), "nothing but one value a band"),
        (BASE.clone().index_fill_(0, torch.tensor([3]), torch.nan), "holds NaN or infinity"),
        (BASE.clone().index_fill_(0, torch.tensor([3]), torch.inf), "holds NaN or infinity"),
    ],
)
def test_nothing_to_learn(images, says, normalize):
    with pytest.raises(InputError) as caught:
        fit_preprocess(TensorSource(images), normalize)
    assert says in str(caught.value)


def test_further_apart_or_closer_than_32_bits():
    with pytest.raises(InputError, match=r"values from -3e\+38 to 3e\+38: divide them"):
        fit_preprocess(TensorSource(torch.tensor([-3e38, 3e38]).view(2, 1, 1, 1)), "minmax")
    close = torch.full((50, 1, 6, 6), 1e6)
    close[3] += 0.0625  # the next number of that type
    with pytest.raises(InputError, match="the rounding of 32-bit floats: subtract what they have in common"):
        fit_preprocess(TensorSource(close))


@pytest.mark.parametrize("normalize", ["standardize", "minmax"])
@pytest.mark.parametrize("scale", [1e-36, 1e-20, 1, 1e20, 3e38])
def test_other_values_give_finite_units(scale, normalize):
    preprocess = fit_preprocess(TensorSource(BASE * scale), normalize)
    for values in (preprocess.to_units(BASE * scale), preprocess(BASE * scale)):
        assert bool(values.isfinite().all())
        assert float(values.std()) > 0.1


def test_one_band_that_is_equal_everywhere_is_no_mistake():
    cube = BASE[:8, 0].clone()
    cube[3] = 5
    out = fit_preprocess(SceneSource(cube))(cube[None])
    assert bool(out.isfinite().all())
    assert float(out[0, 3].abs().max()) == 0
