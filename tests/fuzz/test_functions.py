"""The functions that other projects call, with arguments that they should not be given."""

import numpy as np
import torch
from torch import nn

from simclr import load_encoder
from simclr.augment import OPERATIONS
from simclr.augment.registry import arguments_of
from simclr.data.fitting import fit_preprocess
from simclr.data.source import TensorSource
from simclr.eval.linear_eval import linear_eval
from simclr.ntxent import nt_xent

FLOATS = (torch.float32, torch.float64, torch.float16, torch.bfloat16)
KINDS = (*FLOATS, torch.uint8, torch.int32, torch.int64, torch.bool, torch.complex64)


def odd_tensor(odd):
    shape = tuple(odd.random.choice((0, 1, 2, 3, 4, 8)) for _ in range(odd.random.choice((0, 1, 2, 3, 3, 4, 4, 5))))
    kind = odd.random.choice(
        (
            torch.float32,
            torch.float64,
            torch.float16,
            torch.bfloat16,
            torch.uint8,
            torch.int32,
            torch.int64,
            torch.bool,
            torch.complex64,
        )
    )
    made = torch.randn(shape, generator=torch.Generator().manual_seed(odd.random.randrange(2**31)))
    made = made * odd.random.choice((0.0, 1e-40, 1.0, 1.0, 100.0, 1e30))
    made = made.to(kind) if kind != torch.bool else made > 0
    if made.is_floating_point() and made.numel() and odd.random.random() < 0.2:
        made.view(-1)[0] = odd.random.choice((torch.nan, torch.inf))
    return made


def thing(odd):
    what = odd.random.random()
    if what < 0.6:
        return odd_tensor(odd)
    if what < 0.75:
        made = odd_tensor(odd)
        return made.float().numpy() if made.dtype == torch.bfloat16 else made.numpy()
    return odd.value()


def said(*things):
    return ", ".join(f"{t.dtype} {tuple(t.shape)}" if hasattr(t, "dtype") else repr(t)[:60] for t in things)


def test_load_encoder(fuzz, tmp_path):
    def make(odd):
        path = odd.random.choice((thing(odd), tmp_path, tmp_path / "none", b"x", 3.5))
        return said(path), lambda: load_encoder(path)

    fuzz(40, make)


def test_preprocess(fuzz):
    images = torch.randint(0, 256, (8, 3, 8, 8), generator=torch.Generator().manual_seed(0))
    maps = [
        fit_preprocess(TensorSource(images.to(torch.uint8)), "unit"),
        fit_preprocess(TensorSource(images.to(torch.int32), value_max=65535), "standardize"),
        fit_preprocess(TensorSource(images.float()), "standardize"),
    ]

    def make(odd):
        preprocess, batch = odd.random.choice(maps), thing(odd)

        def call():
            out = preprocess(batch)
            assert out.dtype == torch.float32
            assert out.isfinite().all()

        return said(batch), call

    fuzz(120, make)


def test_nt_xent(fuzz):
    def make(odd):
        z = odd.random.choice((thing(odd), torch.randn(2, 4, 8), torch.randn(2, 4, 8)))
        options = {}
        for name in ("temperature", "labels", "keys", "negative_weight", "decoupled", "tile"):
            if odd.random.random() < 0.25:
                options[name] = thing(odd)
        return f"{said(z)} {said(*options.values())} {list(options)}", lambda: nt_xent(z, **options)

    fuzz(150, make)


def test_linear_eval(fuzz):
    def make(odd):
        x = odd.random.choice((thing(odd), np.random.default_rng(0).normal(size=(30, 4)), np.zeros((30, 4))))
        y = odd.random.choice((thing(odd), np.arange(30) % 3, (np.arange(30) % 3) * 10**7 - 5))
        asked = {"shots": [3], "seeds": [0], "probes": ["ridge"]}
        for name in ("shots", "seeds", "probes", "shares", "splits", "device", "exclude", "standardise", "validation"):
            if odd.random.random() < 0.1:
                asked[name] = thing(odd)
        return f"{said(x, y)} {said(*asked.values())}", lambda: linear_eval(x, y, **asked)

    fuzz(120, make)


def test_augmentations(fuzz):
    names = sorted(OPERATIONS)
    needed = {"resized_crop": {"size": 4}, "blur": {"kernel_size": 3}}

    def make(odd):
        name = odd.random.choice(names)
        options = dict(needed.get(name, {}))
        if odd.random.random() < 0.6:
            options[odd.random.choice(arguments_of(OPERATIONS[name])).name] = odd.value()
        batch = odd.random.choice((thing(odd), torch.rand(2, 3, 8, 8), torch.rand(2, 1, 8, 8), torch.zeros(2, 8, 8, 8)))

        def call():
            operation = OPERATIONS[name](**options)
            assert isinstance(operation, nn.Module)
            out = operation(batch)
            assert out.dtype == batch.dtype
            assert out.isfinite().all() or not batch.isfinite().all()

        return f"{name} {options} {said(batch)}", call

    fuzz(150, make)
