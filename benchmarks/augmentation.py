"""Views of photographs and of hyperspectral patches, beside kornia, torchvision, lightly and albumentations.

Same operations, parameters and probabilities for all; every contestant starts from uint8 pixels (floats for patches) in
memory and ends with normalised float32 views. kornia works on the batch; torchvision, lightly and albumentations sample
by sample, as their users do in a loader, here without its processes: two of those would share the same cores.
Times are for 1,000 views.
"""

from collections.abc import Callable
from typing import Any, cast

import albumentations
import kornia.augmentation as kornia
import numpy as np
import torch
from albumentations.pytorch import ToTensorV2
from lightly.transforms import SimCLRTransform
from PIL import Image
from sklearn.datasets import load_sample_images
from torch import Tensor, nn
from torchvision.transforms import v2

from benchmarks.harness import Report, Times, paired_ratio, race, spread
from simclr.augment import RandomColorJitter, Views, build_views
from simclr.augment.color_affine import color_affine
from simclr.augment.color_jitter import color_jitter
from simclr.launch import keep_freed_memory

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
SCALE = (0.08, 1.0)
SCENE: dict[str, dict[str, Any]] = {
    "horizontal_flip": {"p": 0.5},
    "vertical_flip": {"p": 0.5},
    "rotation90": {"p": 1.0},
    "radiation": {"alpha": [0.9, 1.1], "beta": 0.04, "p": 1.0},
    "spectral_jitter": {"gain": 0.1, "offset": 0.1, "order": 3, "p": 0.8},
    "band_dropout": {"fraction": 0.1, "p": 0.5},
    "noise": {"sd": 0.05, "p": 0.5},
    "cutout": {"scale": [0.02, 0.3], "p": 0.5},
}

Contestant = tuple[Callable[[], object], int]
"""What is timed, and how many views it makes."""


class Setting:
    """SimCLR's augmentation at one size: strength 0.5 and 3 taps of blur at 32 pixels, 1.0 and 23 at 224.

    Args:
        source: side of the samples.
        size: side of the views.
        sure: every operation on every sample, instead of SimCLR's probabilities.
    """

    def __init__(self, source: int, size: int, sure: bool) -> None:
        self.source, self.size = source, size
        strength = 0.5 if size <= 64 else 1.0
        self.jitter = (0.8 * strength, 0.8 * strength, 0.8 * strength, 0.2 * strength)
        self.kernel = max(3, size // 10 // 2 * 2 + 1)
        self.p = {
            name: 1.0 if sure else p for name, p in (("flip", 0.5), ("jitter", 0.8), ("grey", 0.2), ("blur", 0.5))
        }

    def ours(self, mode: str = "exact") -> Views:
        brightness, contrast, saturation, hue = self.jitter
        jitter = {"brightness": brightness, "contrast": contrast, "saturation": saturation, "hue": hue}
        mean, std = (torch.tensor(v).view(3, 1, 1) for v in (MEAN, STD))
        return build_views(
            {
                "resized_crop": {"size": self.size, "scale": SCALE},
                "horizontal_flip": {"p": self.p["flip"]},
                "color_jitter": {**jitter, "p": self.p["jitter"], "mode": mode},
                "grayscale": {"p": self.p["grey"]},
                "blur": {"kernel_size": self.kernel, "sigma": (0.1, 2.0), "p": self.p["blur"]},
            },
            size=self.source,
            in_chans=3,
            views=2,
            seed=0,
            before=lambda x: x.float().mul_(1 / 255),
            after=lambda x: x.sub_(mean).div_(std),
        )

    def kornia(self) -> nn.Module:
        k = (self.kernel, self.kernel)
        return kornia.AugmentationSequential(
            kornia.RandomResizedCrop((self.size, self.size), scale=SCALE),
            kornia.RandomHorizontalFlip(p=self.p["flip"]),
            kornia.ColorJitter(*self.jitter, p=self.p["jitter"]),
            kornia.RandomGrayscale(p=self.p["grey"]),
            kornia.RandomGaussianBlur(k, (0.1, 2.0), p=self.p["blur"]),
            kornia.Normalize(torch.tensor(MEAN), torch.tensor(STD)),
            data_keys=["input"],
        )

    def torchvision(self) -> Callable[[Tensor], Tensor]:
        return v2.Compose(
            [
                v2.RandomResizedCrop(self.size, scale=SCALE, antialias=True),
                v2.RandomHorizontalFlip(self.p["flip"]),
                v2.RandomApply([v2.ColorJitter(*self.jitter)], self.p["jitter"]),
                v2.RandomGrayscale(self.p["grey"]),
                v2.RandomApply([v2.GaussianBlur(self.kernel, (0.1, 2.0))], self.p["blur"]),
                v2.ToDtype(torch.float32, scale=True),
                v2.Normalize(MEAN, STD),
            ]
        )

    def lightly(self) -> SimCLRTransform:
        brightness, contrast, saturation, hue = self.jitter
        return SimCLRTransform(
            input_size=self.size,
            cj_prob=self.p["jitter"],
            cj_strength=1.0,
            cj_bright=brightness,
            cj_contrast=contrast,
            cj_sat=saturation,
            cj_hue=hue,
            min_scale=SCALE[0],
            random_gray_scale=self.p["grey"],
            gaussian_blur=self.p["blur"],
            sigmas=(0.1, 2.0),  # PIL's blur has no number of taps
            hf_prob=self.p["flip"],
        )

    def albumentations(self) -> Callable[..., dict[str, Any]]:
        return albumentations.Compose(
            [
                albumentations.RandomResizedCrop(size=(self.size, self.size), scale=SCALE),
                albumentations.HorizontalFlip(p=self.p["flip"]),
                albumentations.ColorJitter(*self.jitter, p=self.p["jitter"]),
                albumentations.ToGray(p=self.p["grey"]),
                albumentations.GaussianBlur(blur_limit=self.kernel, sigma_limit=(0.1, 2.0), p=self.p["blur"]),
                albumentations.Normalize(MEAN, STD),
                ToTensorV2(),
            ]
        )

    def contestants(self, batch: int, few: int, compiled: bool) -> dict[str, Contestant]:
        """All of them; those that go sample by sample get ``few`` samples, for time."""
        x = photographs(batch, self.source)
        ids, batched = torch.arange(batch), self.kornia()
        exact, fast = self.ours(), self.ours("fast")
        arrays = [np.ascontiguousarray(i.permute(1, 2, 0).numpy()) for i in x[:few]]
        pictures = [Image.fromarray(a) for a in arrays]
        single, pair, numpy_ = self.torchvision(), self.lightly(), self.albumentations()
        found: dict[str, Contestant] = {
            "ours": (lambda: exact(x, ids, 0), 2 * batch),
            "ours, jitter fast": (lambda: fast(x, ids, 0), 2 * batch),
            "kornia": (lambda: batched(x.float() / 255), batch),
            "torchvision": (lambda: torch.stack([single(i) for i in x[:few]]), few),
            "lightly": (lambda: torch.stack([view for i in pictures for view in cast(list[Tensor], pair(i))]), 2 * few),
            "albumentations": (lambda: torch.stack([numpy_(image=a)["image"] for a in arrays]), few),
        }
        if compiled:
            fused = self.ours("compiled")
            found["ours, jitter compiled"] = (lambda: fused(x, ids, 0), 2 * batch)
            quick = cast(nn.Module, torch.compile(self.kornia()))
            found["kornia, compiled"] = (lambda: quick(x.float() / 255), batch)
        return found


def photographs(count: int, side: int) -> Tensor:
    """(count, 3, side, side) uint8: pieces of scikit-learn's two sample photographs, the same every time."""
    whole = [torch.from_numpy(i.copy()).permute(2, 0, 1) for i in load_sample_images().images]
    generator = torch.Generator().manual_seed(0)
    pieces = []
    for i in range(count):
        image = whole[i % 2]
        top, left = (int(torch.randint(n - side + 1, (), generator=generator)) for n in image.shape[1:])
        pieces.append(image[:, top : top + side, left : left + side])
    return torch.stack(pieces)


def thousand(contestants: dict[str, Contestant], rounds: int) -> Times:
    """Seconds for 1,000 views."""
    times = race({name: call for name, (call, _) in contestants.items()}, rounds=rounds)
    return {name: [1000 * s / contestants[name][1] for s in seconds] for name, seconds in times.items()}


@torch.no_grad()
def run(report: Report, quick: bool) -> None:
    report.machine("kornia", "torchvision", "lightly", "albumentations", "opencv-python-headless", "pillow")
    keep_freed_memory()  # as in training; for all of them
    rounds = 3 if quick else 10
    for source, size, batches, middle, few in ((32, 32, (64, 256, 1024), 256, 32), (256, 224, (64, 256), 64, 8)):
        for batch in (middle,) if quick else batches:
            for sure in (False, True) if batch == middle else (False,):
                main = not sure and batch == middle
                setting = Setting(source, size, sure)
                times = thousand(setting.contestants(batch, few, compiled=main and not quick), rounds)
                chances = "every operation on every sample" if sure else "SimCLR's probabilities"
                report.race(f"{size} px from {source}, {batch} samples, {chances}", times, reference="ours")
                for mode in (name for name in times if name.startswith("ours")):
                    report.line(f"{mode}: {1000 / spread(times[mode]).median:,.0f} views/s")
                if main:
                    targets = (
                        (("kornia", 50), ("torchvision", 15)) if size == 32 else (("kornia", 5), ("torchvision", 4))
                    )
                    for mode in ("ours", "ours, jitter compiled") if not quick else ("ours",):
                        for peer, target in targets:
                            ratio = paired_ratio(times, peer, mode).median
                            report.target(f"{peer}'s time over {mode}, {size} px", ratio, at_least=target)
        operations(report, source, size, rounds)
    patches(report, rounds)
    modes(report)


def operations(report: Report, source: int, size: int, rounds: int) -> None:
    """One operation at a time, on every sample, floats in 0..1 in and out."""
    batch, few = (512, 64) if size == 32 else (16, 8)
    setting = Setting(source, size, sure=True)
    ours, theirs = setting.ours().named(), list(setting.kornia().children())
    single = cast(Any, setting.torchvision()).transforms
    for i, (name, operation) in enumerate(ours.items()):
        x = photographs(batch, source if i == 0 else size).float() / 255
        contestants: dict[str, Contestant] = {
            "ours": (lambda operation=operation, x=x: operation(x), batch),  # type: ignore[misc]
            "kornia": (lambda peer=theirs[i], x=x: peer(x), batch),  # type: ignore[misc]
            "torchvision": (lambda peer=single[i], x=x: [peer(s) for s in x[:few]], few),  # type: ignore[misc]
        }
        report.race(f"{name}, {size} px, {batch} samples", thousand(contestants, rounds), reference="ours")


def patches(report: Report, rounds: int) -> None:
    """200 bands, 9x9: what kornia has of our operations, beside all of ours."""
    # As a scene's patches lie: the bands of a pixel side by side.
    x, ids = torch.randn(512, 9, 9, 200).permute(0, 3, 1, 2), torch.arange(512)
    views = build_views(SCENE, size=9, in_chans=200, views=2, seed=0)
    peer = kornia.AugmentationSequential(
        kornia.RandomHorizontalFlip(p=0.5),
        kornia.RandomVerticalFlip(p=0.5),
        kornia.RandomRotation90((0, 3), p=1.0),
        kornia.RandomGaussianNoise(std=0.04, p=1.0),
        kornia.RandomGaussianNoise(std=0.05, p=0.5),
        kornia.RandomErasing((0.02, 0.3), p=0.5),
        data_keys=["input"],
    )
    contestants: dict[str, Contestant] = {
        "ours": (lambda: views(x, ids, 0), 1024),
        "kornia, no spectral operations": (lambda: peer(x), 512),
    }
    times = thousand(contestants, rounds)
    report.race("9x9 patches of 200 bands, 512 samples", times, reference="ours")
    report.target("patches a second", 1000 / spread(times["ours"]).median, at_least=20_000)


def modes(report: Report) -> None:
    """How far the jitter's fast mode is from the exact one, in grey levels of 255."""
    x = photographs(1000, 32).float() / 255
    rows = []
    for strength in (0.5, 1.0):
        jitter = RandomColorJitter(0.8 * strength, 0.8 * strength, 0.8 * strength, 0.2 * strength, p=1.0)
        torch.manual_seed(0)
        drawn = jitter.forward_parameters(x.shape)
        exact = color_jitter(x, drawn["factors"], drawn["order"])
        fast = color_affine(x, drawn["factors"], drawn["order"])
        difference, change = ((255 * (a - b)).abs().flatten() for a, b in ((fast, exact), (exact, x)))
        at = difference.sort().values[[int(q * len(difference)) for q in (0.5, 0.9, 0.99)]].tolist()
        numbers = (float(difference.mean()), *at, float(change.mean()))
        rows.append([f"strength {strength}", *(f"{n:.1f}" for n in numbers)])
    head = ["|fast - exact|, grey levels", "mean", "median", "90 %", "99 %", "mean change by the jitter"]
    report.table("Modes of the colour jitter, 1,000 pieces of photographs", head, rows)
