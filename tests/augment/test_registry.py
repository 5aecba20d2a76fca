"""The table of operations: read without torch, loaded name by name, and the package's public names whatever is imported
first."""

import subprocess
import sys

import pytest
import torch

from simclr import augment
from simclr.augment import OPERATIONS, Views, build_views
from simclr.augment.base import AddressedOperation, GeometricOperation, IntensityOperation
from simclr.augment.registry import OPERATIONS_TABLE, arguments_of


def run(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_the_table_is_read_without_torch():
    loaded = "print([m for m in ('torch', 'kornia', 'numpy') if m in sys.modules])"
    assert run(f"import sys; from simclr.augment.registry import OPERATIONS; list(OPERATIONS); {loaded}") == "[]"
    assert run(f"import sys; import simclr.augment.needs; {loaded}") == "[]"


def test_a_name_leads_to_its_class():
    for name, kind in OPERATIONS.items():
        assert issubclass(kind, AddressedOperation)
        assert f"{kind.__module__}:{kind.__name__}" == OPERATIONS_TABLE[name]
        assert getattr(augment, kind.__name__) is kind
    assert "blurr" not in OPERATIONS
    with pytest.raises(KeyError):
        OPERATIONS["blurr"]


@pytest.mark.slow
def test_files_named_like_a_function_leave_it_where_it_is():
    code = (
        "import simclr.augment.trace, simclr.augment.virtual_samples, simclr.augment.noise\n"
        "from simclr import augment\nfrom simclr.augment import trace, virtual_samples\n"
        "print(type(trace).__name__, type(virtual_samples).__name__, type(augment.noise).__name__)\n"
        "from simclr.augment import OPERATIONS, Views, build_views, RandomGaussianBlur, permutation"
    )
    assert run(code) == "function function module"


def test_every_public_name_is_there():
    assert all(getattr(augment, name) is not None for name in augment.__all__)
    assert set(augment.__all__) <= set(dir(augment))
    with pytest.raises(AttributeError, match=r"module 'simclr\.augment' has no attribute 'blurr'"):
        _ = augment.blurr


def test_the_place_in_the_table_is_the_place_in_the_pipeline(monkeypatch):
    """Also of an entry that is made when everything has been imported."""
    monkeypatch.setitem(OPERATIONS_TABLE, "again", "simclr.augment.solarize:RandomSolarize")
    views = build_views({"again": {}, "blur": {"kernel_size": 3}}, size=8, in_chans=3, views=1, seed=0)
    assert list(views.operations) == ["blur", "again"]
    assert views.describe()[1] == "again: threshold=0.5, p=0.2"
    with pytest.raises(ValueError, match=r"augment.again.tresh is not an argument: use some of threshold, p\."):
        build_views({"again": {"tresh": 1}}, size=8, in_chans=3, views=1, seed=0)


def test_arguments_are_those_that_have_a_name():
    class Bare(IntensityOperation):
        """No constructor of its own."""

    assert [argument.name for argument in arguments_of(Bare)] == ["p"]
    assert [argument.name for argument in arguments_of(OPERATIONS["blur"])] == ["kernel_size", "sigma", "p"]


PAIRS = torch.rand(2, 6, 3, 9, 9, generator=torch.Generator().manual_seed(0))
REQUIRED = {"resized_crop": {"size": 5}, "blur": {"kernel_size": 3}, "spectral_shift": {"shift": 0.5}}


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_label_holds_where_a_view_is_made_of_its_sample_alone(name):
    """With other samples around it, the view of the first one is another where it holds something of theirs."""
    operation = OPERATIONS[name]
    batch, other = PAIRS[0], torch.cat([PAIRS[0, :1], PAIRS[1, 1:]])
    views = Views({name: operation(**REQUIRED.get(name, {}), p=1.0)}, views=8, seed=0)
    first, again = (views(x, torch.arange(6), 0)[:, 0] for x in (batch, other))
    assert torch.equal(first, again) == operation.keeps_label


def test_what_moves_pixels_does_not_act_on_bands_unless_it_brings_in_values_of_its_own():
    for name, operation in OPERATIONS.items():
        if issubclass(operation, GeometricOperation):
            assert operation.acts_on_bands == (name in ("affine", "elastic"))
