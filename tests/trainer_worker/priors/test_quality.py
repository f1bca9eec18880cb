from pathlib import Path

import pytest
import torch
from PIL import Image

from simulation.fashion_classifier import FashionClassifier
from trainer_worker.priors.contact_sheet import save_contact_sheet
from trainer_worker.priors.quality import frechet_distance, measure


def test_the_frechet_distance_of_gaussians_is_the_closed_form() -> None:
    # |m - m'|^2 + sum (sd - sd')^2 where both covariances are diagonal; the samples are made to fit exactly.
    noise = torch.randn(500, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    centred = noise - noise.mean(dim=0)
    white = centred @ torch.linalg.inv(torch.linalg.cholesky(centred.T.cov())).T
    left = white * torch.tensor([1.0, 2.0, 0.5])
    right = white * torch.tensor([1.5, 2.0, 3.0]) + torch.tensor([1.0, 0.0, -2.0])
    assert frechet_distance(left, right) == pytest.approx(5.0 + 0.25 + 6.25, abs=1e-8)


def test_a_set_is_at_no_distance_from_itself() -> None:
    features = torch.randn(50, 4, generator=torch.Generator().manual_seed(0))
    assert frechet_distance(features, features) == pytest.approx(0.0, abs=1e-6)


def test_the_figures_name_every_class_and_their_shares_sum_to_one() -> None:
    generator = torch.Generator().manual_seed(0)
    pictures = torch.rand(60, 1, 28, 28, generator=generator) * 2 - 1
    classifier = FashionClassifier().eval()
    figures = measure(pictures[:20], pictures[20:40], pictures[40:], classifier)
    shares = {name: value for name, value in figures.items() if name.startswith("share_")}
    assert len(shares) == 10
    assert sum(shares.values()) == pytest.approx(1.0, abs=1e-3)
    assert figures["smallest_class_share"] == min(shares.values())


def test_the_contact_sheet_has_a_row_per_class_and_white_where_there_are_too_few(tmp_path: Path) -> None:
    samples = torch.full((5, 1, 4, 4), -1.0)
    save_contact_sheet(samples, torch.tensor([0, 1, 1, 1, 1]), tmp_path / "sheet.png", per_class=3, zoom=2)
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.size == (3 * 4 * 2, 2 * 4 * 2)
        assert sheet.getpixel((0, 0)) == 0
        assert sheet.getpixel((sheet.width - 1, 0)) == 255
        assert sheet.getpixel((sheet.width - 1, sheet.height - 1)) == 0
