"""A stranger's encoder: one file and one line, and everything works with it."""

import json
import subprocess
import sys

import pytest
import torch
from torch import nn

from simclr import load_encoder
from simclr.errors import InputError
from simclr.losses.registry import LOSSES
from simclr.models.encoder import build_encoder, random_encoder, takes_any_size
from simclr.models.registry import ENCODERS
from simclr.pretrain import pretrain
from simclr.recipe.read import read_recipe
from simclr.views.inputs import build_inputs

FILE = """
from torch import Tensor, nn


class Mixer(nn.Module):
    def __init__(self, in_chans: int, depth: int = 4, width: int = 64, kind: str = "relu") -> None:
        super().__init__()
        act = {"relu": nn.ReLU, "gelu": nn.GELU}[kind]
        self.feature_dim = 3 * width
        layers = [nn.Conv2d(in_chans, self.feature_dim, 1)]
        for _ in range(depth):
            layers += [act(), nn.Conv2d(self.feature_dim, self.feature_dim, 1)]
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x).mean((2, 3))
"""
MODULE = "mixer_of_a_stranger"
TINY = ["encoder.width=4", "train.batch_size=128", "train.max_steps=2"]
MIXER = ["encoder={name: mixer, width: 4, options: {depth: 2, kind: gelu}}"]


@pytest.fixture
def mixer(tmp_path, monkeypatch):
    (tmp_path / "module").mkdir()
    (tmp_path / "module" / f"{MODULE}.py").write_text(FILE)
    monkeypatch.syspath_prepend(tmp_path / "module")
    monkeypatch.delitem(sys.modules, MODULE, raising=False)
    monkeypatch.setitem(ENCODERS.lines, "mixer", f"{MODULE}:Mixer")
    yield
    sys.modules.pop(MODULE, None)


@pytest.mark.usefixtures("mixer", "fresh_accelerate")
def test_it_is_pretrained_saved_and_loaded_again(tmp_path, monkeypatch):
    recipe = read_recipe("digits", [*TINY, *MIXER])
    pretrain(recipe, tmp_path / "run")
    arguments = json.loads((tmp_path / "run" / "encoder.json").read_text())["encoder"]
    assert arguments["options"] == {"depth": 2, "kind": "gelu"}
    assert (arguments["name"], arguments["in_chans"], arguments["width"]) == ("mixer", 1, 4)

    encoder = load_encoder(tmp_path / "run")
    assert type(encoder.encoder).__name__ == "Mixer"
    assert [type(layer).__name__ for layer in encoder.encoder.layers] == ["Conv2d", *["GELU", "Conv2d"] * 2]
    state = torch.load(tmp_path / "run" / "checkpoints" / "step-00000002.pt", weights_only=True)["model"]
    for name, value in encoder.encoder.state_dict().items():
        assert torch.equal(value, state[f"encoder.{name}"])
    raw = torch.randint(0, 256, (2, 1, 8, 8), dtype=torch.uint8)
    assert encoder(encoder.preprocess(raw)).shape == (2, 12)
    assert len(encoder.random_twin(1).encoder.layers) == 5

    pretrain(recipe, tmp_path / "run", resume=True)
    with pytest.raises(InputError, match=r"encoder\.options\.depth was 2, now it is 3"):
        pretrain(read_recipe("digits", [*TINY, *MIXER, "encoder.options.depth=3"]), tmp_path / "run", resume=True)
    monkeypatch.delitem(ENCODERS.lines, "mixer")
    with pytest.raises(InputError, match=r"^encoder\.name is 'mixer', but must be one of resnet8, .*timm:NAME"):
        load_encoder(tmp_path / "run")


@pytest.mark.usefixtures("mixer")
@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("mixer", {"dpeth": 3}, "encoder.options.dpeth is no argument of mixer: did you mean depth?"),
        ("mixer", {"stem": "small"}, "encoder.options.stem is set by encoder.stem and not among the options: "),
        ("mixer", {"width": 3}, "encoder.options.width is set by encoder.width and not among the options: "),
        ("resnet18", {"layers": 3}, "encoder.options.layers is no argument of resnet18, which takes none: "),
        ("resnet18", {"block": 3}, "encoder.options.block is no argument of resnet18, which takes none: "),
        ("timm:resnet10t", {"name": "x"}, "encoder.options.name is no argument of timm:resnet10t, which takes none: "),
        ("spectral_spatial", {"x": 1}, "encoder.options.x is no argument of spectral_spatial, which takes none: "),
        (
            "mixr",
            {},
            "encoder.name is 'mixr', but must be one of resnet8, resnet10, resnet18, resnet34, resnet50, resnet101, "
            "resnet152, pyramid, pyramid2, spectral_spatial, material_context, skip_generator, mixer, or timm:NAME; "
            "did you mean mixer?",
        ),
    ],
)
def test_mistakes_are_said_in_one_line(name, options, message):
    with pytest.raises(InputError) as caught:
        build_encoder(name, in_chans=1, options=options)
    assert str(caught.value) == message + ("" if message.endswith("?") else "leave it out")


@pytest.mark.usefixtures("mixer")
def test_arguments_arrive_and_stem_and_width_only_where_they_are_taken():
    encoder = build_encoder("mixer", in_chans=5, stem="small", width=2, options={"depth": 1})
    assert [layer.weight.shape[:2] for layer in encoder.layers if isinstance(layer, nn.Conv2d)] == [(6, 5), (6, 6)]
    assert build_encoder("resnet8", in_chans=3, stem="small", width=4).conv1.weight.shape == (4, 3, 3, 3)
    assert random_encoder(0, "spectral_spatial", in_chans=3, stem="small", width=4).feature_dim == 16


def test_listing_names_imports_no_torch():
    program = "import sys; from simclr.models.registry import ENCODERS; from simclr.losses.registry import LOSSES; "
    program += "print(len(ENCODERS), len(LOSSES), 'torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(len(ENCODERS)), str(len(LOSSES)), "False"]


@pytest.mark.parametrize("name", ENCODERS)
def test_every_line_leads_to_an_encoder(name):
    encoder = build_encoder(name, in_chans=2, stem="small", width=2).eval()
    assert encoder(torch.zeros(1, 2, 8, 8)).shape == (1, encoder.feature_dim)


def strange(monkeypatch, tmp_path, body):
    (tmp_path / "strange_net.py").write_text("from torch import nn\n\n\nclass Net(nn.Module):\n" + body)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "strange_net", raising=False)
    monkeypatch.setitem(ENCODERS.lines, "net", "strange_net:Net")


def test_one_that_does_not_say_how_wide_it_is_is_refused(monkeypatch, tmp_path):
    strange(monkeypatch, tmp_path, "    def __init__(self, in_chans):\n        super().__init__()\n")
    with pytest.raises(InputError, match=r"'net', which does not say how wide its representation is"):
        build_encoder("net", in_chans=3)


def test_one_that_does_not_take_the_views_is_refused_before_the_run(monkeypatch, tmp_path):
    body = (
        "    def __init__(self, in_chans):\n        super().__init__()\n        self.feature_dim = 4\n"
        "        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(in_chans * 25, 4))\n\n"
        "    def forward(self, x):\n        return self.layers(x)\n"
    )
    strange(monkeypatch, tmp_path, body)
    assert (takes_any_size("net"), takes_any_size("resnet18"), takes_any_size("spectral_spatial")) == (
        False,
        True,
        True,
    )
    with pytest.raises(InputError, match=r"encoder.name=net does not take views of 8x8 pixels"):
        build_inputs(read_recipe("digits", ["encoder={name: net}"]), torch.device("cpu"))
