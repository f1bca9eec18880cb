"""Small `diffusers` folders with random weights, as the library itself writes them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from apa.priors.diffusers_folder import DiffusersConfig
from apa.priors.folder import save_adapted
from apa.records.prior_card import PriorCard

WORDS = ("red", "blue", "shoe")


def small_unet() -> Any:
    from diffusers import UNet2DModel

    with torch.random.fork_rng():
        torch.manual_seed(0)
        return UNet2DModel(
            sample_size=8,
            in_channels=3,
            out_channels=3,
            block_out_channels=(8, 16),
            layers_per_block=1,
            down_block_types=("DownBlock2D", "AttnDownBlock2D"),
            up_block_types=("AttnUpBlock2D", "UpBlock2D"),
            norm_num_groups=4,
            attention_head_dim=4,
        ).eval()


def save_unconditional(path: Path, scheduler: Any) -> Any:
    """A `DDPMPipeline` folder; the network comes back."""
    unet = small_unet()
    unet.save_pretrained(path / "unet")
    scheduler.save_pretrained(path / "scheduler")
    return unet


def save_text_to_image(path: Path, scheduler: Any) -> tuple[Any, Any]:
    """A Stable Diffusion folder of latents (4, 8, 8) and images (3, 16, 16); its U-Net and autoencoder."""
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel

    with torch.random.fork_rng():
        torch.manual_seed(0)
        unet = UNet2DConditionModel(
            sample_size=8,
            in_channels=4,
            out_channels=4,
            block_out_channels=(8, 16),
            layers_per_block=1,
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
            norm_num_groups=4,
            attention_head_dim=4,
            cross_attention_dim=16,
        ).eval()
        autoencoder = AutoencoderKL(
            in_channels=3,
            out_channels=3,
            latent_channels=4,
            block_out_channels=(8, 8),
            layers_per_block=1,
            norm_num_groups=4,
            down_block_types=("DownEncoderBlock2D", "DownEncoderBlock2D"),
            up_block_types=("UpDecoderBlock2D", "UpDecoderBlock2D"),
        ).eval()
        num_tokens = _save_tokenizer(path / "tokenizer")
        encoder = CLIPTextModel(
            CLIPTextConfig(
                vocab_size=num_tokens,
                bos_token_id=num_tokens - 2,
                eos_token_id=num_tokens - 1,
                hidden_size=16,
                intermediate_size=16,
                num_hidden_layers=1,
                num_attention_heads=2,
                max_position_embeddings=10,
            )
        )
    unet.save_pretrained(path / "unet")
    autoencoder.save_pretrained(path / "vae")
    encoder.save_pretrained(path / "text_encoder")
    scheduler.save_pretrained(path / "scheduler")
    return unet, autoencoder


def save_prior_folder(folder: Path, **changes: Any) -> Path:
    """A prior folder that points to `../model`."""
    latent = changes.get("prompt") is not None
    card = PriorCard(
        name=folder.name,
        kind="latent" if latent else "image",
        data_shape=(4, 8, 8) if latent else (3, 8, 8),
        decoder="png",
        feature_dim=32,
    )
    save_adapted(folder, DiffusersConfig(path="../model", **changes), card)
    return folder


def _save_tokenizer(folder: Path) -> int:
    """A CLIP tokenizer of single letters and three words; the number of its tokens."""
    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    tokens = [*letters, *(letter + "</w>" for letter in letters)]
    merges: list[str] = []
    for word in WORDS:
        built = word[0]
        for i, letter in enumerate(word[1:], start=2):
            ended = letter + "</w>" if i == len(word) else letter
            merges.append(f"{built} {ended}")
            built += ended
            tokens.append(built)
    tokens = list(dict.fromkeys([*tokens, "<|startoftext|>", "<|endoftext|>"]))
    folder.mkdir(parents=True)
    (folder / "vocab.json").write_text(json.dumps({token: i for i, token in enumerate(tokens)}))
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *merges]) + "\n")
    config = {"tokenizer_class": "CLIPTokenizer", "model_max_length": 10, "pad_token": "<|endoftext|>"}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    return len(tokens)
