import torch

from apa.prior_folders import find_prior, read_card
from apa.priors import load_prior
from simulation.fashion_classifier import CLASS_NAMES, load_classifier
from trainer_worker.priors.quality import draw_samples

FOLDER = find_prior("fashion")


def test_it_loads_and_agrees_with_its_card() -> None:
    prior = load_prior(FOLDER)
    assert prior.data_shape == (1, 28, 28)
    assert prior.card.decoder == "png"
    assert prior.card.data_licence == "MIT"
    assert (FOLDER / "LICENSE-DATA").is_file()
    assert (FOLDER / "samples.png").is_file()
    assert "trainer_worker.priors fit" in prior.card.training_command


def test_its_measured_quality_is_good_enough_to_ship() -> None:
    quality = read_card(FOLDER).quality
    assert quality["smallest_class_share"] >= 0.04
    assert quality["mean_max_probability"] >= 0.9 * quality["mean_max_probability_real"]
    assert quality["num_samples"] >= 1000


def test_a_few_quick_samples_show_every_class() -> None:
    samples = draw_samples(load_prior(FOLDER), num=120, steps=20, seed=0, batch=60)
    with torch.no_grad():
        seen = load_classifier()(samples).argmax(dim=1).bincount(minlength=len(CLASS_NAMES))
    assert (seen > 0).all(), dict(zip(CLASS_NAMES, seen.tolist(), strict=True))


def test_it_stays_small_and_so_do_its_draws() -> None:
    sizes = {path.name: path.stat().st_size for path in FOLDER.iterdir()}
    draws = sizes.pop("stored_draws.safetensors")
    assert sum(sizes.values()) < 10_000_000
    assert draws < 10_000_000
