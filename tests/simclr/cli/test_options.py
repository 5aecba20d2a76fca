"""What a command line alone decides is refused before torch is imported, and names what is wrong with it."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from simclr.augment import addressed
from simclr.cli.main import main
from simclr.cli.options import LAST_EPOCH, check_subject, output_path, recipe_to_run
from simclr.data.fitting import fit_preprocess
from simclr.data.source import TensorSource
from simclr.encoder_file import save_encoder
from simclr.errors import InputError
from simclr.models.encoder import random_encoder
from simclr.recipe.section import MOST_EPOCHS

WITHOUT_TORCH = """
import sys
sys.argv = ["simclr", *sys.argv[1:]]
from simclr.cli.main import main
try:
    main()
finally:
    heavy = [name for name in ("torch", "numpy", "PIL", "scipy") if name in sys.modules]
    print("imported:", *heavy)
"""


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    """An encoder of arrays whose file is there."""
    folder = tmp_path_factory.mktemp("run")
    np.save(folder / "mine.npy", np.arange(144, dtype=np.uint8).reshape(4, 6, 6))
    options = {"name": "resnet8", "in_chans": 1, "stem": "small", "width": 4}
    network = random_encoder(0, **options)
    data = {"source": "arrays", "path": str(folder / "mine.npy")}
    metadata = {"encoder": options, "feature_dim": network.feature_dim, "data": data}
    source = TensorSource(torch.arange(144, dtype=torch.uint8).reshape(4, 1, 6, 6))
    save_encoder(folder / "encoder.safetensors", network, fit_preprocess(source), metadata)
    return folder


MISTAKES = {
    "no such recipe": ("pretrain digit", "there is no recipe 'digit'"),
    "unknown key": ("plan digits train.epcohs=1", "did you mean train.epochs?"),
    "no folder": ("pretrain image-folder data.path=/no/where", "data.path is /no/where, which does not exist"),
    "no encoder of the name": ("pretrain digits encoder.name=resnt18", "did you mean resnet18?"),
    "no loss of the name": ("plan digits loss.name=nt-xnet", "did you mean nt-xent?"),
    "no path": ("views image-folder data.path=", "data.path is not set, but data.source=image-folder needs a folder"),
    "output": ("pretrain digits --output=", "--output is '', which names no folder"),
    "no encoder": ("linear-eval /no/where", "there is no encoder file /no/where"),
    "no folder of other data": ("few-shot {run} data.path=/no/where", "data.path is /no/where, which does not exist"),
    "no key of other data": ("linear-eval {run} data.paht=x", "did you mean data.path?"),
    "no data": ("linear-eval {run} train.epochs=2", "'train.epochs=2' is no override of the data"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_that_the_command_line_shows_is_refused_without_torch(mistake, encoder):
    line, words = MISTAKES[mistake]
    arguments = [sys.executable, "-c", WITHOUT_TORCH, *line.format(run=encoder).split()]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=100)
    assert done.returncode == 2
    assert words in done.stderr
    assert done.stderr.count("\n") == 1
    assert "torch" not in done.stdout.split("imported:")[1]


def test_files_that_a_recipe_names_have_to_be_there(tmp_path):
    (tmp_path / "file.npy").write_bytes(b"x")
    (tmp_path / "folder").mkdir()

    def refusal(recipe, *overrides):
        with pytest.raises(InputError) as caught:
            recipe_to_run(recipe, [override.format(tmp_path) for override in overrides])
        return str(caught.value).replace(str(tmp_path), "")

    assert (
        refusal("image-folder", "data.path={}/file.npy")
        == "data.path is /file.npy, which is a file: give a folder of images."
    )
    there = "data.path={}/folder"
    assert "data.test_path is /none, which does not exist" in refusal("image-folder", there, "data.test_path={}/none")
    arrays = ("data.source=arrays", "data.path={}/file.npy", "data.image_size=null", "data.in_chans=null")
    assert "data.labels is /folder, which is a folder" in refusal("image-folder", *arrays, "data.labels={}/folder")
    scene = ("data.source=scene", "data.path={}/file.npy")
    assert "data.ground_truth is /gt.mat" in refusal("indian-pines", *scene, "data.ground_truth={}/gt.mat")
    assert "needs the file that holds the cube" in refusal("indian-pines", "data.source=scene")
    assert "data.download=true" in refusal("cifar10", "data.path={}/none", "data.download=false")
    assert "data.name is not set" in refusal("cifar10", "data.name=null")
    assert "File name too long" in refusal("image-folder", f"data.path={'x' * 300}")
    assert recipe_to_run("cifar10", [f"data.path={tmp_path}/none", "data.download=true"]).data.download
    assert recipe_to_run("image-folder", [there.format(tmp_path)]).data.path == f"{tmp_path}/folder"


def test_an_encoder_that_cannot_be_read_is_left_to_its_loader(tmp_path, encoder):
    check_subject(encoder, [])
    check_subject(encoder / "encoder.safetensors", ["data.workers=0"])
    for content in (b"", b"\xff" * 100, (encoder / "encoder.safetensors").read_bytes()[:200]):
        (tmp_path / "encoder.safetensors").write_bytes(content)
        check_subject(tmp_path, ["data.path=/no/where"])
    with pytest.raises(InputError, match="no encoder file"):
        check_subject(tmp_path / "none", [])


def test_an_output_that_cannot_be_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    for text, kind, words in (
        ("", "folder", "'', which names no folder"),
        (" \t", "file", "which names no file"),
        ("file", "folder", "file, which is a file: give another folder"),
        ("file/run/deep", "folder", "file/run/deep, but file is a file"),
        ("folder", "file", "folder, which is a folder: give another file"),
        ("x" * 300, "folder", "File name too long"),
        ("/dev/null", "file", "is no file but a device"),
        ("a\0b", "folder", "is no name that a file can have"),
    ):
        with pytest.raises(InputError, match="--output is") as caught:
            output_path(text, kind)
        assert words in str(caught.value)
    assert output_path(None, "folder") is None
    for text in ("new/run", "folder", ".", "folder/../x", "runs/a b"):
        assert output_path(text, "folder") == Path(text)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert output_path("~/x", "folder") == tmp_path / "x"


def test_the_last_epoch_is_that_of_the_longest_run_and_of_the_addresses():
    assert LAST_EPOCH + 1 == MOST_EPOCHS == addressed.MAX_EPOCHS


@pytest.mark.parametrize(
    "line",
    [
        "plan digits --steps 1000000000000",
        "views digits --epoch 16777216",
        "linear-eval run --seeds 1000000000000",
        "few-shot run --episodes 1000000000000",
        "few-shot run --ways 1000000000000",
        "few-shot run --queries 1000000000000",
        "few-shot run --unknown-classes 1000000000000",
        "few-shot run --steps 99999999999999999999999",
    ],
)
def test_a_number_that_nobody_means_is_refused(line, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["simclr", *line.split()])
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 2
    message = capsys.readouterr().err
    assert message.startswith(f"simclr: invalid value for '{line.split()[2]}'")
    assert message.count("\n") == 1
