"""The true reward: a classifier that no part of the system sees, seen through a hidden taste."""

from __future__ import annotations

import threading

import numpy as np
import torch
from numpy.typing import NDArray

from simulation.fashion_classifier import class_probabilities, load_classifier
from simulation.fashion_tastes import Taste


class FashionOracle:
    """Answers what a shopper would say of images. Safe to share between threads."""

    def __init__(self) -> None:
        self._classifier = load_classifier()
        self._lock = threading.Lock()

    def rewards(self, taste: Taste, images: NDArray[np.float32]) -> NDArray[np.float64]:
        """(M,) true rewards in [0, 1] of images (M, 1, 28, 28) in [-1, 1]."""
        # Each shopper is a thread; torch's own threads would only fight over the cores with the sampler.
        with self._lock, torch.inference_mode():
            x = torch.from_numpy(np.ascontiguousarray(images)).clamp(-1.0, 1.0)
            probabilities = class_probabilities(self._classifier, x)
            return taste.reward(probabilities, x).double().numpy()
