"""Contenders are recipes that can be read, on the sets that they are for."""

import numpy as np
import pytest

from benchmarks.quality.contenders import CONTENDERS, chosen_contenders
from benchmarks.quality.sets import SETS, Prepared, chosen_sets
from benchmarks.quality.training import recipe_digest
from simclr.recipe.read import shipped_recipes

READY = [contender for contender in CONTENDERS if contender.recipe in shipped_recipes()]


def on(kind, folder, digest="digest"):
    file = folder / "array.npy"
    np.save(file, np.zeros((2, 3, 4)))
    return Prepared("small", kind, "small", None, file, digest)


@pytest.mark.parametrize("contender", READY, ids=lambda contender: contender.name)
def test_every_contender_is_a_recipe_for_its_kind_of_data(contender, tmp_path):
    assert recipe_digest(contender, on(contender.kind, tmp_path), 0)
    assert set(contender.sets) <= set(SETS)


def test_a_run_depends_on_recipe_data_and_seed_but_not_on_where_the_data_lies(tmp_path):
    first, second = (contender for contender in READY if contender.name in ("scene:cold", "scene:hot"))
    (tmp_path / "elsewhere").mkdir()
    here, there = on("scene", tmp_path), on("scene", tmp_path / "elsewhere")
    digest = recipe_digest(first, here, 0)
    assert digest == recipe_digest(first, there, 0)
    others = [
        recipe_digest(second, here, 0),
        recipe_digest(first, here, 1),
        recipe_digest(first, on("scene", tmp_path, "other"), 0),
    ]
    assert len({digest, *others}) == 4


def test_names_groups_and_recipes(tmp_path):
    assert {contender.group for contender in chosen_contenders([])} == {"good"}
    assert chosen_contenders(["all"]) == READY
    assert chosen_contenders(["bad", "scene:cold"]) == chosen_contenders(["bad"])
    own = tmp_path / "mine.yaml"
    own.write_text("data: {source: digits}\n")
    assert [(c.name, c.kind, c.recipe) for c in chosen_contenders([str(own)])] == [
        ("mine", "scene", str(own)),
        ("mine", "image", str(own)),
    ]
    first, _ = chosen_contenders([f"{own} train.epochs=5 'augment.noise={{sd: 0.1}}'"])
    assert (first.name, first.recipe) == ("mine train.epochs=5 augment.noise={sd: 0.1}", str(own))
    assert first.overrides == ("train.epochs=5", "augment.noise={sd: 0.1}")
    for word in ("brilliant", "brilliant train.epochs=5", f"{own} train.epochs", ""):
        with pytest.raises(ValueError, match=f"there is no contender {word}"):
            chosen_contenders([word])


def test_there_are_forty_runs_of_good_and_bad_recipes():
    runs = sum(contender.fits(name) for contender in READY for name in SETS)
    assert runs >= 40
    assert not any(c.fits("digits") for c in READY if c.kind == "scene")


def test_sets_by_name_family_and_kind():
    assert chosen_sets([], quick=False) == list(SETS)
    assert 0 < len(chosen_sets([], quick=True)) < len(SETS)
    assert chosen_sets(["samson-noise"], quick=True) == ["samson-noise"]
    assert chosen_sets(["samson"], quick=False) == [
        "samson",
        *(f"samson-{v}" for v in ("half-bands", "noise", "drift")),
    ]
    assert chosen_sets(["samson"], quick=True) == ["samson"]
    assert {SETS[name].kind for name in chosen_sets(["image"], quick=False)} == {"image"}
    with pytest.raises(ValueError, match="there is no set pavia"):
        chosen_sets(["pavia"], quick=False)


def test_variants_belong_to_the_family_of_their_scene():
    assert {of.family for of in SETS.values()} == {
        *("indian-pines", "samson", "jasper-ridge", "digits", "fashion", "omniglot", "cifar10")
    }
    assert isinstance(SETS["digits"].make(None).train, np.ndarray)
