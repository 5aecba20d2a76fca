"""The picture of the views shows the views that a run draws, and says what was done to each."""

import json

import matplotlib.image
import numpy as np
import pytest
import torch

from simclr.errors import InputError
from simclr.recipe.read import check_recipe, read_recipe
from simclr.views.colours import false_colour
from simclr.views.drawn_views import look_at_views, write_notes
from simclr.views.inputs import build_inputs
from simclr.views.picture import describe_notes, draw_views, run_views

CPU = torch.device("cpu")
SMALL = "augment.small_views={count: 2, resized_crop: {size: 4}}"


def test_it_shows_the_views_that_the_loop_gets(tmp_path):
    inputs = build_inputs(read_recipe("digits", [SMALL, "augment.resized_crop={}"]), CPU)
    ids = torch.tensor([3, 17, 500])
    drawn = look_at_views(inputs, ids, 5, CPU)
    assert drawn.names == ["sample", "view 0", "view 1", "view 2", "view 3"]
    large, small = inputs.augment(inputs.source[ids], ids, 5), inputs.small(inputs.source[ids], ids, 5)
    for picture, view in zip(drawn.pictures[1:], [*large, *small]):
        assert picture.shape[:3] == (3, *view.shape[2:])
        # One common scale: grey values rise with the view's.
        clipped = np.clip(picture[..., 0].ravel(), 1e-6, 1 - 1e-6)
        inside = (clipped > 1e-6) & (clipped < 1 - 1e-6)
        correlation = np.corrcoef(clipped[inside], view.numpy().ravel()[inside])[0, 1]
        assert correlation == pytest.approx(1, abs=1e-6)
    draw_views(drawn, tmp_path / "v.png")
    assert matplotlib.image.imread(tmp_path / "v.png").std() > 0.05
    write_notes(drawn, tmp_path / "v.json")
    written = json.loads((tmp_path / "v.json").read_text())
    assert [sample["id"] for sample in written["samples"]] == [3, 17, 500]
    assert [view["size"] for view in written["samples"][0]["views"]] == [[8, 8], [8, 8], [4, 4], [4, 4]]
    assert set(written["samples"][0]["views"][0]["operations"]["resized_crop"]) == {"top", "left", "height", "width"}


def test_a_scene_shows_the_spectra_of_its_centre_pixels(tmp_path):
    options = [
        "data.whiten=8",
        "data.patch_size=9",
        "data.pool=1",
        "augment.rotation90=null",
        "data.bad_bands=[[0, 9]]",
    ]
    inputs = build_inputs(read_recipe("indian-pines", [*options, "augment.radiation={beta: 0}"]), CPU, in_bands=True)
    ids = torch.tensor([3000, 9000])
    drawn = look_at_views(inputs, ids, 0, CPU)
    assert drawn.spectra.values.shape == (3, 2, 190)
    assert drawn.spectra.places == pytest.approx(
        [400 + band * 2100 / 219 for band in range(10, 219) if band not in WATER]
    )
    for i in range(2):
        # The first view lies on its pixel: its spectrum is the sample's times what the note says.
        alpha = drawn.notes[0][i]["radiation"]["alpha"]
        np.testing.assert_allclose(drawn.spectra.values[1, i], drawn.spectra.values[0, i] * alpha, rtol=2e-3, atol=1e-5)
        # The second lies on the pixel that the note names.
        shift = drawn.notes[1][i]["center_shift"]
        moved = int(ids[i]) + 145 * shift["rows"] + shift["columns"]
        there = inputs.source[torch.tensor([moved])][0, :, 4, 4].numpy() * drawn.notes[1][i]["radiation"]["alpha"]
        np.testing.assert_allclose(drawn.spectra.values[2, i], there, rtol=2e-3, atol=1e-5)
    draw_views(drawn, tmp_path / "v.png")
    assert (tmp_path / "v.png").exists()


WATER = {*range(103, 108), *range(149, 163)}


def photos(tmp_path, augment, height=16, width=16):
    pixels = np.random.default_rng(0).integers(0, 256, (40, height, width, 3), dtype=np.uint8)
    np.save(tmp_path / "photos.npy", pixels)
    data = {"source": "arrays", "path": str(tmp_path / "photos.npy"), "layout": "NHWC"}
    return pixels, build_inputs(check_recipe({"data": data, "augment": augment}), CPU)


def test_photographs_keep_their_colours(tmp_path):
    pixels, inputs = photos(tmp_path, {"horizontal_flip": {"p": 1.0}, "grayscale": {"p": 1.0}})
    drawn = look_at_views(inputs, torch.tensor([7, 30]), 0, CPU)
    np.testing.assert_allclose(drawn.pictures[0], pixels[[7, 30]] / 255, atol=2e-3)
    grey = pixels[[7, 30], :, ::-1] / 255 @ [0.2989, 0.587, 0.114]
    np.testing.assert_allclose(drawn.pictures[1], np.repeat(grey[..., None], 3, -1), atol=2e-3)
    assert drawn.colours == ""


def test_a_box_is_what_its_view_was_cut_from(tmp_path):
    """A crop of the size of the view is not resampled, so that the box must hold the view's very pixels."""
    crop = {"size": 8, "scale": [0.25, 0.25], "ratio": [1.0, 1.0]}
    pixels, inputs = photos(tmp_path, {"resized_crop": crop})
    drawn = look_at_views(inputs, torch.tensor([3, 11]), 2, CPU)
    for view in (0, 1):
        for i, sample in enumerate((3, 11)):
            left, top, width, height = drawn.boxes[view][i]
            cut = pixels[sample, top : top + height, left : left + width] / 255
            np.testing.assert_allclose(drawn.pictures[1 + view][i], cut, atol=2e-3)


def test_wide_images_and_many_views_can_be_drawn(tmp_path):
    _, inputs = photos(tmp_path, {"views": 30, "horizontal_flip": {}}, height=8, width=24)
    drawn = look_at_views(inputs, torch.tensor([3]), 0, CPU)
    assert drawn.sizes[0] == "8×24 px"
    draw_views(drawn, tmp_path / "v.png")
    height, width, _ = matplotlib.image.imread(tmp_path / "v.png").shape
    assert width < 17 * 1.7 * 150
    assert height > 150


@pytest.mark.parametrize("wavelengths", [None, [400.0, 590.0]])
def test_spectra_have_gaps_at_bad_bands_and_keep_the_numbers_of_bands(tmp_path, wavelengths):
    np.save(tmp_path / "cube.npy", np.random.default_rng(0).random((9, 9, 20)))
    bad = [2, 9, 10]
    data = {"source": "scene", "path": str(tmp_path / "cube.npy"), "patch_size": 9, "pool": 3, "bad_bands": bad}
    augment = {"band_dropout": {"fraction": 0.5, "p": 1.0}, "spectral_shift": {"shift": 3, "p": 1.0}}
    recipe = check_recipe({"data": {**data, "wavelengths": wavelengths}, "augment": augment})
    drawn = look_at_views(build_inputs(recipe, CPU), torch.tensor([40]), 0, CPU)
    good = [band for band in range(20) if band not in bad]
    places = good if wavelengths is None else [400.0 + 10 * band for band in good]
    assert drawn.spectra.places == pytest.approx(places)
    assert drawn.spectra.runs.tolist() == [0] * 2 + [1] * 6 + [2] * 9
    assert drawn.spectra.axis == ("band" if wavelengths is None else "wavelength in nm")
    assert drawn.sizes == ["3×3 cells = 9×9 px"] * 3
    assert drawn.about == ["row 4, column 4"]
    for view in (0, 1):
        note = drawn.notes[view][0]
        zero = [band for band, value in zip(good, drawn.spectra.values[1 + view, 0]) if value == 0]
        assert note["band_dropout"]["dropped"] == zero
        assert list(note["spectral_shift"]) == ["shift_bands" if wavelengths is None else "shift_nm"]
    draw_views(drawn, tmp_path / "v.png")


def test_the_first_component_is_brightness_and_the_others_are_colours():
    flat = torch.full((1, 5, 1, 100), 0.5)
    for component, name in enumerate(("brightness", "blue to yellow", "green to red")):
        x = flat.clone()
        x[0, component, 0] = torch.linspace(0, 1, 100)
        first, last = (false_colour([x], whitened=True)[0][0, 0, place] for place in (10, 90))
        rise = (last - first).tolist()
        if name == "brightness":
            assert rise[0] == pytest.approx(rise[1]) == pytest.approx(rise[2])
            assert rise[0] > 0.4
        elif name == "blue to yellow":
            assert rise[2] < -0.2 < 0.2 < rise[0] == pytest.approx(rise[1])
        else:
            assert rise[0] > 0.1
            assert rise[1] < -0.1


def test_every_component_is_shown_where_there_are_two():
    pictures = false_colour([torch.rand(2, 2, 4, 4)], whitened=True)
    assert pictures[0].shape == (2, 4, 4, 3)
    assert pictures[0].std() > 0.1


def test_run_views_writes_the_picture_and_its_numbers(tmp_path, capsys):
    overrides = ["augment.overrides=[{views: [1], blur: {kernel_size: 3, p: 1.0}}]", SMALL]
    run_views(read_recipe("digits", overrides), tmp_path / "v.png", samples=2, epoch=1, ids=None)
    assert "blur: kernel_size=3, sigma=0.1..2.0, p=1.0 (view 1)" in capsys.readouterr().out
    views = json.loads((tmp_path / "v.json").read_text())["samples"][1]["views"]
    assert ["blur" in view["operations"] for view in views] == [False, True, False, False]
    with pytest.raises(InputError, match="--ids is '1,x', but must be some of 0 to 1796"):
        run_views(read_recipe("digits"), tmp_path / "v.png", samples=2, epoch=1, ids="1,x")


def test_notes_name_what_was_applied_in_its_order():
    note = {"blur": None, "color_jitter": {"hue": 0.1, "contrast": 1.25}, "band_dropout": {"dropped": [*range(30)]}}
    assert describe_notes(note, 99) == "color_jitter hue=0.1 contrast=1.25\nband_dropout dropped=0,1,2,…(30)"
    assert describe_notes(note, 24).splitlines()[:2] == ["color_jitter", "  hue=0.1 contrast=1.25"]
    tiny = {"radiation": {"alpha": 3.2e-07}, "spectral_jitter": {"gain": [0.9, 1.1]}}
    assert describe_notes(tiny) == "radiation alpha=3.2e-07\nspectral_jitter gain=0.9..1.1"


def test_false_colour_puts_all_rows_on_one_scale():
    rows = [torch.rand(2, 7, 4, 4), torch.rand(2, 7, 3, 3) * 3]
    for whitened in (False, True):
        pictures = false_colour(rows, whitened)
        assert [p.shape for p in pictures] == [(2, 4, 4, 3), (2, 3, 3, 3)]
        assert all(0 <= p.min() <= p.max() <= 1 for p in pictures)
        assert pictures[1].std() > pictures[0].std()
