"""The picture of the views shows the views that a run draws, and says what was done to each."""

import json

import matplotlib.image
import numpy as np
import pytest
import torch

from simclr.build import build_inputs
from simclr.recipe import read_recipe
from simclr.views_picture import describe_notes, draw_views, false_colour, look_at_views, write_notes

CPU = torch.device("cpu")
SMALL = "augment.small_views={count: 2, resized_crop: {size: 4}}"


def test_it_shows_the_views_that_the_loop_gets(tmp_path):
    inputs = build_inputs(read_recipe("digits", [SMALL]), CPU)
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
    assert drawn.spectra.shape == (3, 2, 190)
    assert drawn.wavelengths == pytest.approx([400 + band * 2100 / 219 for band in range(10, 219) if band not in WATER])
    for i in range(2):
        # The first view lies on its pixel: its spectrum is the sample's times what the note says.
        alpha = drawn.notes[0][i]["radiation"]["alpha"]
        np.testing.assert_allclose(drawn.spectra[1, i], drawn.spectra[0, i] * alpha, rtol=2e-3, atol=1e-5)
        # The second lies on the pixel that the note names.
        shift = drawn.notes[1][i]["center_shift"]
        moved = int(ids[i]) + 145 * shift["rows"] + shift["columns"]
        there = inputs.source[torch.tensor([moved])][0, :, 4, 4].numpy() * drawn.notes[1][i]["radiation"]["alpha"]
        np.testing.assert_allclose(drawn.spectra[2, i], there, rtol=2e-3, atol=1e-5)
    draw_views(drawn, tmp_path / "v.png")
    assert (tmp_path / "v.png").exists()


WATER = {*range(103, 108), *range(149, 163)}


def test_notes_name_what_was_applied_in_its_order():
    note = {"blur": None, "color_jitter": {"hue": 0.1, "contrast": 1.25}, "band_dropout": {"dropped": [*range(30)]}}
    assert describe_notes(note, 99) == "color_jitter hue=0.1 contrast=1.25\nband_dropout dropped=0,1,2,…(30)"


def test_false_colour_puts_all_rows_on_one_scale():
    rows = [torch.rand(2, 7, 4, 4), torch.rand(2, 7, 3, 3) * 3]
    for whitened in (False, True):
        pictures = false_colour(rows, whitened)
        assert [p.shape for p in pictures] == [(2, 4, 4, 3), (2, 3, 3, 3)]
        assert all(0 <= p.min() <= p.max() <= 1 for p in pictures)
        assert pictures[1].std() > pictures[0].std()
