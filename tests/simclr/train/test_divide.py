"""Learners of slices of an embedding: what each step trains, when samples are divided, and that nothing is lost."""

import json
import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from sklearn.datasets import make_blobs

from simclr.data.class_order import ClassOrder
from simclr.data.cluster_order import ClusterOrder
from simclr.errors import DivergenceError, InputError
from simclr.finetune import fine_tune
from simclr.losses.margin import margin_loss
from simclr.recipe.read import apply_overrides, check_tuning
from simclr.train.divide import k_means
from simclr.train.systems import build_system
from simclr.train.tuned import Learned, Tuned

WORKER = Path(__file__).with_name("divide_worker.py")
MADE = runpy.run_path(str(WORKER))
X, Y = MADE["data"]()
N = len(Y)
IDS = torch.arange(N)


def divided():
    """A system whose samples are divided into two heaps."""
    model = MADE["system"]()
    model.begin_epoch(0, learned())
    return model


def learned(epochs=4, x=X):
    return Learned(IDS, Y, lambda ids: x[ids], epochs)


def test_heaps_are_found_and_keep_their_names():
    model = divided()
    assert len((2 * (IDS % 2) + model.clusters).unique()) == 2
    assert model.notes() == ["epoch 0: clusters of 48, 48 samples"]
    before = model.clusters.clone()
    for epoch in (1, 2):
        model.begin_epoch(epoch, learned(9))
        assert torch.equal(model.clusters, before)
        assert (model.moved, model.since) == (0, epoch)
    assert model.training
    assert model.encoder.training
    # Two samples change places.
    x = X.clone()
    x[[0, 1]] = x[[1, 0]]
    model.notes()
    model.begin_epoch(2, learned(9, x))
    assert int((model.clusters != before).sum()) == 2
    assert model.notes() == ["epoch 2: clusters of 48, 48 samples, 2.1 % of samples in another one than before"]


def test_a_step_trains_the_slice_and_the_objective_of_its_learner_alone():
    model = divided()
    for learner in (0, 1):
        ids = (model.clusters == learner).nonzero()[:12, 0]
        e, value = model(X[ids], Y[ids], ids)
        part = F.normalize(e[:, 4 * learner : 4 * learner + 4], dim=1)
        own, other = model.learners[learner], model.learners[1 - learner]
        beta = own.modules_of_terms["margin"].beta
        assert value.terms["margin"].item() == pytest.approx(margin_loss(part, Y[ids], beta).item(), rel=1e-6)
        draws = [part.modules_of_terms["margin"].draws.item() for part in (own, other, model.objective)]
        assert draws == [1, learner, 0]
        value.total.backward()
        rows = model.encoder[2].weight.grad.norm(dim=1) > 1e-6  # of the others a rounding
        assert rows.tolist() == [i // 4 == learner for i in range(8)]
        idle = {id(p) for part in (other, model.objective) for p in part.parameters()}
        assert {id(p) for p in model.resting()} == idle
        assert all(not p.grad.any() for p in model.resting())
        assert beta.grad.any()
        model.zero_grad()


def test_learners_are_joined_in_the_last_epochs():
    model, order = divided(), ClassOrder(Y, 4, 3, 0)
    assert isinstance(model.order_of(order), ClusterOrder)
    model.notes()
    model.begin_epoch(2, learned())
    assert isinstance(model.order_of(order), ClusterOrder)
    model.notes()
    model.begin_epoch(3, learned())  # of four epochs the last one, for a share of 0.3
    assert model.order_of(order) is order
    assert model.notes() == ["epoch 3: the learners are joined"]
    usual = Tuned(model.encoder, model.objective)
    found, expected = model(X[:24], Y[:24], IDS[:24]), usual(X[:24], Y[:24])
    assert torch.equal(found[1].terms["softmax"], expected[1].terms["softmax"])
    assert {id(p) for p in model.resting()} == {id(p) for p in model.learners.parameters()}


def test_where_no_cluster_fills_a_batch_the_whole_embedding_learns():
    model, order = divided(), ClassOrder(IDS % 2, 2, 3, 0)
    assert model.order_of(order) is order
    assert model.notes()[1] == "no cluster fills a batch: the whole embedding learns"
    model(X[:8], Y[:8], IDS[:8])
    assert {id(p) for p in model.resting()} == {id(p) for p in model.learners.parameters()}


def test_k_means_is_that_of_blobs_and_its_seed_alone():
    x, blob = make_blobs(300, centers=4, cluster_std=0.3, random_state=0)
    x = torch.from_numpy(x).float()
    found = k_means(x, 4, 7)
    assert len((10 * torch.from_numpy(blob) + found).unique()) == 4
    assert torch.equal(found, k_means(x, 4, 7))


def test_what_cannot_be_divided_is_said():
    model = MADE["system"]()
    with pytest.raises(InputError, match="learners is 2, but there are 1 samples: set 1 or less"):
        model.begin_epoch(0, Learned(IDS[:1], Y, lambda ids: X[ids], 4))
    with pytest.raises(DivergenceError, match="embeddings hold NaN"):
        model.begin_epoch(0, learned(x=X * torch.nan))
    of_run = {"samples": N, "seed": 0, "objective_of": None}
    with pytest.raises(InputError, match=r"system\.options\.learners is 3, but must divide the 8 numbers"):
        build_system("divide-and-conquer", {"learners": 3}, model.encoder, model.objective, of_run)


DIGITS = {
    "data": {"source": "digits"},
    "augment": {"noise": {"sd": 0.1, "p": 0.5}},
    "encoder": {"name": "pyramid2", "width": 4},
    "embedding": {"dim": 8},
    "objective": {"margin": {}},
    "labels": {"shots": 24},
    "train": {"epochs": 3, "classes": 4, "per_class": 10, "checkpoint_every": 4},
}  # 6 steps an epoch
DIVIDED = "system={name: divide-and-conquer, options: {learners: 2, every: 1, joined: 0.3}}"


def run(folder, *overrides, **options):
    fine_tune(check_tuning(apply_overrides(DIGITS, overrides)), folder, **options)
    return torch.load(max((folder / "checkpoints").iterdir()), weights_only=True)["model"]


@pytest.mark.usefixtures("fresh_accelerate")
def test_with_one_learner_a_run_is_the_plain_one_to_the_last_bit(tmp_path):
    plain = run(tmp_path / "plain", "train.max_steps=8")
    alone = run(tmp_path / "alone", "train.max_steps=8", "system={name: divide-and-conquer, options: {learners: 1}}")
    assert all(torch.equal(alone[name], value) for name, value in plain.items())


class PowerCutError(Exception):
    pass


@pytest.mark.slow
@pytest.mark.usefixtures("fresh_accelerate")
def test_a_run_that_was_cut_off_resumes_bit_for_bit_across_a_clustering(tmp_path, monkeypatch):
    said: list[str] = []
    whole = run(tmp_path / "whole", DIVIDED, say=said.append)
    assert [line.split(":")[0] for line in said if "clusters of" in line] == [f"  epoch {e}" for e in range(2)]
    assert "  epoch 2: the learners are joined" in said
    updates = []

    def cut(optimizer, lr):
        updates.append(lr)
        if len(updates) == 8:  # in the second epoch, the state being from the first
            raise PowerCutError
        for group in optimizer.param_groups:
            group["lr"] = lr

    with monkeypatch.context() as patch:
        patch.setattr("simclr.train.tuning_step.set_lr", cut)
        with pytest.raises(PowerCutError):
            run(tmp_path / "cut", DIVIDED)
    again = run(tmp_path / "cut", DIVIDED, resume=True)
    assert whole.keys() == again.keys()
    assert all(torch.equal(again[name], value) for name, value in whole.items())
    betas = [whole[f"learners.{k}.modules_of_terms.margin.beta"].item() for k in (0, 1)]
    assert len({1.2, *betas}) == 3  # each learned its own
    lines = [json.loads(line) for line in (tmp_path / "cut" / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == list(range(18))


@pytest.mark.slow
@pytest.mark.parametrize("processes", [2, 4])
def test_gradients_and_clusters_are_those_of_one_process(tmp_path, processes):
    command = [sys.executable, "-m", "torch.distributed.run", f"--nproc-per-node={processes}", str(WORKER)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*command, str(tmp_path / "found")], capture_output=True, text=True, timeout=300, env=environment
    )
    assert done.returncode == 0, done.stderr[-3000:]
    alone = MADE["walk"]()
    for process in torch.load(tmp_path / "found"):
        for step, (found, expected) in enumerate(zip(process, alone, strict=True)):
            for what, value in expected.items():
                assert (found[what] - value).norm() <= 1e-6 * value.norm(), (step, what)
