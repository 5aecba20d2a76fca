"""Images are told apart by their pixels, and what is chosen for them is a recipe."""

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from simclr.choose.images import choose_images, look_at_images
from simclr.data import TensorSource, load_digits
from simclr.errors import InputError
from simclr.models.encoder import build_encoder
from simclr.recipe.read import apply_overrides, check_recipe


def drawn(n=40, side=28, dark=False):
    """(n, 1, side, side) uint8: a few thin lines on an even background."""
    rng, images = np.random.default_rng(0), []
    for _ in range(n):
        image = Image.new("L", (side, side))
        points = rng.uniform(0.15 * side, 0.85 * side, (4, 2))
        ImageDraw.Draw(image).line([tuple(p) for p in points], fill=255, width=max(1, side // 14))
        images.append(np.asarray(image))
    x = torch.from_numpy(np.stack(images))[:, None].contiguous()
    return 255 - x if dark else x


def filled(n=40, side=28):
    """Broad grey shapes on black, as clothes are."""
    rng, images = np.random.default_rng(0), []
    for _ in range(n):
        image = Image.new("L", (side, side))
        x, y = rng.uniform(0.1 * side, 0.3 * side, 2)
        ImageDraw.Draw(image).ellipse((x, y, x + 0.6 * side, y + 0.6 * side), fill=int(rng.integers(60, 255)))
        images.append(np.asarray(image))
    return torch.from_numpy(np.stack(images))[:, None].contiguous()


def photographs(n=40, side=32, channels=3):
    noise = torch.rand(n, channels, side // 4, side // 4, generator=torch.Generator().manual_seed(0))
    return (255 * torch.nn.functional.interpolate(noise, size=side, mode="bilinear")).to(torch.uint8)


def source(x, name="these"):
    return TensorSource(x, name=name, value_max=255 if x.dtype == torch.uint8 else None)


@pytest.mark.parametrize("side", [16, 28, 64, 105])
@pytest.mark.parametrize("dark", [False, True])
def test_lines_on_an_even_background_are_strokes_at_any_size(side, dark):
    seen = look_at_images(source(drawn(side=side, dark=dark)))
    assert seen._replace(even=0) == (1, side, side, 40, True, 0, True, float(dark))
    assert 0.7 < seen.even < 1
    assert look_at_images(source(drawn(side=side, dark=dark).expand(-1, 3, -1, -1).contiguous())).strokes


def test_the_smallest_digits_are_strokes_too():
    assert look_at_images(load_digits())._replace(even=0, background=0) == (1, 8, 8, 1797, True, 0, True, 0)


@pytest.mark.parametrize("x", [filled(), photographs(), photographs(channels=1), drawn().expand(-1, 3, -1, -1) * 1])
def test_areas_textures_and_colours_are_none(x):
    if x.shape[1] == 3 and (x == x[:, :1]).all():
        x[:, 0] //= 2
    assert not look_at_images(source(x)).strokes


def test_the_background_is_in_the_units_that_operations_work_in():
    x = drawn(dark=True).float() * 17 - 300
    seen = look_at_images(source(x))
    assert seen.background == pytest.approx(float((x.max() - x.mean()) / x.std()), abs=1e-3)
    assert seen.strokes


def test_labels_are_not_looked_at_and_nothing_is_random():
    x = drawn()
    labelled = TensorSource(x, torch.arange(40) % 7, name="these", value_max=255)
    assert choose_images(look_at_images(labelled)) == choose_images(look_at_images(source(x)))


CASES = {
    "strokes": drawn(),
    "clothes": filled(),
    "photographs": photographs(),
    "large": photographs(side=96),
    "tiny": photographs(n=20, side=8),
    "many bands": photographs(channels=5),
}


@pytest.mark.parametrize("name", CASES)
def test_what_is_chosen_is_a_recipe_with_a_reason_for_each_key(name):
    chosen = choose_images(look_at_images(source(CASES[name])))
    assert all(c.why and "\n" not in c.why for c in chosen)
    assert len({c.key for c in chosen}) == len(chosen)
    tree = {"data": {"source": "arrays", "path": "images.npy"}}
    recipe = check_recipe(apply_overrides(tree, [f"{c.key}={str(c.value).lower()}" for c in chosen]))
    assert recipe.encoder.name == ("pyramid2" if name == "tiny" else "pyramid")
    assert recipe.train.batch_size <= max(16, len(CASES[name]))
    assert (recipe.augment.affine is not None) == (name == "strokes")
    assert (recipe.augment.resized_crop is None) == (name == "strokes")
    assert (recipe.augment.color_jitter is None) == (name in ("strokes", "many bands"))
    assert ("pixels" in recipe.encoder.options) == (name == "clothes")
    assert recipe.encoder.options.get("fine") == {"strokes": 2, "clothes": 3}.get(name)
    stem = {"width": recipe.encoder.width, "options": recipe.encoder.options}
    assert build_encoder(recipe.encoder.name, in_chans=CASES[name].shape[1], **stem).feature_dim < 8_000


def test_too_small_and_none_are_refused():
    with pytest.raises(InputError, match="3x3 pixels"):
        look_at_images(source(torch.zeros(5, 1, 3, 3, dtype=torch.uint8)))
