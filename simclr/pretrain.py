"""The training loop of SimCLR, from top to bottom."""

import math
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, nullcontext
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from simclr.build import build_judge, build_learner, build_loss
from simclr.choose.resolve import resolved
from simclr.data import Source, batches
from simclr.data.feed import named, skipped
from simclr.data.held_out import held_out_ids
from simclr.encoder_file import save_encoder
from simclr.launch import unused_settings
from simclr.recipe.schema import Recipe
from simclr.run.begin import Begun, begin_run
from simclr.run.metadata import check_storable, describe_run
from simclr.run.metrics_file import MetricsFile
from simclr.run.resume import check_steps_left
from simclr.run.run_folder import open_run_folder
from simclr.run.states import (
    RunStates,
    check_room,
    numbers_if_finished,
    state_to_go_on_from,
    states_kept,
    steps_between_states,
)
from simclr.run.stopping import Stopping
from simclr.run.terminal import Progress
from simclr.run.unusual import LossSpikes, noting_stalls
from simclr.train.best_encoder import BestEncoder
from simclr.train.course import set_course
from simclr.train.distributed import (
    any_process,
    of_batch,
    on_main_first,
    prepare,
    start_accelerator,
)
from simclr.train.divergence import Cause, Left, explain_divergence
from simclr.train.health import collapse_warning, health
from simclr.train.memory import memory_explained
from simclr.train.nonfinite import NonFinite
from simclr.train.optimizer import parameter_table
from simclr.train.schedule import warmup_cosine
from simclr.train.step import Learner, Taken, TrainingStep
from simclr.train.verdict import UNTRAINED
from simclr.views.drawn_views import choose_samples, look_at_views
from simclr.views.embedded import embed, encode
from simclr.views.inputs import Inputs, build_inputs
from simclr.views.picture import draw_views


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
    resume: bool | Path = False,
    overwrite: bool = False,
    changes: Sequence[str] = (),
    probe: OnlineProbe | None = None,
    say: Callable[[str], None] = print,
) -> dict[str, Any]:
    """Pretrain an encoder and leave a run folder that explains itself.

    Args:
        recipe: what to do.
        output: the run folder: recipe.yaml, metrics.jsonl, views.png, checkpoints/, encoder.safetensors and .json.
        resume: go on from the newest whole run state in ``output``, or from the beginning if the run there has none
            yet; or the file of one of its run states, after which all is done again.
        overwrite: start anew even if ``output`` holds a run.
        changes: keys of the recipe that may differ from the run's on resume, such as ``train.epochs``.
        probe: online judge, used where the source has labels.
        say: prints a line for the user.

    Returns:
        The last numbers of the run, as in the encoder's metadata, and the ``seconds`` that the loop took.

    Raises:
        InputError: something in the recipe, the data or the launch is wrong, or the folder cannot be written.
        DivergenceError: the loss became NaN or infinite.
        StoppedError: Ctrl-C or SIGTERM; the step was finished, and its run state written.
    """
    recipe = resolved(recipe)
    train, checkpoints = recipe.train, output / "checkpoints"
    accelerator = start_accelerator(train.precision, recipe.log.trackers, output)
    device, main = accelerator.device, accelerator.is_main_process
    with ExitStack() as stack:
        stack.callback(accelerator.end_training)
        opening = open_run_folder(output, recipe, resume=bool(resume), overwrite=overwrite, changes=changes)
        folder = on_main_first(accelerator, lambda: stack.enter_context(opening))
        state = state_to_go_on_from(accelerator, checkpoints, resume, say)
        if resume is True and (ended := numbers_if_finished(accelerator, output, recipe, state, say)):
            return {**ended, "seconds": 0.0}

        # What there is to learn from, and in which order.
        with accelerator.main_process_first() if recipe.data.fetches else nullcontext():
            inputs = build_inputs(recipe, device)
        source, preprocess = inputs.source, inputs.preprocess
        loss_of = build_loss(recipe.loss, source)
        rank, world_size = accelerator.process_index, accelerator.num_processes
        held_out = held_out_ids(inputs.raw, recipe.monitor.held_out, recipe.seed)
        cut = None if "train.micro_batch" in changes else state.get("micro_batches")
        course = set_course(train, len(source), recipe.seed, rank, world_size, held_out, cut)
        order, total_steps, warmup_steps, peak_lr, sizes = course
        save_every = steps_between_states(train, order.steps_per_epoch, total_steps)

        # What learns, who watches, and from where it goes on.
        model, optimizer = build_learner(recipe, preprocess, peak_lr, device, world_size)
        encoder, parts = model.encoder, [model.encoder, model.head]
        watched = _watched(probe, source) if recipe.monitor.knn else None
        judge = build_judge(inputs, held_out, recipe.seed) if main else None
        if judge:  # before a run state is loaded: what nothing was learned by
            judge.add_baseline(UNTRAINED, partial(encode, encoder, device))
        ids_seen = watched.ids.tolist() if watched else []

        def begin() -> Begun:
            """On the main process, with all that can be refused: from here on, the folder changes."""
            assert folder is not None
            files = states_kept(train, total_steps, save_every)
            room = check_room(checkpoints, model, train, files, encoder if judge else None)
            check_steps_left(state["step"], total_steps, changes)
            check_storable(describe_run(recipe, source, preprocess, encoder, total_steps, {}, ids_seen))
            begun = begin_run(folder, recipe, source, state, accelerator, say, (model, optimizer))
            remembered = {**begun.remembered, "micro_batches": len(sizes)}
            return begun._replace(remembered=remembered, notes=[room] if room else [])

        begun = on_main_first(accelerator, begin)
        stopping = stack.enter_context(Stopping(checkpoints, speaks=main))
        distributed, optimizer = prepare(accelerator, model, optimizer, state)
        learner = Learner(accelerator, model, distributed, optimizer)
        one_step = TrainingStep(learner, inputs.drawing(), loss_of, sizes)

        best = BestEncoder(train.patience, state.get("best"))
        metrics = stack.enter_context(MetricsFile(output / "metrics.jsonl", state["step"], enabled=main))
        progress = stack.enter_context(Progress(total_steps, state["step"], train.batch_size, enabled=main))
        if begun:
            say(f"{len(source):,} samples of {source.name}, processes: {world_size}, {device.type}, {train.precision}")
            for note in [*source.notes, *inputs.notes]:
                say(note)
            described = [*recipe.chosen, *inputs.describe(), f"loss: {recipe.loss.describe()}"]
            for line in [*described, *parameter_table(parts, train.optimizer, train.weight_decay)]:
                say(f"  {line}")
            if len(sizes) > 1:
                kept = ", as many as before" if sizes[0] > (train.micro_batch or sizes[0]) else ""
                say(f"  gradient caching: {len(sizes)} micro batches a step{kept}, {sizes[0]} images a process in each")
            for line in [*unused_settings(train.precision), *begun.notes, *([metrics.note] if metrics.note else [])]:
                say(line)
            looked_at = look_at_views(inputs, choose_samples(recipe.seed, len(source), samples=6), 0, device)
            draw_views(looked_at, output / "views.png")

        numbers: dict[str, Any] = metrics.last
        warned, done, spikes = False, state["step"], LossSpikes()
        nonfinite = NonFinite(model, train.skip_nonfinite, state, accelerator.scaler is not None)
        states = stack.enter_context(RunStates(accelerator, model, optimizer, source, begun, checkpoints, train))
        started = time.perf_counter()
        model.train()

        stop_at = done if best.is_time_to_stop else total_steps  # it was cut off after its last step
        feed = batches(source, order, done, stop_at, device, recipe.data.workers)
        for step, ids, batch in noting_stalls(feed, say) if main else feed:
            epoch, lr = order.epoch(step), warmup_cosine(step, total_steps, warmup_steps, peak_lr)
            nonfinite.begin_step()
            fewer = partial(one_step.try_images, batch, ids, epoch) if world_size == 1 else None
            with memory_explained(sizes[0], fewer, "train.micro_batch"):
                taken = one_step.gradients(batch, ids, epoch)  # views, h, z, loss, and backward to every parameter
            loss, h, z = taken.loss, taken.h, taken.z
            numbers = {"step": step, "epoch": epoch, "loss": loss, "lr": lr}
            if skipped_over := nonfinite.passes_over(step, loss):
                numbers |= {"loss": None, "skipped": nonfinite.in_a_row}
            elif nonfinite.too_many or not math.isfinite(loss):
                updated, last_lr = step - nonfinite.updated, optimizer.param_groups[0]["lr"]
                why = _explain(taken, inputs, model, updated, last_lr)
                raise states.diverged(step, loss, why, nonfinite.before(step))
            else:
                one_step.update(lr)
                if main and (jump := spikes.note(step, loss)):
                    say(jump)

            done = step + 1
            if begun:
                begun.keep()
            if (done % recipe.monitor.every == 0 or done == total_steps) and not skipped_over:
                numbers |= health(of_batch(accelerator, h[0]), of_batch(accelerator, z.transpose(0, 1)).transpose(0, 1))
                known = done > warmup_steps and not warned
                warning = collapse_warning(numbers, train.batch_size) if known else None
                if warning and main:
                    say(f"step {step}: {warning}")
                    warned = True
            due = done % save_every == 0 or done == total_steps
            if due and main and probe and watched:
                knn, left_out = watched.score(probe, embed(encoder, inputs, watched.ids, device), source)
                numbers |= knn
                if left_out:
                    say(f"step {step}: {left_out}")
            if due and judge:
                best.look(judge.look(partial(encode, encoder, device)), done, encoder)
                numbers["verdict"] = best.latest
            # Before the run state: a line too many is dropped on resume, one too few would be missing for ever.
            metrics.write({**numbers, "seconds": round(time.perf_counter() - started, 3)})
            late, stop, enough = any_process(accelerator, states.is_late, stopping.signal > 0, best.is_time_to_stop)
            if due or late or stop:
                explain = partial(_explain, taken, inputs, model, step, lr)
                more = {**nonfinite.state, **({"best": best.state} if judge else {})}
                states.save(done, loss, explain, more, wait=stop or done == total_steps)
            progress.advance(numbers)
            if begun:
                begun.log(numbers, step)
            if stop and done < total_steps:
                raise stopping.stop()
            if enough:
                break

        if best.verdict:
            best.restore(encoder)
            numbers |= {"verdict": best.verdict.value, "kept_step": best.step}
            say(str(best.verdict))
        if passed_over := nonfinite.describe():
            numbers |= {"skipped_steps": nonfinite.steps}
            if main:
                say(passed_over)
        if begun:
            metadata = describe_run(recipe, source, preprocess, encoder, done, numbers, ids_seen)
            saw = begun.saw or source.sample_hashes()
            save_encoder(output / "encoder.safetensors", encoder, preprocess, metadata, model.head, saw)
            numbers = dict(metadata.numbers)
            if source.damaged:
                say(skipped(source.damaged))
        return {**numbers, "seconds": time.perf_counter() - started}


def _explain(taken: Taken, inputs: Inputs, model: nn.Module, updated: int, lr: float) -> Cause:
    """Why a step that was taken went wrong, most likely, given the step of the last update and its learning rate."""
    ids = torch.cat([part.ids for part in taken.micro_batches]).cpu()
    views = taken.draw_again(inputs.augment)
    names = partial(named, inputs.source)
    return explain_divergence(model, Left(views, taken.h, taken.loss, updated, lr, lambda at: names(ids[at.cpu()])))


class _Watched(NamedTuple):
    ids: Tensor
    labels: Tensor

    def score(self, probe: OnlineProbe, h: Tensor, source: Source) -> tuple[dict[str, float], str | None]:
        """What the probe says of their representations (n, feature_dim), or why it is not asked.

        Those that turned out to be damaged have lost their labels, and are left out.
        """
        assert source.labels is not None
        readable = source.labels[self.ids] >= 0
        broken = int((~h.isfinite()).any(1).sum())
        if broken:
            return {}, f"no online kNN, as {broken} of the {len(h)} representations that it looks at are not finite"
        return {"knn": probe.score(h[readable], self.labels[readable])}, None


def _watched(probe: OnlineProbe | None, source: Source) -> _Watched | None:
    """The samples that the online probe looks at, where there are labels."""
    if probe is None or source.labels is None:
        return None
    ids = probe.choose(source.labels)
    return _Watched(ids, source.labels[ids]) if len(ids) else None
