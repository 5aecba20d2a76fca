"""What only a GPU can show; skipped without one."""

import runpy
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from simclr import load_encoder
from simclr.losses.ntxent import nt_xent
from simclr.pretrain import pretrain
from simclr.recipe.read import read_recipe
from simclr.train.grad_cache import backward_again, project_without_graph
from simclr.views.inputs import build_inputs

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
    pytest.mark.usefixtures("fresh_accelerate"),
]


# All operations on photographs, the jitter in both modes, and all on spectra.
EVERYTHING = runpy.run_path(str(Path(__file__).parent / "views" / "view_digests.py"))["recipes"]
KINDS = ["exact", "fast", "scene"]


@pytest.mark.parametrize("kind", KINDS)
def test_every_operations_views_on_the_gpu_are_those_of_the_cpu(tmp_path, kind):
    recipe, drawn = EVERYTHING(tmp_path)[kind], []
    for device in ("cpu", "cuda"):
        inputs = build_inputs(recipe, torch.device(device))
        ids = torch.arange(500, device=device)
        views = [draw(inputs.source[ids], ids, 3) for draw in (inputs.augment, inputs.small) if draw]
        drawn.append([view.cpu() for view in views])
    # The weights of a crop are rounded by other kernels: by 2e-6 of the range, which is 2e-5 standard deviations.
    for cpu, cuda in zip(*drawn):
        torch.testing.assert_close(cuda, cpu, atol=5e-5, rtol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_every_operations_parameters_on_the_gpu_are_those_of_the_cpu_bit_by_bit(tmp_path, kind):
    inputs = build_inputs(EVERYTHING(tmp_path)[kind], torch.device("cpu"))
    for views in inputs.augment.members():
        shape: tuple[int, ...] = (500 * len(views.views), *inputs.source[torch.arange(1)].shape[1:])
        addresses = [views.address(torch.arange(500, device=device), 3) for device in ("cpu", "cuda")]
        uniforms = [address.uniforms(views.request(shape)) for address in addresses]
        for name, operation in views.named().items():
            cpu, cuda = (operation.forward_parameters(shape, uniforms=u[name]) for u in uniforms)
            assert cpu.keys() == cuda.keys()
            for key, value in cpu.items():
                # Noise of each pixel is added up by two kernels.
                rounding = 1e-6 if key == "noise" else 0
                torch.testing.assert_close(cuda[key].cpu(), value, atol=rounding, rtol=0, msg=f"{name}: {key}")
            shape = operation.output_shape(shape)


@pytest.mark.parametrize("kind", KINDS)
def test_no_operation_waits_for_the_gpu(tmp_path, kind):
    inputs = build_inputs(EVERYTHING(tmp_path)[kind], torch.device("cuda"))
    ids = torch.arange(64, device="cuda")
    batch = inputs.source[ids]
    drawing = [draw for draw in (inputs.augment, inputs.small) if draw]
    for draw in drawing:
        draw(batch, ids, 0)  # constants go to the device once
    torch.cuda.set_sync_debug_mode("error")
    try:
        for draw in drawing:
            draw(batch, ids, 1)
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.parametrize("recipe", ["digits", "indian-pines"])
def test_views_on_the_gpu_are_those_of_the_cpu(recipe):
    views = []
    for device in ("cpu", "cuda"):
        inputs = build_inputs(read_recipe(recipe), torch.device(device))
        ids = torch.arange(64, device=device) * 20
        views.append(inputs.augment(inputs.source[ids], ids, 3).cpu())
    torch.testing.assert_close(views[1], views[0], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("recipe", ["digits", "indian-pines"])
def test_drawing_views_never_waits_for_the_gpu(recipe):
    inputs = build_inputs(read_recipe(recipe), torch.device("cuda"))
    ids = torch.arange(64, device="cuda")
    batch = inputs.source[ids]
    inputs.augment(batch, ids, 0)  # constants go to the device once
    torch.cuda.set_sync_debug_mode("error")
    try:
        inputs.augment(batch, ids, 1)
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_neighbours_are_found_for_ids_on_either_device():
    inputs = build_inputs(read_recipe("indian-pines"), torch.device("cuda"))
    (views,) = (group for group in inputs.augment.members() if group.neighbours is not None and 1 in group.views)
    chosen = [views.neighbours.ids(views.address(torch.arange(64, device=d), 3)) for d in ("cpu", "cuda")]
    assert [ids.device.type for ids in chosen] == ["cpu", "cuda"]
    assert torch.equal(chosen[0], chosen[1].cpu())


@pytest.mark.parametrize("micro_batch", ["null", "6"])
@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_streamed_photographs_train_on_the_gpu(tmp_path, precision, micro_batch):
    (tmp_path / "photos").mkdir()
    for i in range(32):
        pixels = np.random.default_rng(i).integers(0, 255, (16, 16, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "photos" / f"{i}.png")
    options = [f"data.path={tmp_path / 'photos'}", "data.image_size=16", "augment.resized_crop.size=16"]
    options += ["data.feed=stream", "encoder.stem=small", "encoder.width=8", "augment.blur.kernel_size=3"]
    options += ["train.batch_size=16", "train.max_steps=4", f"train.precision={precision}"]
    options += [f"train.micro_batch={micro_batch}"]
    numbers = pretrain(read_recipe("image-folder", options), tmp_path / "run")
    assert np.isfinite(numbers["loss"])
    assert load_encoder(tmp_path / "run").metadata["numbers"]["steps"] == 4


def test_dropout_is_the_same_in_both_passes_of_gradient_caching():
    model = nn.Sequential(nn.Flatten(), nn.Linear(12, 8), nn.Dropout(), nn.Linear(8, 4)).cuda()
    images = torch.randn(2, 10, 12, device="cuda").split(4, dim=1)
    seen = []

    def project(x):
        z = model(x.flatten(0, 1)).unflatten(0, x.shape[:2])
        seen.append(z.detach())
        return z, z

    _, z = project_without_graph(project, images, model)
    nt_xent(z, 0.2).backward()
    backward_again(project, images, z)
    for first, second in zip(seen[:3], seen[3:]):
        torch.testing.assert_close(second, first)


@pytest.mark.parametrize(
    ("dtype", "bound"),
    [(torch.float64, 1e-12), (torch.float32, 1e-5), (torch.float16, 5e-3), (torch.bfloat16, 1e-2)],
)
def test_nt_xent_on_the_gpu_equals_float64_on_the_cpu(dtype, bound):
    z = torch.randn(2, 3000, 128, generator=torch.Generator().manual_seed(0)).to("cuda", dtype).requires_grad_()
    exact = z.detach().double().cpu().requires_grad_()
    (expected,) = torch.autograd.grad(nt_xent(exact, 0.1), exact)
    (grad,) = torch.autograd.grad(nt_xent(z, 0.1), z)
    assert (grad.double().cpu() - expected).norm() < bound * expected.norm()


def test_nt_xent_does_not_wait_for_the_gpu_when_it_does_not_check():
    z = torch.randn(2, 300, 64, device="cuda", requires_grad=True)
    torch.cuda.set_sync_debug_mode("error")
    try:
        nt_xent(z, 0.1, check=False).backward()
    finally:
        torch.cuda.set_sync_debug_mode("default")
