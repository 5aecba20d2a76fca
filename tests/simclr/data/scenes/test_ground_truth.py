"""Which array is the ground truth, and whether it lies where the spectra are."""

import numpy as np
import pytest
import scipy.io

from simclr.data.scenes.scene_file import load_scene
from simclr.errors import InputError


@pytest.fixture
def files(tmp_path, made_scene):
    """Writes cube.npy and gt.npy of a scene; gives a function that reads it with another ground truth."""

    def write(truth=None, height=40, width=50, flat=False):
        cube, own = made_scene(height, width)
        if flat:
            pixels = cube.reshape((height * width, 30), order="F").T
            scipy.io.savemat(tmp_path / "cube.mat", {"Y": pixels, "nRow": height, "nCol": width})
        else:
            np.save(tmp_path / "cube.npy", cube)
        np.save(tmp_path / "gt.npy", own if truth is None else truth(own))
        return load_scene(tmp_path / f"cube.{'mat' if flat else 'npy'}", ground_truth=tmp_path / "gt.npy"), own

    return write


@pytest.mark.parametrize("flat", [False, True])
@pytest.mark.parametrize(("height", "width"), [(40, 40), (40, 50)])
def test_labels_in_the_wrong_order_are_refused_with_what_mends_them(files, height, width, flat):
    mend = "Save it as gt.ravel(order='C').reshape(gt.shape, order='F')."
    with pytest.raises(InputError) as caught:
        files(lambda gt: gt.ravel(order="F").reshape(gt.shape), height, width, flat)
    assert str(caught.value).endswith(mend)
    assert ("whose pixels are in column order" in str(caught.value)) == flat
    scene, own = files(
        lambda gt: eval(
            mend.removeprefix("Save it as ").removesuffix("."), {"gt": gt.ravel(order="F").reshape(gt.shape)}
        ),
        height,
        width,
        flat,
    )
    np.testing.assert_array_equal(scene.ground_truth.numpy(), own)


@pytest.mark.parametrize("order", ["F", "C"])
def test_flat_labels_of_a_cube_go_where_the_spectra_say(files, order):
    scene, own = files(lambda gt: gt.ravel(order=order))
    np.testing.assert_array_equal(scene.ground_truth.numpy(), own)
    scene, own = files(lambda gt: gt.ravel(order=order)[None])
    np.testing.assert_array_equal(scene.ground_truth.numpy(), own)


def test_flat_labels_that_fit_nowhere_are_refused(files):
    with pytest.raises(InputError, match=r"is flat, and neither order of its 2000 numbers .* reshape it to 40x50"):
        files(lambda gt: np.random.default_rng(0).permutation(gt.ravel()))


def test_labels_at_random_are_said_to_be(files):
    scene, _ = files(lambda gt: np.random.default_rng(0).permutation(gt.ravel()).reshape(gt.shape))
    assert len(scene.notes) == 1
    assert "neither forms areas nor tells the spectra apart" in scene.notes[0]
    assert files()[0].notes == ()


def test_a_few_labels_are_not_judged(files):
    def few(gt):
        kept = np.zeros_like(gt)
        for c in range(1, 6):
            rows, columns = np.nonzero(gt == c)
            kept[columns[:3] % 40, rows[:3]] = c
        return kept

    assert files(few)[0].notes == ()


def test_abundances_are_told_from_a_ground_truth(tmp_path, made_scene):
    cube, truth = made_scene()
    np.save(tmp_path / "cube.npy", cube)
    shares = np.random.default_rng(0).dirichlet([1, 1, 1], 2000).T
    scipy.io.savemat(tmp_path / "a.mat", {"A": shares, "M": np.random.default_rng(0).normal(size=(30, 3))})
    with pytest.raises(InputError, match=r"no ground truth, only A float64 3x2000, M .* abundances of 3 materials"):
        load_scene(tmp_path / "cube.npy", ground_truth=tmp_path / "a.mat")
    # Beside them, the ground truth is found by its shape.
    scipy.io.savemat(tmp_path / "a.mat", {"A": shares, "M": np.eye(30), "labels": truth})
    found = load_scene(tmp_path / "cube.npy", ground_truth=tmp_path / "a.mat").ground_truth.numpy()
    np.testing.assert_array_equal(found, truth)


def test_minus_one_in_a_file_is_unlabelled_and_zero_a_class(files):
    scene, own = files(lambda gt: gt.astype(np.int16) - 1)
    assert scene.class_names == ("0", "1", "2", "3", "4")
    np.testing.assert_array_equal(scene.labels.reshape(40, 50).numpy(), own.astype(int) - 1)
    scene, own = files(lambda gt: np.where(gt > 0, gt, np.nan))
    assert scene.class_names == ("1", "2", "3", "4", "5")
    np.testing.assert_array_equal(scene.labels.reshape(40, 50).numpy(), own.astype(int) - 1)
    with pytest.raises(InputError, match=r"255 beside the numbers 0 to 4: set data.unlabelled=255"):
        files(lambda gt: gt - np.uint8(1))
