"""Arguments of operations: refused in one line that names them."""

import inspect
import math
import re

import numpy as np
import pytest
import torch

from simclr.augment import OPERATIONS, ViewGroups, Views, build_views, permutation, virtual_samples
from simclr.augment.checks import image_size, integer, interval, number, shown
from simclr.augment.spectral_axis import check_wavelengths

NEEDED = {"resized_crop": {"size": 7}, "blur": {"kernel_size": 5}}


class TwoLines:
    def __repr__(self):
        return "first\nsecond"


NONSENSE = [
    math.nan,
    math.inf,
    -math.inf,
    1e300,
    10**400,
    -(10**400),
    "x",
    "0.5",
    b"ab",
    {},
    {1, 2},
    [math.nan, 1.0],
    [0.9, 0.1],
    ["a", "b"],
    [10**400, 10**401],
    (1e-320, 1e-319),
    (1e300, 1e301),
    [1, 2, 3, 4, 5],
    list(range(100_000)),
    np.array([0.5, 0.1]),
    TwoLines(),
    1 + 2j,
]


@pytest.mark.parametrize("name", OPERATIONS)
def test_arguments_that_are_nonsense_are_refused_in_one_line_or_work(name):
    x, kind = torch.rand(4, 3, 9, 9), OPERATIONS[name]
    lines = []
    for argument in inspect.signature(kind).parameters:
        for value in NONSENSE:
            try:
                operation = kind(**{**NEEDED.get(name, {}), argument: value})
                out = operation(x)
            except ValueError as error:
                lines.append(str(error))
            else:
                assert out.isfinite().all(), (argument, value)
    assert not [line for line in lines if "\n" in line or len(line) > 250]
    assert len(lines) >= 15 * len(inspect.signature(kind).parameters)


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        (
            "resized_crop",
            {"size": 10**9},
            "size is 1000000000x1000000000, but images have at most 32,768 pixels a side.",
        ),
        ("resized_crop", {"size": 5, "keep_center": "no"}, "keep_center is 'no', but must be True or False."),
        ("resized_crop", {"size": 5, "antialias": None}, "antialias is None, but must be True or False."),
        ("resized_crop", {"size": b"ab"}, "size is b'ab', but must be an integer of at least 1."),
        ("horizontal_flip", {"keepdim": 1}, "keepdim is 1, but must be True or False."),
        (
            "blur",
            {"kernel_size": 10**40 + 1},
            "kernel_size is a number of more than 30 digits, but must be an integer bet",
        ),
        (
            "blur",
            {"kernel_size": 3, "sigma": (1e-300, 1.0)},
            "sigma is 1e-300, but must be 0 or between 1e-30 and 1e+30",
        ),
        ("noise", {"sd": []}, "sd is an empty list, but must be a number, or one for each band."),
        ("noise", {"sd": "0.1"}, "sd is '0.1', but must be a number of at least 0.0."),
        ("noise", {"sd": 1e31}, "sd is 1e+31, but must be 0 or between"),
        ("color_jitter", {"brightness": b"\x01\x02"}, "brightness is b'\\x01\\x02', but must be a number"),
        ("color_jitter", {"mode": np.array(["exact", "fast"])}, "mode is array(['exact', 'fast']"),
        ("spectral_jitter", {"order": 10**9}, "order is 1000000000, but must be an integer between 0 and 4096."),
        (
            "spectral_shift",
            {"wavelengths": 5},
            "wavelengths are 5, but must be finite positive numbers, in nm: one for each band.",
        ),
        ("spectral_shift", {"wavelengths": "400,500"}, "wavelengths are '400,500', but must be finite"),
        (
            "spectral_shift",
            {"wavelengths": [400.0, None]},
            "wavelengths hold None, but must be finite",
        ),
        ("spectral_smoothing", {"unit": None}, 'unit is None, but must be "nm" or "bands".'),
    ],
)
def test_the_line_says_what_was_given_and_what_is_allowed(name, arguments, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        OPERATIONS[name](**{**NEEDED.get(name, {}), **arguments})


@pytest.mark.parametrize("pair", [(2.0, 1.0), (0.5, 0.1), (0.5, -1.0), (3.0, 0.0), (0.5, 0.0), (9.0, -9.0)])
def test_a_pair_that_runs_backwards_is_advised_the_other_way_round_only_where_that_is_allowed(pair):
    with pytest.raises(ValueError, match=r"^scale is") as caught:
        interval("scale", pair, 0.0, 1.0, open_low=True)
    advised = re.search(r"use \[(.*), (.*)\]", str(caught.value))
    assert bool(advised) == (min(pair) > 0 and max(pair) <= 1)
    if advised:
        assert interval("scale", [float(end) for end in advised.groups()], 0.0, 1.0, open_low=True) == pair[::-1]


def test_numbers_of_other_libraries_are_numbers():
    assert number("sd", np.float32(0.5)) == 0.5
    assert integer("order", np.int64(3), 0) == 3
    assert interval("alpha", (np.float64(0.5), 1), 0.0, 2.0) == (0.5, 1.0)
    assert check_wavelengths(np.array([400.0, 500.0])) == check_wavelengths(torch.tensor([400, 500])) == (400.0, 500.0)
    assert image_size("size", (np.int64(3), 4)) == (3, 4)


def test_a_value_is_shown_in_a_line():
    assert shown(TwoLines()) == "first second"
    assert shown(list(range(1000))) == "a list of 1,000"
    assert shown([10**5000]) == "a list"
    assert len(shown("x" * 1000)) < 100


ONE = {"blur": {"kernel_size": 3}}


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda x, ids: build_views(5, size=9, in_chans=3, views=2, seed=0), "operations is 5"),
        (lambda x, ids: build_views({"blur": 5}, size=9, in_chans=3, views=2, seed=0), "augment.blur is 5"),
        (lambda x, ids: build_views(ONE, size=9, in_chans=0, views=2, seed=0), "in_chans is 0"),
        (lambda x, ids: build_views(ONE, size="9", in_chans=3, views=2, seed=0), "size is '9'"),
        (lambda x, ids: build_views(ONE, size=9, in_chans=3, views="2", seed=0), "views is '2'"),
        (lambda x, ids: build_views(ONE, size=9, in_chans=3, views=2, seed="0"), "seed is '0'"),
        (lambda x, ids: Views({"blur": torch.nn.ReLU()}, views=2, seed=0), "operations of this package"),
        (lambda x, ids: Views({}, views=2, seed=0, dtype=torch.int8), "dtype is torch.int8"),
        (lambda x, ids: ViewGroups(5), "groups is 5"),
        (lambda x, ids: build_views(ONE, size=9, in_chans=3, views=2, seed=0)(x.numpy(), ids, 0), "batch is a ndarray"),
        (lambda x, ids: build_views(ONE, size=9, in_chans=3, views=2, seed=0)(x, [0, 1, 2, 3], 0), "ids are a list"),
        (lambda x, ids: build_views(ONE, size=9, in_chans=3, views=2, seed=0)(x, ids, 0.5), "epoch is 0.5"),
        (lambda x, ids: build_views(ONE, size=9, in_chans=3, views=2, seed=0)(x, ids, -1), "epoch is -1"),
        (lambda x, ids: permutation(0, 0, -1), "n is -1"),
        (lambda x, ids: permutation("0", 0, 3), "seed is '0'"),
        (lambda x, ids: virtual_samples(x, ids[:2], 5), "labels are tensor"),
        (lambda x, ids: virtual_samples(x, ids, -1), "count is -1"),
        (lambda x, ids: virtual_samples(x, ids, 5, beta=math.nan), "beta is nan"),
    ],
)
def test_arguments_of_the_other_functions(call, words):
    with pytest.raises(ValueError, match=re.escape(words)) as caught:
        call(torch.rand(4, 3, 9, 9), torch.arange(4))
    assert "\n" not in str(caught.value)
