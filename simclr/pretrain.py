"""The training loop of SimCLR, from top to bottom."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from simclr.build import build_inputs, build_model
from simclr.checkpoint import load_run_state, run_states, save_run_state
from simclr.data import SampleOrder, batches
from simclr.diagnosis import explain_divergence
from simclr.distributed import on_main_first, start_accelerator
from simclr.encoder_file import save_encoder
from simclr.errors import DivergenceError
from simclr.health import collapse_warning, health
from simclr.metadata import describe_run
from simclr.ntxent import nt_xent
from simclr.optimizer import build_optimizer, parameter_table, set_lr
from simclr.progress import Progress
from simclr.recipe import Recipe
from simclr.run_folder import MetricsFile, open_run_folder
from simclr.schedule import scaled_lr, warmup_cosine
from simclr.sync_batchnorm import convert_sync_batchnorm
from simclr.trackers import start_trackers
from simclr.views_picture import draw_views


class OnlineProbe(NamedTuple):
    """A judge of the representation during the run; handed in from above, since the loop knows no evaluator.

    Attributes:
        choose: labels (N,) → ids of the samples that it looks at.
        score: their representations (n, feature_dim) and labels (n,) → accuracy in [0, 1].
    """

    choose: Callable[[Tensor], Tensor]
    score: Callable[[Tensor, Tensor], float]


def pretrain(
    recipe: Recipe,
    output: Path,
    *,
    resume: bool = False,
    overwrite: bool = False,
    probe: OnlineProbe | None = None,
    say: Callable[[str], None] = print,
) -> dict[str, Any]:
    """Pretrain an encoder and leave a run folder that explains itself.

    Args:
        recipe: what to do.
        output: the run folder: recipe.yaml, metrics.jsonl, views.png, checkpoints/, encoder.safetensors and .json.
        resume: go on from the newest run state in ``output``.
        overwrite: start anew even if ``output`` holds a run.
        probe: online judge, used where the source has labels.
        say: prints a line for the user.

    Returns:
        The last numbers of the run, as in the encoder's metadata.

    Raises:
        InputError: something in the recipe, the data or the launch is wrong.
        DivergenceError: the loss became NaN or infinite.
    """
    accelerator = start_accelerator(recipe.train.precision, recipe.log.trackers, output)
    device, main = accelerator.device, accelerator.is_main_process
    with ExitStack() as stack:
        folder = open_run_folder(output, recipe, resume=resume, overwrite=overwrite)
        on_main_first(accelerator, lambda: stack.enter_context(folder))

        # What there is to learn from, and in which order.
        source, augment, preprocess, plain, embed = build_inputs(recipe, device)
        train = recipe.train
        order = SampleOrder(
            len(source), train.batch_size, recipe.seed, accelerator.process_index, accelerator.num_processes
        )
        total_steps = min(train.max_steps or train.epochs * order.steps_per_epoch, train.epochs * order.steps_per_epoch)
        warmup_steps = min(round(train.warmup_epochs * order.steps_per_epoch), total_steps // 2)
        peak_lr = scaled_lr(train.lr, train.batch_size, train.lr_scaling)
        save_every = train.checkpoint_every or max(order.steps_per_epoch, total_steps // 10)

        # What learns.
        model = build_model(recipe.encoder, recipe.head, preprocess.out_chans, recipe.seed).to(device)
        if accelerator.num_processes > 1:
            model = convert_sync_batchnorm(model, device)
        encoder = model.encoder
        modules = [model.encoder, model.head]
        optimizer = build_optimizer(
            train.optimizer, modules, lr=peak_lr, weight_decay=train.weight_decay, momentum=train.momentum
        )
        start = 0
        state: dict[str, Any] = {}
        if resume:
            state = load_run_state(output / "checkpoints")
            start = state["step"]
            model.load_state_dict(state["model"])
            optimizer.load_state_dict(state["optimizer"])
        distributed, optimizer = accelerator.prepare(model, optimizer, device_placement=[False, True])
        if resume and accelerator.scaler is not None and "scaler" in state:
            accelerator.scaler.load_state_dict(state["scaler"])

        probe_ids = probe.choose(source.labels) if probe and recipe.monitor.knn and source.labels is not None else None
        metrics = stack.enter_context(MetricsFile(output / "metrics.jsonl", start)) if main else None
        log = start_trackers(accelerator, recipe)
        stack.callback(accelerator.end_training)
        if main:
            processes = f"{accelerator.num_processes} process{'es' if accelerator.num_processes > 1 else ''}"
            say(f"{len(source):,} samples of {source.name}, {processes} on {device.type}, {train.precision}")
            for line in augment.describe():
                say(f"  view: {line}")
            for group, tensors, numbers, decay, adapt in parameter_table(modules, train.weight_decay):
                trust = ", trust ratio" if adapt and train.optimizer == "lars" else ""
                say(f"  {train.optimizer}: {numbers:,} {group} in {tensors} tensors, weight decay {decay:g}{trust}")
            draw_views(augment, source, plain, embed, recipe.seed, output / "views.png")
        progress = stack.enter_context(Progress(total_steps, start, train.batch_size, enabled=main))

        def save(step: int) -> None:
            scaler = {"scaler": accelerator.scaler.state_dict()} if accelerator.scaler is not None else {}
            state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), **scaler}
            save_run_state(output / "checkpoints", step, state)

        numbers: dict[str, Any] = {}
        warned = False
        model.train()
        started = time.perf_counter()
        for step, ids, batch in batches(source, order, start, total_steps, device, recipe.data.workers):
            views = augment(batch, ids, order.epoch(step))  # (V, b, C, h, w)
            h, z = distributed(views.flatten(0, 1))
            z = z.unflatten(0, views.shape[:2])
            loss = nt_xent(z, recipe.loss.temperature)
            value = loss.item()
            if value != value or value in (float("inf"), float("-inf")):
                why = explain_divergence(views, h, model, optimizer.param_groups[0]["lr"])
                states = run_states(output / "checkpoints")
                good = f"the last good run state is {states[-1]}" if states else "there is no run state yet"
                raise DivergenceError(f"the loss is {value} at step {step}: {why}; {good}")
            accelerator.backward(loss)
            lr = warmup_cosine(step, total_steps, warmup_steps, peak_lr)
            set_lr(optimizer, lr)
            optimizer.step()
            optimizer.zero_grad()

            done = step + 1
            last = done == total_steps
            numbers = {"step": step, "epoch": order.epoch(step), "loss": value, "lr": lr}
            if done % recipe.monitor.every == 0 or last:
                numbers |= health(h.unflatten(0, views.shape[:2])[0], z)
                warning = collapse_warning(numbers)
                if warning and not warned and main and order.epoch(step) > train.warmup_epochs:
                    say(f"step {step}: {warning}")
                    warned = True
            if done % save_every == 0 or last:
                if main:
                    if probe and probe_ids is not None:
                        numbers["knn"] = probe.score(_embed(encoder, plain, embed, probe_ids, device), source.labels[probe_ids])
                    save(done)
                accelerator.wait_for_everyone()
            if main:
                numbers["seconds"] = round(time.perf_counter() - started, 3)
                metrics.write(numbers)
                progress.advance(numbers)
            log(numbers, step)

        if not main:
            return numbers
        if source.damaged:
            shown = ", ".join(source.damaged[:5]) + (", …" if len(source.damaged) > 5 else "")
            say(f"{len(source.damaged)} damaged images were skipped: {shown}")
        metadata = describe_run(recipe, source, encoder, total_steps, numbers, probe_ids, preprocess.out_chans)
        save_encoder(output / "encoder.safetensors", encoder, preprocess, metadata)
        return {**metadata["numbers"], "seconds": time.perf_counter() - started}


@torch.no_grad()
def _embed(
    encoder: torch.nn.Module, plain: Any, embed: Callable[[Tensor], Tensor], ids: Tensor, device: torch.device
) -> Tensor:
    """Representations of samples without augmentation, in eval mode; leaves the encoder in training mode."""
    encoder.eval()
    h = torch.cat([encoder(embed(plain[part].to(device))).float() for part in ids.split(512)])
    encoder.train()
    return h
