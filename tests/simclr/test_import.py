"""What `import simclr` promises to a downstream project."""

import subprocess
import sys


def run(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_importing_simclr_loads_nothing_heavy():
    loaded = run(
        "import sys, simclr; heavy = ('torch', 'numpy', 'pydantic', 'simclr.augment', 'simclr.eval')\n"
        "print([m for m in heavy if m in sys.modules])"
    )
    assert loaded == "[]"


def test_load_encoder_needs_neither_evaluator_nor_augmentation_kernels():
    loaded = run(
        "import sys; from simclr import load_encoder; print({'kornia', 'simclr.eval', 'accelerate'} & {*sys.modules})"
    )
    assert loaded == "set()"


def test_loading_sets_no_global_state():
    code = (
        "import os, random, torch, torchvision\n"
        "def state():\n"
        "    return (torch.get_num_threads(), torch.get_default_dtype(), torch.get_rng_state().sum().item(), "
        "random.getstate(), dict(os.environ), torch.is_grad_enabled(), torch.are_deterministic_algorithms_enabled())\n"
        "before = state()\n"
        "from simclr import load_encoder\n"
        "from simclr.models.encoder import random_encoder\n"
        "random_encoder(0, 'resnet10', in_chans=3)\n"
        "print(before == state())"
    )
    assert run(code) == "True"


def test_the_command_line_answers_without_torch():
    loaded = run("import sys, simclr.cli.main; print([m for m in ('torch', 'numpy', 'pydantic') if m in sys.modules])")
    assert loaded == "[]"
