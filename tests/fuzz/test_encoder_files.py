"""Encoder files with other metadata, other tensors, other bytes."""

import json

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from simclr.encoder_file import load_encoder
from simclr.pretrain import pretrain
from simclr.recipe.read import read_recipe


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    from accelerate.state import AcceleratorState

    AcceleratorState._reset_state(reset_partial_state=True)
    folder = tmp_path_factory.mktemp("run") / "run"
    pretrain(read_recipe("digits", ["train.max_steps=1", "train.batch_size=32"]), folder, say=lambda line: None)
    AcceleratorState._reset_state(reset_partial_state=True)
    return folder / "encoder.safetensors"


def used(path):
    """What a user does with the file."""
    encoder = load_encoder(path)
    h = encoder(encoder.preprocess(torch.rand(2, encoder.preprocess.in_chans, 8, 8)))
    assert h.shape == (2, encoder.feature_dim)
    assert h.isfinite().all()


def test_mutated_bytes(fuzz, file, tmp_path):
    content = file.read_bytes()

    def make(odd):
        other = tmp_path / "e.safetensors"
        other.write_bytes(odd.bytes(content))
        return "bytes", lambda: used(other)

    fuzz(400, make)


def test_mutated_metadata(fuzz, file, tmp_path):
    with safe_open(file, "pt") as content:
        header = content.metadata()
        tensors = {key: content.get_tensor(key) for key in content.keys()}  # noqa: SIM118

    def make(odd):
        tree = odd.tree(json.loads(header["simclr"]))
        other = tmp_path / "e.safetensors"
        text = odd.json(tree)
        kept = header if odd.random.random() < 0.2 else {}  # with the hash, that alone refuses it
        save_file(tensors, other, metadata={**kept, "simclr": text} if odd.random.random() < 0.97 else {"x": "y"})
        return text, lambda: used(other)

    fuzz(400, make)


def test_mutated_tensors(fuzz, file, tmp_path):
    with safe_open(file, "pt") as content:
        header = content.metadata()
        tensors = {key: content.get_tensor(key) for key in content.keys()}  # noqa: SIM118
    changes = {
        "half": lambda t: t.half(),
        "double": lambda t: t.double(),
        "int8": lambda t: t.to(torch.int8),
        "bool": lambda t: t.bool(),
        "complex": lambda t: t.to(torch.complex64),
        "nan": lambda t: torch.full_like(t, torch.nan) if t.is_floating_point() else t - 1,
        "inf": lambda t: torch.full_like(t, torch.inf) if t.is_floating_point() else t,
        "negative": lambda t: -t - 1,
        "huge": lambda t: torch.full_like(t, 1e38) if t.is_floating_point() else t,
        "shape": lambda t: t[None],
        "empty": lambda t: t.flatten()[:0],
        "longer": lambda t: torch.cat([t.flatten(), t.flatten()]),
    }

    def make(odd):
        mine, other = dict(tensors), tmp_path / "e.safetensors"
        said = []
        for _ in range(odd.random.choice((1, 1, 3))):
            key, what = odd.random.choice(sorted(mine)), odd.random.choice([*changes, "drop", "rename"])
            said.append(f"{key} {what}")
            tensor = mine.pop(key)
            if what == "rename":
                mine[f"{key}x"] = tensor
            elif what != "drop":
                mine[key] = changes[what](tensor).contiguous()
        kept = header if odd.random.random() < 0.2 else {"simclr": header["simclr"]}
        save_file(mine, other, metadata=kept)
        return ", ".join(said), lambda: used(other)

    fuzz(200, make)
