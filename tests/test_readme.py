"""Every command and snippet of README and docs runs on what the others wrote, or is named with a reason."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from accelerate.state import AcceleratorState
from PIL import Image
from sklearn.datasets import load_digits

from simclr.cli import main as cli

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]

SMALL = "encoder.name=resnet8 encoder.stem=small encoder.width=4 train.max_steps=2 monitor.every=2"
DIGITS = f"{SMALL} train.batch_size=64"
FEW = "--seeds 2 --no-supervised"

# A command as a page has it, and what is run in its place, in this order: other data, fewer steps, else the same.
PLAYED = {
    "simclr recipes": "simclr recipes",
    "simclr pretrain digits": f"simclr pretrain digits {DIGITS} --output runs/digits",
    "simclr pretrain runs/cifar10/recipe.yaml --output runs/cifar10 --resume": (
        "simclr pretrain runs/digits/recipe.yaml --output runs/digits --resume"
    ),
    "simclr pretrain image-folder data.path=photos": (
        f"simclr pretrain image-folder data.path=photos data.image_size=16 augment.resized_crop.size=12 {SMALL} "
        "train.batch_size=8 --output runs/photos"
    ),
    "simclr pretrain cifar10 train.batch_size=4096 train.micro_batch=256": (
        f"simclr pretrain digits {SMALL} seed=1 train.batch_size=64 train.micro_batch=16 --output runs/b"
    ),
    "simclr plan cifar10 data.download=true": f"simclr plan digits {DIGITS}",
    "simclr fine-tune digits-triplet": f"simclr fine-tune digits-triplet {SMALL} --output runs/digits-triplet",
    "simclr fine-tune runs/digits objective.softmax={} objective.center.weight=0.003 labels.shots=10": (
        "simclr fine-tune runs/digits objective.softmax={} objective.center.weight=0.003 labels.shots=10 "
        "train.max_steps=2"
    ),
    "simclr fine-tune runs/cifar10 system.name=protopnet objective.softmax={}": (
        "simclr fine-tune runs/digits system.name=protopnet objective.softmax={} labels.shots=10 train.max_steps=2 "
        "--output runs/prototypes"
    ),
    "simclr fine-tune runs/digits objective.softmax={} objective.ddc={} target.source=arrays target.path=others.npy": (
        "simclr fine-tune runs/digits objective.softmax={} objective.ddc={} target.source=digits train.max_steps=2 "
        "--output runs/adapted"
    ),
    "simclr linear-eval runs/indian-pines": f"simclr linear-eval runs/digits --shots 5 {FEW}",
    "simclr linear-eval runs/cifar10 --labels 1%,10%,100% --probes ridge,knn": (
        f"simclr linear-eval runs/digits --labels 1%,10% --probes ridge,knn {FEW} --output runs/shares"
    ),
    "simclr linear-eval runs/photos data.path=others data.test_path=others-test --output runs/others": (
        "simclr linear-eval runs/photos data.path=others data.test_path=others-test --output runs/others "
        f"--probes ridge {FEW}"
    ),
    "simclr few-shot runs/indian-pines --unknown-classes 4": (
        "simclr few-shot runs/digits --unknown-classes 4 --seeds 1 --shots 3 --episodes 5"
    ),
    "simclr few-shot runs/indian-pines --unknown-classes 4 --objectives softmax,triplet,prototypical": (
        "simclr few-shot runs/digits --unknown-classes 4 --objectives triplet --objective-steps 2 --seeds 1 --shots 3 "
        "--episodes 5 --output runs/objectives"
    ),
    "simclr distance runs/scene new.mat": "simclr distance runs/photos others --permutations 19 --splits 1",
    "simclr distance runs/scene:west runs/scene:east": (
        "simclr distance runs/digits:3 runs/digits:8 --samples 40 --permutations 19 --splits 1"
    ),
    "simclr compare runs/a runs/b --metric oa": "simclr compare runs/digits runs/b --metric oa",
    "simclr report runs/indian-pines": "simclr report runs/digits",
}
NETWORK = "it fetches a data set"
LAUNCH = "it starts eight processes: tests/simclr/train/test_distributed.py starts two"
MAKE = "it is the front door to all of this, and runs for minutes"
LEFT_OUT = {
    "simclr pretrain scene data.path=scene.mat": "tests/simclr/test_pretrain_scene.py makes a scene",
    "simclr pretrain images data.path=folder": "tests/simclr/test_pretrain_images.py draws some",
    "simclr pretrain cifar10 data.download=true train.epochs=200": NETWORK,
    "simclr fine-tune fashion-mnist-protopnet": NETWORK,
    "simclr few-shot runs/indian-pines --split random,block --shots 5,20 --unknown-classes 4 --no-fine-tune "
    "--episodes 0 \\": ("it runs for a quarter of an hour; a shorter one is played"),
    'simclr fine-tune runs/indian-pines objective="{softmax: {weight: 0.5}, reconstruction: {weight: 0.5}}"': (
        "tests/simclr/test_finetune.py trains with these terms"
    ),
    'simclr fine-tune indian-pines encoder.name=skip_generator objective="{softmax: {}, adversarial: {}}" '
    "labels.shots=20": ("tests/simclr/test_finetune.py trains with these terms"),
    "simclr fine-tune runs/omniglot objective.margin={} embedding.dim=64 system.name=divide-and-conquer "
    "system.options.learners=4": "tests/simclr/train/test_divide.py trains with it",
    "simclr views indian-pines augment.radiation={}": "tests/simclr/views draw views of a scene with radiation",
    "accelerate launch --multi_gpu --num_processes 8 -m simclr pretrain imagenet data.path=/data/imagenet": LAUNCH,
    "accelerate launch --multi_gpu --num_processes 8 -m simclr verify": LAUNCH,
    **dict.fromkeys(
        (
            "simclr distance runs/scene:Corn new.mat:Corn data.ground_truth=new-classes.mat",
            "simclr distance old.mat new.mat --encoder runs/scene",
            "simclr distance a.npy b.npy",
        ),
        "tests/eval/test_distance_command.py and tests/eval/subject/test_sets.py have such files",
    ),
    "simclr pretrain runs/digits/recipe.yaml --output runs/digits --resume": "it is what README.md has",
    "simclr verify --resume --kills 5": "tests/chaos kills and resumes runs",
    "simclr replay runs/digits": "tests/simclr/test_replay.py has runs that diverge",
    "simclr linear-eval train.npy data.labels=train-classes.npy data.test_path=test.npy "
    "data.test_labels=test-classes.npy": "tests/eval/subject/test_feature_file.py has such files",
    "python -m benchmarks two_sample_test": "tests/eval/metrics/test_two_sets.py does the same",
    **dict.fromkeys(
        (
            "make pretrain",
            "make test",
            "make test-all",
            "make fuzz",
            "make chaos",
            "make lint",
            "make wheel",
            "make bench",
        ),
        MAKE,
    ),
    'make bench BENCH="ntxent --quick"': MAKE,
    "make quality QUALITY=--quick": MAKE,
    'python -m benchmarks.quality --only samson --recipes indian-pines "indian-pines data.whiten=8" --choose': (
        "tests/benchmarks/quality run what it does, without real data"
    ),
}
# Pages whose snippets are parts of files that another test adds and runs.
PIECES = {"architecture.md": "tests/test_strangers.py"}


def commands_of(page: Path) -> list[str]:
    """Lines of indented blocks that start a program, without their remark."""
    lines = re.findall(
        r"^    ((?:simclr|accelerate|make|python|pip) .*)$", page.read_text(encoding="utf-8"), re.MULTILINE
    )
    return [re.sub(r"\s+#.*$", "", line) for line in lines]


def snippets_of(page: Path) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def test_every_command_is_run_here_or_named_with_its_reason():
    found = {command for page in PAGES for command in commands_of(page)}
    assert found == set(PLAYED) | set(LEFT_OUT)
    assert not set(PLAYED) & set(LEFT_OUT)
    assert all(LEFT_OUT.values())
    assert {page.name for page in PAGES if snippets_of(page)} == {"README.md", *PIECES}
    assert all((ROOT / test).is_file() for test in PIECES.values())


def photos(folder: Path, seed: int) -> None:
    drawn = np.random.default_rng(seed)
    for k in range(24):
        pixels = drawn.integers(60 * (k % 3), 60 * (k % 3) + 90, (16, 16, 3), dtype=np.uint8)
        file = folder / "abc"[k % 3] / f"{k}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(file)


@pytest.mark.slow
@pytest.mark.usefixtures("fresh_accelerate")
def test_commands_and_snippets_run_on_what_the_commands_before_them_wrote(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for i, name in enumerate(("photos", "others", "others-test")):
        photos(tmp_path / name, seed=i)

    def run(command: str) -> str:
        AcceleratorState._reset_state(reset_partial_state=True)
        monkeypatch.setattr(sys, "argv", command.split())
        with pytest.raises(SystemExit) as caught:
            cli.main()
        said = capsys.readouterr()
        assert not caught.value.code, f"{command}: {said.err}"
        return said.out

    for original, command in PLAYED.items():
        if original.startswith("simclr compare"):
            run(f"simclr linear-eval runs/b --shots 5 {FEW}")
        assert run(command).strip(), command
    for name in ("result.json", "few-shot.json", "report.html", "encoder.safetensors", "recipe.yaml"):
        assert (tmp_path / "runs" / "digits" / name).is_file()
    html = (tmp_path / "runs" / "digits" / "report.html").read_text(encoding="utf-8")
    assert "Pretraining saw the test samples, without their labels (transductive)." in html

    pixels, classes = load_digits(return_X_y=True)
    given = {
        "z": torch.randn(2, 6, 8),
        "features": pixels,
        "classes": classes,
        "batch": torch.from_numpy((pixels[:5] * 15).astype(np.uint8)).view(5, 1, 8, 8),
    }
    for snippet in snippets_of(ROOT / "README.md"):
        exec(snippet.replace("runs/indian-pines", "runs/digits"), given)
    assert given["loss"].isfinite()
    assert {row["representation"] for row in given["result"]["rows"]} == {"features"}
    assert given["h"].shape == (5, given["encoder"].feature_dim)
