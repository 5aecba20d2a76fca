"""The loop on images of which nothing is said but where they lie."""

import json

import pytest
import torch
from PIL import Image, ImageDraw

from simclr import load_encoder
from simclr.pretrain import pretrain
from simclr.recipe.read import read_recipe

pytestmark = pytest.mark.usefixtures("fresh_accelerate")


def test_a_folder_of_images_alone_is_enough(tmp_path):
    (tmp_path / "drawn").mkdir()
    places = torch.randint(4, 24, (120, 4, 2), generator=torch.Generator().manual_seed(0)).tolist()
    for i, corners in enumerate(places):
        image = Image.new("L", (28, 28))
        ImageDraw.Draw(image).line([tuple(corner) for corner in corners], fill=255, width=2)
        image.save(tmp_path / "drawn" / f"{i}.png")
    said = []
    recipe = read_recipe("images", [f"data.path={tmp_path / 'drawn'}", "train.max_steps=6", "encoder.width=4"])
    numbers = pretrain(recipe, tmp_path / "run", say=said.append)
    resolved = read_recipe(tmp_path / "run" / "recipe.yaml")
    assert resolved.choose is None
    assert resolved.augment.affine is not None
    assert any("augment.affine.degrees=15.0: thin strokes" in line for line in said)
    assert any(line.startswith("this pretraining ") for line in said)
    assert numbers["verdict"] == load_encoder(tmp_path / "run").metadata["numbers"]["verdict"]
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert "verdict" in lines[-1]
