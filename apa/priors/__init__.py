"""The family of priors: denoiser, noise schedule, features, and the folder format."""

from apa.priors.base import Denoised, Prior
from apa.priors.folder import load_prior, save_prior
from apa.priors.gaussian_mixture import GaussianMixturePrior
from apa.priors.network import NetworkPrior
from apa.priors.schedule import VPSchedule

__all__ = [
    "Denoised",
    "GaussianMixturePrior",
    "NetworkPrior",
    "Prior",
    "VPSchedule",
    "load_prior",
    "save_prior",
]
