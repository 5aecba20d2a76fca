from pathlib import Path

import pytest
import torch

from simclr.data.content import SampleHashes
from simclr.data.fitting import fit_preprocess
from simclr.data.images.digits import load_digits
from simclr.encoder_file import load_encoder, save_encoder
from simclr.errors import InputError
from simclr.models.encoder import random_encoder
from simclr.recipe.read import read_recipe
from simclr.run.run_folder import open_run_folder
from simclr.run.start import Start, all_seen, folder_for, is_start, load_start, read_tuning, take_weights

ENCODER = {"name": "resnet8", "stem": "small", "width": 4}
SOFTMAX = "objective.softmax={}"


@pytest.fixture
def run(tmp_path):
    digits, folder = load_digits(), tmp_path / "runs" / "first"
    folder.mkdir(parents=True)
    recipe = {
        "seed": 7,
        "data": {"source": "digits"},
        "augment": {"noise": {"sd": 0.1}},
        "encoder": ENCODER,
        "loss": {"temperature": 0.1},
        "train": {"lr": 5.0},
    }
    metadata = {
        "encoder": {**ENCODER, "in_chans": 1},
        "feature_dim": 32,
        "data": recipe["data"],
        "recipe": recipe,
        "source": {"samples": 5},
        "monitor_ids": [2, 4],
    }
    encoder = random_encoder(3, **metadata["encoder"])
    metadata["feature_dim"] = encoder.feature_dim
    saw = SampleHashes("made", torch.tensor([10, 11, 12, 13, 14]))
    save_encoder(folder / "encoder.safetensors", encoder, fit_preprocess(digits), metadata, saw=saw)
    return folder


def test_a_run_is_told_from_a_recipe(run, tmp_path):
    assert is_start(run)
    assert is_start(run / "encoder.safetensors")
    assert not is_start("digits")
    assert not is_start(tmp_path / "recipe.yaml")
    for given in (run, run / "encoder.safetensors"):
        assert folder_for(str(given)).resolve() == (tmp_path / "runs" / "first-tuned").resolve()
    assert folder_for("digits-triplet") == Path("runs/digits-triplet")
    assert folder_for("digits") == Path("runs/digits-tuned")  # runs/digits is where pretraining goes


def test_data_views_and_encoder_of_a_run_are_defaults_and_nothing_else_is(run, tmp_path):
    recipe = read_tuning(str(run), [SOFTMAX, "augment.noise.sd=0.3"])
    assert recipe.start == str(run)
    assert recipe.encoder.model_dump() == ENCODER
    assert recipe.augment.noise is not None
    assert (recipe.augment.noise.sd, recipe.seed, recipe.train.lr) == (0.3, 0, 1e-3)
    (tmp_path / "r.yaml").write_text(f"from: {run}\nobjective: {{softmax: {{}}}}\naugment: {{cutout: {{}}}}\n")
    mine = read_tuning(str(tmp_path / "r.yaml"))
    assert mine.data == recipe.data
    assert (mine.augment.noise, mine.augment.cutout is None) == (None, False)
    from_nothing = read_tuning(str(run), [SOFTMAX, "from=null"])
    assert (from_nothing.start, from_nothing.encoder) == (None, recipe.encoder)


def test_other_data_takes_what_it_reads(run, tmp_path):
    recipe = read_tuning(str(run), [SOFTMAX, "data.source=image-folder", f"data.path={tmp_path}"])
    assert recipe.data.source == "image-folder"


def test_a_recipe_of_pretraining_gives_what_both_have():
    recipe, pretraining = read_tuning("digits", [SOFTMAX]), read_recipe("digits")
    assert (recipe.data, recipe.augment, recipe.encoder) == (
        pretraining.data,
        pretraining.augment,
        pretraining.encoder,
    )
    with pytest.raises(InputError, match="images leaves values to be chosen for pretraining"):
        read_tuning("images", [SOFTMAX])
    with pytest.raises(InputError, match="fine-tuning needs an objective"):
        read_tuning("digits")


def test_weights_are_taken_and_a_new_embedding_layer_is_left(run):
    start = load_start(read_tuning(str(run), [SOFTMAX]))
    assert start is not None
    old = start.encoder.encoder.state_dict()
    plain = random_encoder(9, **ENCODER, in_chans=1)
    take_weights(plain, start)
    assert all(torch.equal(old[name], value) for name, value in plain.state_dict().items())
    embedded = random_encoder(9, **ENCODER, in_chans=1, embedding={"dim": 3})
    layer = embedded.embedding.weight.clone()
    take_weights(embedded, start)
    assert all(torch.equal(old[name], value) for name, value in embedded.encoder.state_dict().items())
    assert torch.equal(embedded.embedding.weight, layer)


def test_what_a_start_has_seen_follows_by_content(run):
    start = Start(run, load_encoder(run), "")
    seen = all_seen(SampleHashes("made", torch.tensor([12, 20, 21])), start)
    assert seen.samples.values.tolist() == [12, 20, 21, 10, 11, 13, 14]
    assert seen.monitor_ids == [0, 6]  # where 12 and 14 are now
    other = all_seen(SampleHashes("of another kind", torch.tensor([12])), start)
    assert (other.samples.values.tolist(), other.monitor_ids) == ([12], [])
    assert all_seen(SampleHashes("made", torch.tensor([12])), None).monitor_ids == []


def test_what_a_run_adapts_to_is_seen_too_but_not_its_labels(run):
    start, mine = Start(run, load_encoder(run), ""), SampleHashes("made", torch.tensor([12, 20, 21]))
    seen = all_seen(mine, start, SampleHashes("made", torch.tensor([30, 20, 14])))
    assert seen.samples.values.tolist() == [12, 20, 21, 30, 14, 10, 11, 13]
    assert seen.monitor_ids == [0, 4]  # 12 and 14, which the start knew
    assert all_seen(mine, None, SampleHashes("made", torch.tensor([30]))).samples.values.tolist() == [12, 20, 21, 30]
    assert all_seen(mine, None, SampleHashes("of another kind", torch.tensor([30]))).samples == mine


def test_a_run_that_is_meant_is_found_or_named(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for given, message in (
        ("runs/nope", "there is no run runs/nope: give the folder of a finished run, .* or a recipe; runs has first$"),
        ("runs/fist", r"there is no run runs/fist: .*; did you mean runs/first\?"),
        ("first", "there is no recipe first, but a run of that name: give runs/first"),
        ("digit", "there is no recipe and no run 'digit': give the folder of a finished run, .*did you mean digits"),
        ("nosuch", "there is no recipe and no run 'nosuch': .* one of .*, digits, .*, runs/first$"),
        ("nope.yaml", "there is no recipe 'nope.yaml'"),
        ("runs/nope.yaml", "there is no recipe 'runs/nope.yaml'"),
    ):
        with pytest.raises(InputError, match=message):
            read_tuning(given, [SOFTMAX])


def test_the_recipe_of_a_run_is_not_taken_for_its_encoder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, recipe in (("first", read_recipe("digits")), ("tuned", read_tuning("digits-triplet"))):
        with open_run_folder(Path("runs") / name, recipe, resume=False, overwrite=False) as folder:
            folder.begin()
    given = "runs/first/recipe.yaml"
    with pytest.raises(InputError, match="give runs/first to start from that, or add from=null for random weights"):
        read_tuning(given, [SOFTMAX])
    assert read_tuning(given, [SOFTMAX, "from=null"]).start is None
    assert folder_for(given) == Path("runs/first-tuned")
    # A copy elsewhere is a recipe like any other, and that of a fine-tuning is its own.
    (tmp_path / "mine.yaml").write_text(Path(given).read_text())
    assert read_tuning("mine.yaml", [SOFTMAX]).start is None
    assert read_tuning("runs/tuned/recipe.yaml") == read_tuning("digits-triplet")
    assert folder_for("runs/tuned/recipe.yaml") == Path("runs/tuned")
