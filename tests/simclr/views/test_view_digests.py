"""A view is a function of (seed, epoch, id, view): of no batch, order, process or restart."""

import json
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from simclr.views.inputs import build_inputs

SCRIPT = Path(__file__).with_name("view_digests.py")
HERE = runpy.run_path(str(SCRIPT))


def assert_alike_in_every_batch(recipe):
    inputs = build_inputs(recipe, torch.device("cpu"))
    ids = torch.randperm(len(inputs.source), generator=torch.Generator().manual_seed(1))[:512]
    for draw in filter(None, (inputs.augment, inputs.small)):
        whole = draw(inputs.source[ids], ids, 4)
        assert whole.isfinite().all()
        for size, rows in ((1, 6), (7, 28), (36, 36)):
            parts = [draw(inputs.source[part], part, 4) for part in ids[:rows].split(size)]
            assert torch.equal(torch.cat(parts, 1), whole[:, :rows]), f"batches of {size}"
        order = torch.randperm(512, generator=torch.Generator().manual_seed(2))[:200]
        torch.rand(7)
        assert torch.equal(draw(inputs.source[ids[order]], ids[order], 4), whole[:, order])


@pytest.mark.parametrize("name", ["exact", "fast", "scene"])
def test_views_do_not_depend_on_their_batch(tmp_path, name):
    assert_alike_in_every_batch(HERE["recipes"](tmp_path)[name])


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="needs a C++ compiler")
def test_compiled_views_depend_neither_on_their_batch_nor_on_the_process(tmp_path):
    assert_alike_in_every_batch(HERE["recipes"](tmp_path, ("compiled",))["compiled"])
    command = [sys.executable, str(SCRIPT), str(tmp_path), "compiled"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == HERE["digests"](tmp_path, ("compiled",))


def test_views_differ_wherever_the_address_does(tmp_path):
    found = HERE["digests"](tmp_path)
    assert len(found) == 2 * 36 * (4 + 4 + 2)
    # The modes of the jitter agree on views that it leaves alone.
    exact = {view: digest for view, digest in found.items() if not view.startswith("fast")}
    assert len(set(exact.values())) == len(exact) == 2 * 36 * (4 + 2)
