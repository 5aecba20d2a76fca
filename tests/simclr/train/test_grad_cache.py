import copy
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from simclr import load_encoder
from simclr.errors import DivergenceError, InputError
from simclr.pretrain import pretrain
from simclr.recipe.read import read_recipe
from simclr.train.grad_cache import backward_again, micro_batch_sizes, project_without_graph
from simclr.views.inputs import build_inputs

WORKER, RUN = (Path(__file__).with_name(name) for name in ("grad_cache_worker.py", "grad_cache_run.py"))
VIEWS, BATCH, TEMPERATURE = 2, 12, 0.2
TINY = ["encoder.width=4", "train.batch_size=96", "monitor.knn=false", "train.checkpoint_every=4"]


def network(norm: str = "batch", dropout: float = 0.0) -> nn.Sequential:
    torch.manual_seed(0)
    normalize = {"batch": nn.BatchNorm2d(8), "group": nn.GroupNorm(2, 8)}[norm]
    return nn.Sequential(
        nn.Conv2d(3, 8, 3), normalize, nn.ReLU(), nn.Dropout(dropout), nn.Flatten(), nn.Linear(8 * 36, 16)
    )


def images(dtype: torch.dtype = torch.float64) -> Tensor:
    torch.manual_seed(1)
    return torch.randn(VIEWS, BATCH, 3, 8, 8, dtype=dtype)


def textbook_loss(z: Tensor) -> Tensor:
    """Cross entropy over all rows but a row itself, for two views."""
    z = nn.functional.normalize(z.flatten(0, 1), dim=1)
    logits = (z @ z.T / TEMPERATURE).masked_fill(torch.eye(len(z), dtype=torch.bool), -torch.inf)
    return nn.functional.cross_entropy(logits, (torch.arange(len(z)) + BATCH) % len(z))


def project_with(model: nn.Module):
    def project(x: Tensor) -> tuple[Tensor, Tensor]:
        z = model(x.flatten(0, 1)).unflatten(0, x.shape[:2])
        return z, z

    return project


def cached_step(model: nn.Module, micro_batches: tuple[Tensor, ...]) -> Tensor:
    _, z = project_without_graph(project_with(model), micro_batches, model)
    assert z.is_leaf
    loss = textbook_loss(z)
    loss.backward()
    backward_again(project_with(model), micro_batches, z)
    return loss.detach()


def one_graph(model: nn.Module, micro_batches: tuple[Tensor, ...]) -> Tensor:
    """The reference: all micro batches forward with their graphs kept, then one backward through everything."""
    loss = textbook_loss(torch.cat([project_with(model)(x)[1] for x in micro_batches], dim=1))
    loss.backward()
    return loss.detach()


def relative_error(model: nn.Module, reference: nn.Module) -> float:
    ours, theirs = (torch.cat([p.grad.flatten() for p in m.parameters()]) for m in (model, reference))
    return ((ours - theirs).norm() / theirs.norm()).item()


def run(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def losses(folder: Path) -> list[float]:
    return [json.loads(line)["loss"] for line in (folder / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("sizes", [[12], [4, 4, 4], [5, 5, 2], [1] * 12])
@pytest.mark.parametrize(("dtype", "bound"), [(torch.float32, 1e-5), (torch.float64, 1e-12)])
@pytest.mark.parametrize("norm", ["group", "frozen batch"])
def test_the_gradient_is_that_of_the_whole_batch(norm, dtype, bound, sizes):
    x = images(dtype)
    model = network(norm.split()[-1]).to(dtype)
    if norm == "frozen batch":
        one_graph(model, (x,))  # statistics that are neither 0 nor 1
        model.zero_grad()
        model.eval()
    whole = copy.deepcopy(model)
    loss = cached_step(model, x.split(sizes, dim=1))
    torch.testing.assert_close(loss, one_graph(whole, (x,)))
    assert relative_error(model, whole) < bound
    assert all(torch.equal(a, b) for a, b in zip(model.buffers(), whole.buffers()))


@pytest.mark.parametrize("sizes", [[4, 4, 4], [5, 5, 2]])
def test_batchnorm_normalises_each_micro_batch_and_counts_it_once(sizes):
    model = network().double()
    reference = copy.deepcopy(model)
    x = images()
    cached_step(model, x.split(sizes, dim=1))
    one_graph(reference, x.split(sizes, dim=1))
    assert relative_error(model, reference) < 1e-12

    # The running statistics by hand: one update of momentum 0.1 a micro batch, in order, from 0 and 1.
    mean, var = torch.zeros(8, dtype=torch.float64), torch.ones(8, dtype=torch.float64)
    with torch.no_grad():
        for part in x.split(sizes, dim=1):
            inner = model[0](part.flatten(0, 1)).movedim(1, 0).flatten(1)
            mean, var = 0.9 * mean + 0.1 * inner.mean(1), 0.9 * var + 0.1 * inner.var(1)
    torch.testing.assert_close(model[1].running_mean, mean)
    torch.testing.assert_close(model[1].running_var, var)
    assert model[1].num_batches_tracked == len(sizes)


def test_dropout_is_the_same_in_both_passes():
    model = network("group", dropout=0.5).double()
    reference = copy.deepcopy(model)
    parts = images().split(5, dim=1)
    torch.manual_seed(7)
    cached_step(model, parts)
    after = torch.rand(3)
    torch.manual_seed(7)
    one_graph(reference, parts)
    assert relative_error(model, reference) < 1e-12
    assert torch.equal(after, torch.rand(3))


def test_the_factor_of_a_loss_scaler_arrives_once():
    model = network("group").double()
    reference = copy.deepcopy(model)
    parts = images().split(5, dim=1)
    one_graph(reference, parts)
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    _, z = project_without_graph(project_with(model), parts, model)
    scaler.scale(textbook_loss(z)).backward()
    backward_again(project_with(model), parts, z)
    scaler.unscale_(torch.optim.SGD(model.parameters(), lr=1.0))
    assert relative_error(model, reference) < 1e-12


def test_autocast_keeps_the_graph_of_the_second_pass():
    """A cast of the weights that was cached without a graph would cut them off."""
    model, reference = network("group"), network("group")
    parts = images(torch.float32).split(4, dim=1)
    with torch.autocast("cpu", torch.bfloat16):
        cached_step(model, parts)
    with torch.autocast("cpu", torch.bfloat16):
        one_graph(reference, parts)
    assert relative_error(model, reference) < 1e-2


@pytest.mark.slow
def test_two_processes_have_the_gradient_of_one_and_one_all_reduce_a_step():
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", str(WORKER)]
    assert run(command).count("equal") == 2


@given(share=st.integers(2, 5000), micro_batch=st.integers(2, 6000), world_size=st.integers(1, 8))
def test_sizes_are_few_and_equal(share, micro_batch, world_size):
    if micro_batch == 2 and share > 2 and share % 2 and world_size == 1:
        with pytest.raises(InputError, match=r"set train\.micro_batch=3 or more"):
            micro_batch_sizes(share, micro_batch, world_size)
        return
    sizes = micro_batch_sizes(share, micro_batch, world_size)
    assert sum(sizes) == share
    assert max(sizes) <= micro_batch
    assert max(sizes) - min(sizes) <= 1
    assert (len(sizes) - 1) * micro_batch < share  # one fewer would not do
    assert min(sizes) * world_size >= 2


def test_sizes_at_their_limits():
    assert micro_batch_sizes(4096, 256) == [256] * 16
    assert micro_batch_sizes(10, 4) == [4, 3, 3]
    assert micro_batch_sizes(64, None) == micro_batch_sizes(64, 64) == micro_batch_sizes(64, 1000) == [64]
    assert micro_batch_sizes(3, 1, world_size=2) == [1, 1, 1]
    with pytest.raises(InputError, match=r"train\.micro_batch is 1, .* set train\.micro_batch=2 or more"):
        micro_batch_sizes(64, 1)


def test_views_of_a_micro_batch_are_those_of_the_whole_batch():
    for recipe in ("digits", "indian-pines"):
        inputs = build_inputs(read_recipe(recipe), torch.device("cpu"))
        ids = torch.arange(20) * 37
        batch = inputs.source[ids]
        parts = [inputs.augment(x, i, 3) for x, i in zip(batch.split(7), ids.split(7))]
        torch.testing.assert_close(torch.cat(parts, dim=1), inputs.augment(batch, ids, 3), rtol=1e-5, atol=1e-6)


@pytest.mark.usefixtures("fresh_accelerate")
def test_a_run_with_micro_batches(tmp_path):
    options = [*TINY, "train.max_steps=6", "train.micro_batch=40", "monitor.every=3"]
    said: list[str] = []
    numbers = pretrain(read_recipe("digits", options), tmp_path, say=said.append)
    assert "  gradient caching: 3 micro batches a step, 32 images a process in each" in said
    assert numbers["rankme"] > 1
    state = load_encoder(tmp_path).encoder.state_dict()
    counted = [value for name, value in state.items() if name.endswith("num_batches_tracked")]
    assert counted
    assert all(value == 6 * 3 for value in counted)


@pytest.mark.slow
def test_without_batchnorm_a_run_has_the_same_losses_however_it_is_cut(tmp_path):
    options = [*TINY, "train.max_steps=5", "train.lr=1e-4"]
    for name, processes, micro_batch in (("whole", 1, "null"), ("cached", 1, "25"), ("two", 2, "20")):
        command = [sys.executable, "-m", "torch.distributed.run", f"--nproc-per-node={processes}", str(RUN)]
        run([*command, str(tmp_path / name), *options, f"train.micro_batch={micro_batch}"])
    whole = losses(tmp_path / "whole")
    assert len(set(whole)) == 5
    assert losses(tmp_path / "cached") == pytest.approx(whole, rel=1e-5)
    assert losses(tmp_path / "two") == pytest.approx(whole, rel=1e-5)


@pytest.mark.slow
@pytest.mark.usefixtures("fresh_accelerate")
def test_a_run_with_micro_batches_resumes_to_the_same_numbers(tmp_path):
    recipe = read_recipe("digits", [*TINY, "train.max_steps=8", "train.micro_batch=32"])
    pretrain(recipe, tmp_path)
    whole = losses(tmp_path)
    (tmp_path / "checkpoints" / "step-00000008.pt").unlink()
    pretrain(recipe, tmp_path, resume=True)
    assert losses(tmp_path) == whole
    with pytest.raises(InputError, match=r"train\.micro_batch was 32, now it is 48"):
        pretrain(read_recipe("digits", [*TINY, "train.max_steps=8", "train.micro_batch=48"]), tmp_path, resume=True)


@pytest.mark.usefixtures("fresh_accelerate")
def test_divergence_is_explained(tmp_path):
    options = ["train.max_steps=50", "train.optimizer=sgd", "train.lr=1e30", "train.micro_batch=48"]
    with pytest.raises(DivergenceError, match=r"at step \d+: .*lower train\.lr"):
        pretrain(read_recipe("digits", [*TINY, *options]), tmp_path)


@pytest.mark.parametrize("given", ["0", "-4", "1.5", "many"])
def test_the_recipe_refuses_what_is_no_number_of_images(given):
    with pytest.raises(InputError, match=r"^train\.micro_batch is "):
        read_recipe("digits", [f"train.micro_batch={given}"])


@pytest.mark.usefixtures("fresh_accelerate")
def test_a_single_image_at_once_is_refused_before_anything_is_trained(tmp_path):
    with pytest.raises(InputError, match="a single image"):
        pretrain(read_recipe("digits", [*TINY, "train.micro_batch=1"]), tmp_path)
