"""Views on the device: kornia operations whose random numbers have an address."""

from augment.addressed import Address, box_muller, permutation, philox4x32
from augment.band_dropout import RandomBandDropout
from augment.blur import RandomGaussianBlur
from augment.color_jitter import RandomColorJitter
from augment.cutout import RandomCutout
from augment.flip import RandomHorizontalFlip, RandomVerticalFlip
from augment.grayscale import RandomGrayscale
from augment.neighbour_mixture import RandomNeighbourMixture
from augment.noise import RandomNoise
from augment.pipeline import OPERATIONS, Views, build_views
from augment.radiation import RandomRadiation
from augment.resized_crop import RandomResizedCrop
from augment.rotation90 import RandomRotation90
from augment.solarize import RandomSolarize
from augment.spectral_jitter import RandomSpectralJitter
from augment.spectral_shift import RandomSpectralShift
from augment.spectral_smoothing import RandomSpectralSmoothing
from augment.trace import trace
from augment.view_groups import ViewGroups
from augment.virtual_samples import virtual_sample, virtual_samples

__all__ = [
    "OPERATIONS",
    "Address",
    "RandomBandDropout",
    "RandomColorJitter",
    "RandomCutout",
    "RandomGaussianBlur",
    "RandomGrayscale",
    "RandomHorizontalFlip",
    "RandomNeighbourMixture",
    "RandomNoise",
    "RandomRadiation",
    "RandomResizedCrop",
    "RandomRotation90",
    "RandomSolarize",
    "RandomSpectralJitter",
    "RandomSpectralShift",
    "RandomSpectralSmoothing",
    "RandomVerticalFlip",
    "ViewGroups",
    "Views",
    "box_muller",
    "build_views",
    "permutation",
    "philox4x32",
    "trace",
    "virtual_sample",
    "virtual_samples",
]
