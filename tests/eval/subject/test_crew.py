"""Two processes that extract features together, against one."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from simclr.data.fitting import fit_preprocess
from simclr.data.images.image_folder import ImageFolder
from simclr.data.source import TensorSource
from simclr.encoder_file import FrozenEncoder
from simclr.errors import InputError
from simclr.eval.subject.crew import Crew
from simclr.eval.subject.feature_cache import FeatureCache
from simclr.eval.subject.features import extract_features
from simclr.models.encoder import random_encoder

OPTIONS = {"name": "resnet8", "in_chans": 3, "width": 4, "stem": "small"}


def photos(n=21):
    g = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (n, 3, 8, 8), generator=g, dtype=torch.uint8)
    return TensorSource(images, torch.arange(n) % 3, name="photos")


def encoder_for(source, seed=0):
    network = random_encoder(seed, **OPTIONS)
    return FrozenEncoder(network, fit_preprocess(source), {"encoder": OPTIONS, "feature_dim": network.feature_dim})


class Broken(nn.Module):
    """An encoder that gives NaN for one of the samples, and so in one of the processes."""

    def __init__(self, preprocess):
        super().__init__()
        self.preprocess = preprocess

    def forward(self, x):
        return x.flatten(1).where(x.flatten(1).amax(1, keepdim=True) < 0.999, torch.nan)


def one_process(rank, folder):
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT="29517")
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", rank=rank, world_size=2)
    source, files = photos(), ImageFolder(folder / "photos", image_size=8)
    encoder = encoder_for(source)
    crew = Crew(encoder, [source, files], rank, 2, "cpu")
    if rank:
        crew.serve()
        (folder / "served").write_text("")
    else:
        cache = FeatureCache(folder / "features", extract=crew.extract)
        for i, n in enumerate((21, 1, 5, 17)):  # batches of 4: six, one, two, five; ragged ends
            for seed in (0, 1):
                asked = encoder if seed == 0 else encoder.random_twin(1)
                found = FeatureCache(None, extract=crew.extract).features(asked, source, torch.arange(n), 4)
                torch.save(found, folder / f"{i}-{seed}.pt")
        cache.features(encoder, files, torch.arange(len(files)), 4)
        (folder / "damaged").write_text(json.dumps(files.damaged))
        crew.let_go()
    broken = Broken(fit_preprocess(source))
    crew = Crew(broken, [source], rank, 2, "cpu")
    try:
        if rank:
            crew.serve()
        else:
            list(crew.extract(broken, source, torch.arange(21).split(4)))
    except InputError as error:
        (folder / f"error-{rank}").write_text(str(error))
    torch.distributed.destroy_process_group()


@pytest.mark.slow
def test_two_processes_give_what_one_gives_and_know_what_the_other_met(tmp_path):
    for k in range(13):
        pixels = np.random.default_rng(k).integers(0, 256, (8, 8, 3), dtype=np.uint8)
        file = tmp_path / "photos" / "ab"[k % 2] / f"{k:02}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(file)
    damaged = tmp_path / "photos" / "b" / "11.png"  # of the second process's last batch but one
    damaged.write_bytes(damaged.read_bytes()[:60])
    command = [sys.executable, __file__, str(tmp_path)]
    others = [subprocess.Popen([*command, str(rank)], stderr=subprocess.PIPE, text=True) for rank in (0, 1)]
    said = [process.communicate(timeout=300)[1] for process in others]
    assert [process.returncode for process in others] == [0, 0], said
    source = photos()
    encoder = encoder_for(source)
    for i, n in enumerate((21, 1, 5, 17)):
        for seed, asked in enumerate((encoder, encoder.random_twin(1))):
            expected = extract_features(asked, source, torch.arange(n), 4)
            assert torch.load(tmp_path / f"{i}-{seed}.pt", weights_only=True).equal(expected)
    assert (tmp_path / "served").is_file()
    assert [name.endswith("11.png") for name in json.loads((tmp_path / "damaged").read_text())] == [True]
    said = [(tmp_path / f"error-{rank}").read_text() for rank in (0, 1)]
    assert said[0] == said[1]
    assert said[0].startswith("the encoder's features hold NaN or infinity for ")


def launched(*arguments):
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2", "--master_port", "29518"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [*command, "-m", "simclr", *arguments], capture_output=True, text=True, timeout=500, env=environment
    )


@pytest.mark.slow
def test_a_launch_of_two_writes_the_file_of_one(scene_run, tmp_path):
    command = ["linear-eval", str(scene_run), "--shots", "3", "--seeds", "2", "--probes", "ridge,knn", "--no-cache"]
    alone = subprocess.run(
        [sys.executable, "-m", "simclr", *command, "--output", str(tmp_path / "alone")],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    both = launched(*command, "--output", str(tmp_path / "both"))
    assert both.returncode == 0, both.stderr
    assert both.stdout.replace("/both/", "/alone/") == alone.stdout  # one of them speaks
    one, two = (json.loads((tmp_path / name / "result.json").read_text()) for name in ("alone", "both"))
    assert one.pop("command") != two.pop("command")
    assert one == two
    assert sorted(os.listdir(tmp_path / "alone")) == sorted(os.listdir(tmp_path / "both"))


@pytest.mark.slow
def test_a_mistake_is_said_once_and_ends_both(scene_run, tmp_path):
    done = launched("linear-eval", str(scene_run), "--shots", "500", "--output", str(tmp_path / "a"))
    assert done.returncode != 0
    said = [line for line in done.stderr.splitlines() if line.startswith("simclr: ")]
    assert len(said) == 1
    assert "the largest" in said[0]


if __name__ == "__main__":
    one_process(int(sys.argv[2]), Path(sys.argv[1]))
