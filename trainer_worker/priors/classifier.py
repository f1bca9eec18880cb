"""Training the classifier that measures the shipped image prior and plays the users of the demo."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save
from torch import Tensor
from torch.nn import functional

from apa.errors import InvalidArgument
from apa.priors.folder import write_atomically
from simulation.fashion_classifier import CLASS_NAMES, FashionClassifier
from trainer_worker.priors.data import load_images, read_idx, to_data_space


@dataclass(frozen=True)
class LabelledImages:
    """Attributes: images (M, 1, 28, 28) uint8; labels (M,) int64."""

    images: Tensor
    labels: Tensor


def load_labelled(images: Path, labels: Path) -> LabelledImages:
    """A pair of IDX files."""
    pictures = load_images(images).items
    classes = torch.from_numpy(read_idx(labels).astype(np.int64))
    if classes.shape != pictures.shape[:1] or int(classes.max()) >= len(CLASS_NAMES):
        found = f"{tuple(classes.shape)} up to {int(classes.max())}"
        raise InvalidArgument(
            "labels do not fit the images",
            field="labels",
            expected=f"{len(pictures)} labels from 0 to {len(CLASS_NAMES) - 1}",
            found=found,
        )
    return LabelledImages(pictures, classes)


def train_classifier(data: LabelledImages, epochs: int, seed: int, batch: int = 256) -> FashionClassifier:
    """One-cycle Adam with shifts and flips; prints a line per epoch."""
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        classifier = FashionClassifier()
    classifier.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    steps_per_epoch = len(data.labels) // batch
    optimizer = torch.optim.AdamW(classifier.parameters(), weight_decay=0.02)
    cycle = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=6e-3, total_steps=epochs * steps_per_epoch)
    for epoch in range(epochs):
        order = torch.randperm(len(data.labels), generator=generator)
        losses = []
        for indices in order[: steps_per_epoch * batch].reshape(-1, batch):
            x = augment(to_data_space(data.images[indices]), generator)
            with torch.autocast("cpu", dtype=torch.bfloat16):
                logits = classifier(x)
            loss = functional.cross_entropy(logits.float(), data.labels[indices], label_smoothing=0.05)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            cycle.step()
            losses.append(loss.item())
        print(f"epoch {epoch + 1}/{epochs}  loss {sum(losses) / len(losses):.4f}", flush=True)
    return classifier.eval()


def augment(x: Tensor, generator: torch.Generator) -> Tensor:
    """(B, 1, H, W): the batch shifted by up to two pixels, and half of its pictures mirrored."""
    dy, dx = torch.randint(0, 5, (2,), generator=generator).tolist()
    height, width = x.shape[2:]
    x = functional.pad(x, (2, 2, 2, 2), value=-1.0)[:, :, dy : dy + height, dx : dx + width]
    mirrored = torch.rand(len(x), 1, 1, 1, generator=generator) < 0.5
    return torch.where(mirrored, x.flip(3), x)


@torch.no_grad()
def accuracy(classifier: FashionClassifier, data: LabelledImages) -> float:
    """Share of pictures classified as labelled."""
    correct = 0
    for start in range(0, len(data.labels), 1000):
        images, labels = data.images[start : start + 1000], data.labels[start : start + 1000]
        correct += int((classifier(to_data_space(images)).argmax(dim=1) == labels).sum())
    return correct / len(data.labels)


def save_classifier(classifier: FashionClassifier, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, save({name: t.contiguous() for name, t in classifier.state_dict().items()}))
