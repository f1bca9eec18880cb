import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from apa.errors import InvalidArgument, NotFound
from apa.prior_folders import read_card
from apa.priors import load_prior
from tests.apa.priors.small_diffusers import save_text_to_image, save_unconditional
from trainer_worker.priors import cli

pytestmark = pytest.mark.slow
pytest.importorskip("diffusers")


def _adopt(tmp_path: Path, *arguments: str) -> Result:
    given = ["adopt", "--path", str(tmp_path / "model"), "--name", "mine", "--out", str(tmp_path / "mine")]
    return CliRunner().invoke(cli.app, [*given, *arguments])


def test_an_unconditional_folder_becomes_an_image_prior(tmp_path: Path) -> None:
    from diffusers import DDIMScheduler

    save_unconditional(tmp_path / "model", DDIMScheduler())
    result = _adopt(tmp_path, "--description", "small pictures", "--licence", "MIT")
    assert result.exit_code == 0, result.output
    card = read_card(tmp_path / "mine")
    assert (card.kind, card.data_shape, card.decoder) == ("image", (3, 8, 8), "png")
    assert (card.description, card.data_licence) == ("small pictures", "MIT")
    assert load_prior(tmp_path / "mine").card == card
    assert len(json.loads((tmp_path / "mine" / "config.json").read_text())["files_sha256"]) == 64


def test_a_text_to_image_pipeline_becomes_a_latent_prior_of_its_prompt(tmp_path: Path) -> None:
    from diffusers import DDPMScheduler

    save_text_to_image(tmp_path / "model", DDPMScheduler(clip_sample=False))
    assert isinstance(_adopt(tmp_path).exception, InvalidArgument)
    assert not (tmp_path / "mine").exists()
    result = _adopt(tmp_path, "--prompt", "red shoe", "--guidance-scale", "3")
    assert result.exit_code == 0, result.output
    card = read_card(tmp_path / "mine")
    assert (card.kind, card.data_shape, card.decoder) == ("latent", (4, 8, 8), "png")
    assert load_prior(tmp_path / "mine").card == card


def test_a_path_without_a_model_is_refused(tmp_path: Path) -> None:
    assert isinstance(_adopt(tmp_path).exception, NotFound)
    (tmp_path / "model").mkdir()
    assert isinstance(_adopt(tmp_path).exception, NotFound)
