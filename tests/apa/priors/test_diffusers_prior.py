import json
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from apa.errors import DataLoss, FailedPrecondition, InvalidArgument, NotFound
from apa.priors import load_prior
from apa.priors.blocks import mean_and_spread
from apa.priors.diffusers_folder import files_sha256
from apa.priors.diffusers_prior import DiffusersPrior
from tests.apa.priors.small_diffusers import save_prior_folder, save_text_to_image, save_unconditional

pytestmark = pytest.mark.slow
pytest.importorskip("diffusers")


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a folder of models was looked for on the network")

    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def _ddpm(**options: Any) -> Any:
    from diffusers import DDPMScheduler

    return DDPMScheduler(**options)


def _ddim(**options: Any) -> Any:
    from diffusers import DDIMScheduler

    return DDIMScheduler(**options)


def _unconditional(tmp_path: Path, scheduler: Any = None, **changes: Any) -> tuple[DiffusersPrior, Any]:
    unet = save_unconditional(tmp_path / "model", scheduler or _ddpm())
    prior = load_prior(save_prior_folder(tmp_path / "mine", **changes))
    assert isinstance(prior, DiffusersPrior)
    return prior, unet


def _text_to_image(tmp_path: Path, **changes: Any) -> tuple[DiffusersPrior, Any, Any]:
    unet, autoencoder = save_text_to_image(tmp_path / "model", _ddpm(clip_sample=False))
    prior = load_prior(save_prior_folder(tmp_path / "mine", **({"prompt": "red shoe"} | changes)))
    assert isinstance(prior, DiffusersPrior)
    return prior, unet, autoencoder


def _noise(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(3))


@torch.no_grad()
@pytest.mark.parametrize("make", [_ddpm, _ddim], ids=["ddpm", "ddim"])
@pytest.mark.parametrize("prediction_type", ["epsilon", "sample", "v_prediction"])
@pytest.mark.parametrize("schedule", ["linear", "scaled_linear", "squaredcos_cap_v2"])
def test_at_whole_levels_the_estimate_is_the_schedulers_own(
    make: Callable[..., Any], prediction_type: str, schedule: str, tmp_path: Path
) -> None:
    for clip in (False, True):
        scheduler = make(prediction_type=prediction_type, beta_schedule=schedule, clip_sample=clip)
        prior, unet = _unconditional(tmp_path / str(clip), scheduler)
        scheduler.set_timesteps(1000)
        for level in (0, 1, 17, 500, 980):
            x_t = _noise(2, 3, 8, 8)
            expected = scheduler.step(unet(x_t, level).sample, level, x_t).pred_original_sample
            t = prior.model.noise.time(torch.tensor([level, level])).float()
            found = prior.denoise(x_t, t).x_0_hat
            # Of noise, a prediction of noise tells the data only up to 1 / a.
            scale = float(scheduler.alphas_cumprod[level]) ** -0.5
            torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4 * scale)


def test_a_network_that_also_says_its_variance_is_read_without_it(tmp_path: Path) -> None:
    from diffusers import UNet2DModel

    _, unet = _unconditional(tmp_path)
    wide = UNet2DModel.from_config(dict(unet.config) | {"out_channels": 6})
    wide.save_pretrained(tmp_path / "model" / "unet")
    found = load_prior(tmp_path / "mine").denoise(_noise(2, 3, 8, 8), torch.tensor([0.3, 0.6]))
    assert found.x_0_hat.shape == (2, 3, 8, 8)


def test_a_network_saved_alone_with_its_scheduler_is_a_prior_too(tmp_path: Path) -> None:
    scheduler = _ddpm()
    prior, unet = _unconditional(tmp_path / "pipeline", scheduler)
    unet.save_pretrained(tmp_path / "alone" / "model")
    scheduler.save_pretrained(tmp_path / "alone" / "model")
    alone = load_prior(save_prior_folder(tmp_path / "alone" / "mine"))
    x_t, t = _noise(2, 3, 8, 8), torch.tensor([0.3, 0.6])
    assert torch.equal(alone.denoise(x_t, t).x_0_hat, prior.denoise(x_t, t).x_0_hat)


def test_the_features_are_the_middle_blocks_and_need_no_decoder(tmp_path: Path) -> None:
    prior, unet = _unconditional(tmp_path)
    heard: list[torch.Tensor] = []
    unet.mid_block.register_forward_hook(lambda _module, _inputs, output: heard.append(output))
    decoded: list[int] = []
    prior.model.unet.up_blocks[0].register_forward_hook(lambda *_: decoded.append(1))
    x_t, t = _noise(2, 3, 8, 8), prior.model.noise.time(torch.tensor([400, 400])).float()
    with torch.no_grad():
        unet(x_t, 400)
        found = prior.features(x_t, t)
        assert not decoded
        torch.testing.assert_close(found, mean_and_spread(heard[0]), rtol=1e-4, atol=1e-4)
        assert torch.equal(prior.denoise(x_t, t).features, found)
    assert found.shape == (2, prior.feature_dim)


def test_estimate_and_features_are_differentiable_in_x_and_t(tmp_path: Path) -> None:
    prior, _ = _unconditional(tmp_path, _ddpm(clip_sample=False))
    x_t, t = _noise(2, 3, 8, 8).requires_grad_(), torch.tensor([0.31, 0.62], requires_grad=True)
    for value in prior.denoise(x_t, t):
        for gradient in torch.autograd.grad(value.sum(), (x_t, t), retain_graph=True):
            assert torch.isfinite(gradient).all()
            assert float(gradient.abs().sum()) > 0.0


def test_threads_that_share_a_prior_hear_their_own_features(tmp_path: Path) -> None:
    prior, _ = _unconditional(tmp_path)
    t = torch.full((2,), 0.5)
    inputs = [_noise(2, 3, 8, 8) + i for i in range(4)]
    expected = [prior.features(x_t, t) for x_t in inputs]
    wrong: list[int] = []

    def listen(i: int) -> None:
        for step in range(10):
            x_t = inputs[i]
            found = prior.features(x_t, t) if step % 2 else prior.denoise(x_t, t).features
            if not torch.allclose(found, expected[i], atol=1e-5):
                wrong.append(i)

    threads = [threading.Thread(target=listen, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@torch.no_grad()
@pytest.mark.parametrize("guidance_scale", [0.0, 1.0, 7.5])
def test_guidance_is_the_pipelines_own(guidance_scale: float, tmp_path: Path) -> None:
    from diffusers import StableDiffusionPipeline
    from transformers import CLIPTextModel, CLIPTokenizer

    prior, unet, autoencoder = _text_to_image(
        tmp_path, guidance_scale=guidance_scale, negative_prompt="blue shoe"
    )
    scheduler, model = _ddpm(clip_sample=False, steps_offset=1), tmp_path / "model"
    pipeline = StableDiffusionPipeline(
        vae=autoencoder,
        text_encoder=CLIPTextModel.from_pretrained(model / "text_encoder").eval(),
        tokenizer=CLIPTokenizer.from_pretrained(model / "tokenizer"),
        unet=unet,
        scheduler=scheduler,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    positive, negative = pipeline.encode_prompt("red shoe", "cpu", 1, True, "blue shoe")
    assert not torch.allclose(positive, negative)
    x_t, level = _noise(2, 4, 8, 8), 300
    of_prompt, of_negative = (
        unet(x_t, level, text.expand(2, -1, -1)).sample for text in (positive, negative)
    )
    output = of_negative + guidance_scale * (of_prompt - of_negative)
    expected = scheduler.step(output, level, x_t).pred_original_sample
    t = prior.model.noise.time(torch.tensor([level, level])).float()
    torch.testing.assert_close(prior.denoise(x_t, t).x_0_hat, expected, rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_latents_become_images_as_the_pipeline_makes_them(tmp_path: Path) -> None:
    prior, _, autoencoder = _text_to_image(tmp_path)
    latents = _noise(2, 4, 8, 8)
    expected = autoencoder.decode(latents / autoencoder.config.scaling_factor).sample
    torch.testing.assert_close(prior.to_images(latents), expected)
    assert expected.shape == (2, 3, 16, 16)


def test_the_content_hash_names_files_prompt_and_scale(tmp_path: Path) -> None:
    prior, _, _ = _text_to_image(tmp_path)
    again = load_prior(save_prior_folder(tmp_path / "again", prompt="red shoe"))
    other = load_prior(save_prior_folder(tmp_path / "other", prompt="blue shoe"))
    weaker = load_prior(save_prior_folder(tmp_path / "weaker", prompt="red shoe", guidance_scale=2.0))
    assert again.content_hash == prior.content_hash
    assert len({prior.content_hash, other.content_hash, weaker.content_hash}) == 3
    weights = tmp_path / "model" / "unet" / "diffusion_pytorch_model.safetensors"
    tensors = {name: tensor + 1e-3 for name, tensor in load_file(weights).items()}
    save_file(tensors, weights)
    assert load_prior(tmp_path / "again").content_hash != prior.content_hash


def test_without_the_extra_the_error_says_how_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_unconditional(tmp_path / "model", _ddpm())
    folder = save_prior_folder(tmp_path / "mine")
    monkeypatch.setitem(sys.modules, "diffusers", None)
    with pytest.raises(FailedPrecondition, match=r"pip install 'active-preference-alignment\[diffusers\]'"):
        load_prior(folder)


def _truncate_weights(model: Path) -> None:
    path = model / "unet" / "diffusion_pytorch_model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])


def _drop_a_weight(model: Path) -> None:
    path = model / "unet" / "diffusion_pytorch_model.safetensors"
    tensors = load_file(path)
    del tensors["conv_in.weight"]
    save_file(tensors, path)


def _pickle_weights(model: Path) -> None:
    path = model / "unet" / "diffusion_pytorch_model.safetensors"
    torch.save(load_file(path), path.with_suffix(".bin"))
    path.unlink()


def _remove_scheduler(model: Path) -> None:
    (model / "scheduler" / "scheduler_config.json").unlink()


def _scramble_scheduler(model: Path) -> None:
    (model / "scheduler" / "scheduler_config.json").write_text("not what it was")


def _flow_scheduler(model: Path) -> None:
    from diffusers import FlowMatchEulerDiscreteScheduler

    FlowMatchEulerDiscreteScheduler().save_pretrained(model / "scheduler")


def _no_scheduler(model: Path) -> None:
    _change(model / "scheduler" / "scheduler_config.json", {"_class_name": "UNet2DModel"})


def _thresholding(model: Path) -> None:
    _change(model / "scheduler" / "scheduler_config.json", {"thresholding": True})


def _labels(model: Path) -> None:
    from diffusers import UNet2DModel

    config = json.loads((model / "unet" / "config.json").read_text())
    UNet2DModel.from_config(config | {"num_class_embeds": 3}).save_pretrained(model / "unet")


def _latents(model: Path) -> None:
    (model / "vqvae").mkdir()


def _another_network(model: Path) -> None:
    _change(model / "unet" / "config.json", {"_class_name": "UNet3DConditionModel"})


def _change(path: Path, changes: dict[str, object]) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize(
    ("damage", "error", "message"),
    [
        (_truncate_weights, DataLoss, "unet"),
        (_drop_a_weight, DataLoss, "conv_in.weight"),
        (_pickle_weights, DataLoss, "safetensors"),
        (_remove_scheduler, NotFound, "scheduler_config.json"),
        (_scramble_scheduler, DataLoss, "scheduler_config.json"),
        (_flow_scheduler, InvalidArgument, "alphas_cumprod"),
        (_no_scheduler, InvalidArgument, "UNet2DModel"),
        (_thresholding, InvalidArgument, "thresholding"),
        (_labels, InvalidArgument, "num_class_embeds"),
        (_latents, InvalidArgument, "latents"),
        (_another_network, InvalidArgument, "UNet3DConditionModel"),
    ],
)
def test_a_folder_that_no_prior_can_be_made_of_says_why(
    damage: Callable[[Path], None], error: type[Exception], message: str, tmp_path: Path
) -> None:
    _unconditional(tmp_path)
    damage(tmp_path / "model")
    with pytest.raises(error, match=message):
        load_prior(tmp_path / "mine")


def test_files_that_changed_since_they_were_taken_in_are_damage(tmp_path: Path) -> None:
    save_unconditional(tmp_path / "model", _ddpm())
    taken_in = files_sha256(tmp_path / "model")
    folder = save_prior_folder(tmp_path / "mine", files_sha256=taken_in)
    load_prior(folder)
    _change(tmp_path / "model" / "scheduler" / "scheduler_config.json", {"clip_sample": False})
    with pytest.raises(DataLoss, match=taken_in):
        load_prior(folder)


def test_a_prompt_goes_with_a_text_to_image_pipeline_only(tmp_path: Path) -> None:
    save_unconditional(tmp_path / "model", _ddpm())
    with pytest.raises(InvalidArgument, match="prompt"):
        load_prior(save_prior_folder(tmp_path / "mine", prompt="red shoe"))
    save_text_to_image(tmp_path / "text" / "model", _ddpm())
    with pytest.raises(InvalidArgument, match="prompt"):
        load_prior(save_prior_folder(tmp_path / "text" / "mine"))
    with pytest.raises(InvalidArgument, match="at most 10 tokens"):
        load_prior(save_prior_folder(tmp_path / "text" / "long", prompt="red shoe " * 10))


@pytest.mark.parametrize("part", ["vae", "text_encoder", "tokenizer"])
def test_a_missing_part_of_a_pipeline_is_named(part: str, tmp_path: Path) -> None:
    _text_to_image(tmp_path)
    (tmp_path / "model" / part).rename(tmp_path / "elsewhere")
    with pytest.raises(NotFound, match=f"no {part} in"):
        load_prior(tmp_path / "mine")


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="model"):
        load_prior(save_prior_folder(tmp_path / "mine"))
