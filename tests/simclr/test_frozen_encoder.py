"""Frozen stays frozen, whatever the module around it does."""

import copy
import io
import pickle

import pytest
import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from simclr import FrozenEncoder, InputError
from simclr.data.preprocess import Preprocess
from simclr.encoder_metadata import EncoderMetadata
from simclr.models.encoder import random_encoder

NAMES = ["resnet10", "pyramid", "spectral_spatial"]


def make(name):
    options = {"name": name, "in_chans": 4, "width": 8}
    encoder = random_encoder(1, **options)
    encoder.train()(torch.randn(16, 4, 9, 9))
    preprocess = Preprocess(4, "standardize")
    preprocess.offset.copy_(torch.tensor([2731.3, 60001.0, 0.25, -40000.5]))
    preprocess.scale.fill_(1e-3)
    return FrozenEncoder(encoder, preprocess, {"encoder": options, "feature_dim": encoder.feature_dim})


def raw(n=6, seed=0):
    return 3000 * torch.rand(n, 4, 9, 9, generator=torch.Generator().manual_seed(seed))


class Net(nn.Module):
    def __init__(self, name):
        super().__init__()
        self.backbone = make(name)
        self.head = nn.Linear(self.backbone.feature_dim, 3)

    def forward(self, x):
        return self.head(self.backbone(self.backbone.preprocess(x)))


def features(net):
    with torch.no_grad():
        return net.backbone(net.backbone.preprocess(raw()))


def train(net, model=None, steps=5):
    model = net if model is None else model
    optimizer = torch.optim.AdamW(net.parameters(), lr=0.1, weight_decay=1.0)
    before = net.head.weight.detach().clone()
    for step in range(steps):
        model(raw(seed=step)).square().mean().backward()
        optimizer.step()
        optimizer.zero_grad()
    assert not torch.equal(net.head.weight, before)


def every_part(act):
    def walk(net):
        for module in net.modules():
            act(module)

    return walk


def each_parameter(net):
    for parameter in net.parameters():
        parameter.requires_grad = True


def zero(module):
    if isinstance(getattr(module, "weight", None), nn.Parameter):
        nn.init.zeros_(module.weight)


def inner_train(net):
    net.backbone.encoder.train()


SAYINGS = {
    "nothing": lambda net: None,
    "train": lambda net: net.train(),
    "requires_grad_": lambda net: net.requires_grad_(True),
    "each parameter": each_parameter,
    "apply train": lambda net: net.apply(lambda m: m.train()),
    "apply initialisation": lambda net: net.apply(zero),
    "mode of every part": every_part(lambda m: setattr(m, "training", True)),
    "training of the network inside": inner_train,
    "float": lambda net: net.float(),
}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("saying", SAYINGS)
def test_nothing_that_a_parent_says_moves_it(name, saying):
    net = Net(name)
    expected, state = features(net), copy.deepcopy(net.backbone.state_dict())
    SAYINGS[saying](net)
    train(net)
    SAYINGS[saying](net)
    assert torch.equal(features(net), expected)
    assert all(torch.equal(value, state[key]) for key, value in net.backbone.state_dict().items())
    assert all(parameter.grad is None for parameter in net.backbone.parameters())
    assert [key for key, parameter in net.named_parameters() if parameter.requires_grad] == ["head.weight", "head.bias"]


def test_gradients_flow_through_it_to_its_input():
    encoder = make("resnet10").double()
    x = torch.randn(2, 4, 5, 5, dtype=torch.float64, requires_grad=True)
    direction = torch.randn_like(x)
    (grad,) = torch.autograd.grad(encoder(x).sum(), x)
    with torch.no_grad():
        step = 1e-6 * direction
        numeric = (encoder(x + step).sum() - encoder(x - step).sum()) / 2e-6
    assert (grad * direction).sum().item() == pytest.approx(numeric.item(), rel=1e-3)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("dtype", "rounding"), [(torch.float16, 4e-3), (torch.bfloat16, 3e-2), (torch.float64, 1e-5), (torch.float32, 0.0)]
)
def test_it_takes_on_a_parents_dtype_but_for_the_preprocessing(name, dtype, rounding):
    net = Net(name)
    expected = features(net)
    net.to(dtype)
    assert net(raw()).dtype == features(net).dtype == dtype
    assert net.backbone.preprocess.offset.dtype == torch.float32
    assert net.backbone.preprocess.offset[1] == 60001.0  # 59,904 in bfloat16
    assert (features(net).double() - expected).abs().max() <= rounding * expected.abs().max()
    assert net.backbone.random_twin(0)(net.backbone.preprocess(raw())).dtype == dtype
    assert features(net.float()).dtype == torch.float32


def test_weights_beyond_float16_and_dtypes_that_it_cannot_work_in_are_refused():
    net = Net("resnet10")
    net.backbone.encoder.bn1.running_var[0] = 1e6
    with pytest.raises(InputError, match=r"float16 ends at 65,504, and bn1.running_var lies beyond it: use bfloat16"):
        net.half()
    with pytest.raises(InputError, match=r"cannot work in torch\.float8_e4m3fn"):
        Net("resnet10").to(torch.float8_e4m3fn)


def test_it_is_float32_under_autocast():
    encoder = make("resnet10")
    with torch.autocast("cpu", torch.bfloat16):
        assert encoder(encoder.preprocess(raw())).dtype == torch.float32


@pytest.mark.parametrize("name", NAMES)
def test_copies_are_the_same_and_as_frozen(name):
    net = Net(name)
    expected = features(net)
    buffer = io.BytesIO()
    torch.save(net, buffer)
    buffer.seek(0)
    filled = Net(name)
    filled.load_state_dict(net.state_dict())
    for other in (
        copy.deepcopy(net),
        pickle.loads(pickle.dumps(net)),
        torch.load(buffer, weights_only=False),
        filled,
    ):
        assert isinstance(other.backbone.metadata, EncoderMetadata)
        other.train().requires_grad_(True)
        train(other, steps=2)
        assert torch.equal(features(other), expected)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_parent_can_be_compiled_in_one_graph(name):
    """Behind the preprocessing, which may look at the values."""
    net = Net(name).train().requires_grad_(True)
    expected = features(net)
    compiled = torch.compile(lambda x: net.head(net.backbone(x)), fullgraph=True, backend="aot_eager")
    train(net, lambda raw: compiled(net.backbone.preprocess(raw)), steps=2)
    assert torch.equal(features(net), expected)


def test_a_parent_that_asks_for_all_gradients_can_be_distributed(tmp_path):
    net = Net("spectral_spatial").train().requires_grad_(True)
    expected = features(net)
    net.requires_grad_(True)
    dist.init_process_group("gloo", init_method=f"file://{tmp_path}/meeting", rank=0, world_size=1)
    try:
        # A weight that it waits for and that gets no gradient would end its second step.
        train(net, DistributedDataParallel(net), steps=3)
    finally:
        dist.destroy_process_group()
    assert torch.equal(features(net), expected)


def test_what_is_to_be_trained_is_a_copy():
    encoder = make("resnet10")
    x = encoder.preprocess(raw())
    expected = encoder(x)
    body = encoder.trainable_copy()
    assert torch.equal(body.eval()(x), expected)
    net = nn.Sequential(encoder.trainable_copy(), nn.Linear(encoder.feature_dim, 2))
    assert all(module.training for module in net.modules())
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    net(x).square().sum().backward()
    optimizer.step()
    assert not torch.equal(net[0].conv1.weight, encoder.encoder.conv1.weight)
    assert torch.equal(encoder(x), expected)
    with pytest.raises(InputError, match=r"encoder.trainable_copy\(\)"):
        encoder.requires_grad_(True)


def test_a_twin_elsewhere_leaves_its_preprocessing_here():
    encoder = make("spectral_spatial")
    encoder.random_twin(0).to("meta")
    assert encoder.preprocess(raw()).device.type == "cpu"


BATCH = raw()
BAD = {
    "numpy": (BATCH.numpy(), r"the batch is a ndarray: call encoder\(encoder.preprocess\(batch\)\).*from_numpy"),
    "list": ([1], "the batch is a list"),
    "nothing": (None, "the batch is a NoneType"),
    "uint8": (BATCH.byte(), "takes floats, but the batch is uint8: call"),
    "int64": (BATCH.long(), "takes floats, but the batch is int64"),
    "bool": (BATCH > 5, "takes floats, but the batch is bool"),
    "complex": (BATCH.to(torch.cfloat), "takes floats, but the batch is complex64"),
    "one image": (BATCH[0], r"\(B, 4, H, W\), but the batch has shape \(4, 9, 9\)"),
    "bands": (BATCH[:, :3], r"shape \(6, 3, 9, 9\)"),
    "no pixels": (BATCH[:, :, :0], r"shape \(6, 4, 0, 9\), which is without pixels"),
    "elsewhere": (BATCH.to("meta"), "the encoder is on cpu, but the batch on meta"),
}


@pytest.mark.parametrize("kind", BAD)
def test_what_it_cannot_take_is_refused_in_a_line(kind):
    batch, words = BAD[kind]
    with pytest.raises(InputError, match=words) as caught:
        make("spectral_spatial")(batch)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", NAMES)
def test_other_floats_and_empty_batches_are_taken(name):
    encoder = make(name)
    x = encoder.preprocess(raw())
    assert torch.equal(encoder(x.double()), encoder(x))
    assert encoder(x.half()).dtype == torch.float32
    assert encoder(x[:0]).shape == (0, encoder.feature_dim)


def test_a_network_of_a_fixed_size_says_so_in_a_line():
    options = {"name": "timm:vit_tiny_patch16_224", "in_chans": 3}
    network = random_encoder(0, **options)
    encoder = FrozenEncoder(network, Preprocess(3), {"encoder": options, "feature_dim": network.feature_dim})
    with pytest.raises(InputError, match="does not take 32x48 pixels"):
        encoder(torch.rand(1, 3, 32, 48))


@pytest.mark.parametrize("seed", [-1, 1.5, "x", None, True, 2**63, 10**400, float("nan")])
def test_seeds_that_are_none_are_refused(seed):
    with pytest.raises(InputError, match=r"^seed is .*, but must be an integer between 0 and 2\^63 - 1$"):
        make("spectral_spatial").random_twin(seed)
