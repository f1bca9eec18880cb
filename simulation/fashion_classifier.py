"""A small classifier of Fashion-MNIST: what a simulated user looks at, and what judges the shipped prior.

No method may see it: neither its classes nor its features enter a surrogate or a sampler.
"""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

from apa.errors import DataLoss

CLASS_NAMES = (
    "T-shirt",
    "trouser",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "ankle boot",
)
"""In the order of the labels and of the logits."""

WEIGHTS_PATH = Path(__file__).parent / "data" / "fashion_classifier.safetensors"


class FashionClassifier(nn.Module):
    """Five convolutions, pooled to 96 features, then one linear layer."""

    feature_dim = 96

    def __init__(self) -> None:
        super().__init__()
        self.fine = _convolution(1, 24)
        self.coarse = nn.Sequential(_convolution(24, 48), _convolution(48, 48))
        self.coarsest = nn.Sequential(_convolution(48, 96), _convolution(96, 96))
        self.head = nn.Linear(self.feature_dim, len(CLASS_NAMES))

    def features(self, x: Tensor) -> Tensor:
        """(N, 96), what the linear layer reads. x: (N, 1, 28, 28) in [-1, 1]."""
        h = functional.max_pool2d(self.fine(x), 2)
        h = functional.max_pool2d(self.coarse(h), 2)
        pooled: Tensor = self.coarsest(h).mean(dim=(2, 3))
        return pooled

    def forward(self, x: Tensor) -> Tensor:
        """(N, 10), logits in the order of CLASS_NAMES. x: (N, 1, 28, 28) in [-1, 1]."""
        logits: Tensor = self.head(self.features(x))
        return logits


def load_classifier(path: Path = WEIGHTS_PATH) -> FashionClassifier:
    """The trained classifier, frozen and in evaluation mode.

    Raises:
        DataLoss: its file is missing or damaged.
    """
    classifier = FashionClassifier()
    try:
        classifier.load_state_dict(load_file(path))
    except (OSError, SafetensorError, RuntimeError) as error:
        raise DataLoss(
            "the classifier's weights are damaged",
            field=path.name,
            expected="its safetensors",
            found=str(error),
        ) from error
    return classifier.eval().requires_grad_(False)


@torch.no_grad()
def class_probabilities(classifier: FashionClassifier, x: Tensor) -> Tensor:
    """(N, 10), the classifier's probabilities. x: (N, 1, 28, 28) in [-1, 1]."""
    probabilities: Tensor = classifier(x).softmax(dim=1)
    return probabilities


def _convolution(channels_in: int, channels_out: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, 3, padding=1, bias=False),
        nn.BatchNorm2d(channels_out),
        nn.ReLU(inplace=True),
    )
