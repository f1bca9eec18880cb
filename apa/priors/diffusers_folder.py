"""Reading a `diffusers` folder: which parts it has, that they are whole, and what they were trained to do.

Nothing is downloaded and nothing unpickled. `diffusers` is imported only here, and only when a folder asks
for it: it is an extra, and takes seconds.
"""

from __future__ import annotations

import hashlib
import importlib
import json
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, get_args

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from apa.errors import ApaError, DataLoss, FailedPrecondition, InvalidArgument, NotFound
from apa.priors.diffusers_prior import DiffusersModel, OutputReading, PredictionType, Prompt
from apa.priors.noise_table import NoiseTable

INSTALL = "pip install 'active-preference-alignment[diffusers]'"
_TEXT_PARTS = ("vae", "text_encoder", "tokenizer")
_HASHED = {".json", ".safetensors", ".txt"}


class DiffusersConfig(BaseModel):
    """`config.json` of a prior that is a `diffusers` folder."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = 1
    kind: Literal["diffusers"] = "diffusers"
    path: str
    """The `diffusers` folder; relative to the prior's unless absolute."""
    prompt: str | None = None
    """For a text-to-image pipeline, which needs one."""
    negative_prompt: str = ""
    """What guidance leads away from."""
    guidance_scale: float = Field(default=7.5, ge=0.0, allow_inf_nan=False)
    """0 is the negative prompt, 1 the prompt, more exaggerates it."""
    files_sha256: str | None = Field(default=None, pattern="^[0-9a-f]{64}$")
    """Of the folder's files when it was taken in: another is damage. None accepts what is there."""


def files_sha256(path: Path) -> str:
    """One digest of the files that a model is made of: weights, configs and vocabularies, by name."""
    digest = hashlib.sha256()
    for part in _parts_of(path):
        for file in sorted(f for f in part.iterdir() if f.suffix in _HASHED and f.is_file()):
            with file.open("rb") as content:
                found = hashlib.file_digest(content, "sha256").hexdigest()
            digest.update(f"{file.relative_to(path).as_posix()} {found}\n".encode())
    return digest.hexdigest()


def content_hash(files: str, config: DiffusersConfig) -> str:
    """The prior's: of its files, its prompts and its scale, 64 bits in hex."""
    asked = (
        [config.prompt, config.negative_prompt, config.guidance_scale] if config.prompt is not None else []
    )
    return hashlib.sha256(f"{files} {json.dumps(asked)}".encode()).hexdigest()[:16]


def read_model(path: Path, config: DiffusersConfig, device: torch.device | str = "cpu") -> DiffusersModel:
    """The parts of a `diffusers` folder on the device.

    Raises:
        FailedPrecondition: the extra is not installed.
        NotFound: a part is missing.
        DataLoss: a part is damaged.
        InvalidArgument: it is of a kind that no prior can be made of; says which are.
    """
    diffusers = _imported("diffusers")
    unet_folder = _part(path, "unet")
    class_name = _config_of(unet_folder, "config.json").get("_class_name")
    if class_name not in ("UNet2DModel", "UNet2DConditionModel"):
        raise _unknown("unet", "UNet2DModel or UNet2DConditionModel", str(class_name))
    takes_text = class_name == "UNet2DConditionModel"
    _check_prompt(config, takes_text)
    if takes_text:
        _require(path, _TEXT_PARTS)
    elif (path / "vqvae").is_dir() or (path / "vae").is_dir():
        raise _unknown("vae", "an unconditional network on images", "one on latents")
    # Without its quicker loading, for which diffusers would want one more package.
    unet = _network(getattr(diffusers, class_name), unet_folder, low_cpu_mem_usage=False)
    _check_unet(unet.config)
    noise, reading = _read_scheduler(diffusers, _part(path, "scheduler"))
    if not takes_text:
        return DiffusersModel(unet, noise, reading).to(device)
    autoencoder = _network(diffusers.AutoencoderKL, path / "vae", low_cpu_mem_usage=False)
    prompt = _embedded(path, config)
    _check_fit(unet.config, autoencoder.config, prompt)
    return DiffusersModel(unet, noise, reading, prompt, autoencoder).to(device)


def _imported(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise FailedPrecondition(
            f"a prior of kind diffusers needs the package {name}",
            field="prior",
            expected=INSTALL,
            found=str(error),
        ) from error


def _part(path: Path, name: str) -> Path:
    """The folder of a part; a model saved alone has everything in one."""
    return path / name if (path / name).is_dir() else path


def _parts_of(path: Path) -> list[Path]:
    parts = {_part(path, name) for name in ("unet", "scheduler")}
    return sorted(parts | {path / name for name in _TEXT_PARTS if (path / name).is_dir()})


def _require(path: Path, parts: Sequence[str]) -> None:
    missing = [name for name in parts if not (path / name).is_dir()]
    if missing:
        raise NotFound(
            "a part of the text-to-image pipeline is missing",
            field="path",
            expected=", ".join(f"{name}/" for name in parts),
            found=f"no {', '.join(missing)} in {path}",
        )


def _config_of(folder: Path, file: str) -> dict[str, Any]:
    try:
        config = json.loads((folder / file).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise NotFound("not a diffusers folder", field="path", expected=file, found=str(folder)) from None
    except ValueError as error:
        raise _damaged(folder / file, "JSON", error) from error
    if not isinstance(config, dict):
        raise _damaged(folder / file, "an object", type(config).__name__)
    return config


def _network(kind: Any, folder: Path, **options: Any) -> Any:
    """A network with all of its weights; the libraries would fill in missing ones at random."""
    try:
        loaded = kind.from_pretrained(
            folder, local_files_only=True, use_safetensors=True, output_loading_info=True, **options
        )
    # Loaders of other people's: what they raise is not documented, and one bad folder must stop no server.
    except Exception as error:
        raise _damaged(folder, f"a {kind.__name__} with its weights as safetensors", error) from error
    network, info = loaded
    wrong = sorted(map(str, [*info["missing_keys"], *info["mismatched_keys"]]))
    if wrong:
        raise _damaged(folder, "every weight of the network", f"{len(wrong)} missing, e.g. {wrong[0]}")
    return network


def _read_scheduler(diffusers: ModuleType, folder: Path) -> tuple[NoiseTable, OutputReading]:
    """The noise path and the kind of output; which sampler the folder prefers does not matter here."""
    name = _config_of(folder, "scheduler_config.json").get("_class_name")
    kind = getattr(diffusers, str(name), None)
    if not (isinstance(kind, type) and issubclass(kind, diffusers.SchedulerMixin)):
        raise _unknown("scheduler", "a scheduler of diffusers", str(name))
    try:
        scheduler: Any = kind.from_pretrained(folder, local_files_only=True)  # type: ignore[attr-defined]
    except Exception as error:
        raise _damaged(folder, "a scheduler's config", error) from error
    alphas_cumprod = getattr(scheduler, "alphas_cumprod", None)
    if not isinstance(alphas_cumprod, Tensor):
        raise _unknown("scheduler", "one with alphas_cumprod, such as DDPM or DDIM", str(name))
    config = scheduler.config
    prediction_type = config.get("prediction_type", "epsilon")
    if prediction_type not in get_args(PredictionType):
        raise _unknown("prediction_type", " or ".join(get_args(PredictionType)), str(prediction_type))
    if config.get("thresholding", False):
        raise _unknown("thresholding", "False: it makes one particle's estimate no function of x_t", "True")
    clip = float(config.get("clip_sample_range", 1.0)) if config.get("clip_sample", False) else None
    return NoiseTable.of(alphas_cumprod), OutputReading(prediction_type, clip)


@torch.no_grad()
def _embedded(path: Path, config: DiffusersConfig) -> Prompt:
    """Both texts embedded; the text encoder is not needed again."""
    transformers = _imported("transformers")
    class_name = (_config_of(path / "text_encoder", "config.json").get("architectures") or [None])[0]
    if class_name != "CLIPTextModel":
        raise _unknown("text_encoder", "CLIPTextModel", str(class_name))
    encoder = _network(transformers.CLIPTextModel, path / "text_encoder").float().eval()
    try:
        tokenizer = transformers.CLIPTokenizer.from_pretrained(path / "tokenizer", local_files_only=True)
    except Exception as error:
        raise _damaged(path / "tokenizer", "a CLIPTokenizer", error) from error
    assert config.prompt is not None
    positive = _embedding(encoder, tokenizer, config.prompt, "prompt")
    negative = _embedding(encoder, tokenizer, config.negative_prompt, "negative_prompt")
    return Prompt(positive, negative, config.guidance_scale)


def _embedding(encoder: Any, tokenizer: Any, text: str, field: str) -> Tensor:
    """(1, L, E)."""
    length = min(tokenizer.model_max_length, encoder.config.max_position_embeddings)
    tokens = tokenizer(text, padding="max_length", max_length=length, return_tensors="pt")
    if tokens.input_ids.shape[1] > length:
        raise InvalidArgument(
            "the text is too long for the text encoder",
            field=field,
            expected=f"at most {length} tokens",
            found=str(tokens.input_ids.shape[1]),
        )
    masked = getattr(encoder.config, "use_attention_mask", False)
    embedded: Tensor = encoder(tokens.input_ids, attention_mask=tokens.attention_mask if masked else None)[0]
    return embedded


def _check_prompt(config: DiffusersConfig, takes_text: bool) -> None:
    if takes_text != (config.prompt is not None):
        raise InvalidArgument(
            "the prompt does not fit the network",
            field="prompt",
            expected="a text for a text-to-image pipeline"
            if takes_text
            else "none for an unconditional network",
            found="none" if config.prompt is None else "a text",
        )


def _check_unet(config: Any) -> None:
    """What the network must not ask for, because a prior has only x_t, t and a prompt to give."""
    for option in ("class_embed_type", "num_class_embeds", "addition_embed_type", "encoder_hid_dim_type"):
        if config.get(option) is not None:
            raise _unknown(option, "a network of x_t, t and at most one text", str(config[option]))
    if config.get("time_embedding_type", "positional") != "positional":
        raise _unknown("time_embedding_type", "positional", str(config["time_embedding_type"]))
    if config.get("time_cond_proj_dim") is not None:
        raise _unknown(
            "time_cond_proj_dim", "a network that was not distilled with its guidance", "one that was"
        )
    if config.get("mid_block_type") is None:
        raise _unknown("mid_block_type", "a middle block, whose activations are the features", "none")
    if config.get("sample_size") is None:
        raise _unknown("sample_size", "the size that the network was trained at", "none")
    if config["out_channels"] not in (config["in_channels"], 2 * config["in_channels"]):
        channels = f"{config['in_channels']} in, {config['out_channels']} out"
        raise _unknown("out_channels", "as many as in_channels, or twice with a variance", channels)


def _check_fit(unet: Any, autoencoder: Any, prompt: Prompt) -> None:
    if unet["in_channels"] != autoencoder["latent_channels"]:
        expected = f"{autoencoder['latent_channels']}, the autoencoder's latent_channels"
        raise _unknown("in_channels", expected, str(unet["in_channels"]))
    width = unet["cross_attention_dim"]
    if isinstance(width, int) and prompt.positive.shape[-1] != width:
        raise _unknown("cross_attention_dim", f"{prompt.positive.shape[-1]}, the text encoder's", str(width))


def _unknown(field: str, expected: str, found: str) -> ApaError:
    return InvalidArgument(
        "no prior can be made of this diffusers folder", field=field, expected=expected, found=found
    )


def _damaged(part: Path, expected: str, found: object) -> ApaError:
    lines = str(found).strip().splitlines() or [type(found).__name__]
    return DataLoss(
        "a part of the diffusers folder is damaged", field=part.name, expected=expected, found=lines[0][:300]
    )
