"""The folder format: saving a prior, and loading one with every damage found and named.

The config holds the SHA-256 of the weights, which is also the prior's content hash: a truncated or flipped
file never loads, and an artifact fitted on a prior's features can name exactly which one. Nothing is ever
unpickled.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from pathlib import Path
from typing import Annotated, Literal

import torch
from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, TypeAdapter, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load as tensors_from_bytes
from safetensors.torch import save as tensors_to_bytes
from torch import Tensor

from apa.errors import DataLoss, FailedPrecondition, InvalidArgument, NotFound
from apa.prior_folders import CARD_FILE, CONFIG_FILE, WEIGHTS_FILE, read_card
from apa.priors.base import Prior
from apa.priors.catalogue import Catalogue
from apa.priors.catalogue_files import read_catalogue
from apa.priors.diffusers_folder import DiffusersConfig, content_hash, files_sha256, read_model
from apa.priors.diffusers_prior import DiffusersPrior
from apa.priors.gaussian_mixture import GaussianMixturePrior
from apa.priors.mlp import MLP, MLPConfig
from apa.priors.network import DenoiserNetwork, NetworkPrior, Preconditioning
from apa.priors.posterior_variance import PosteriorVariance
from apa.priors.schedule import VPSchedule
from apa.priors.unet import UNet, UNetConfig
from apa.records.prior_card import PriorCard


class _Kind(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _UNetModel(_Kind):
    kind: Literal["unet"] = "unet"
    network: UNetConfig
    data_mean: float
    data_std: float = Field(gt=0)


class _MLPModel(_Kind):
    kind: Literal["mlp"] = "mlp"
    network: MLPConfig
    data_mean: float
    data_std: float = Field(gt=0)


class _MixtureModel(_Kind):
    kind: Literal["gaussian_mixture"] = "gaussian_mixture"


class PriorConfig(_Kind):
    """`config.json`: all that is needed, with the weights, to make the prior again."""

    schema_version: Literal[1] = 1
    model: Annotated[_UNetModel | _MLPModel | _MixtureModel, Field(discriminator="kind")]
    noise_rate_min: float = Field(gt=0)
    noise_rate_max: float = Field(gt=0)
    weights_sha256: str = Field(pattern="^[0-9a-f]{64}$")
    posterior_variance: PosteriorVariance | None = None
    """What the integrator `analytic` adds; a prior without it samples by the others."""


class ConditionedConfig(_Kind):
    """`config.json` of one class of another prior, served under a name of its own."""

    schema_version: Literal[1] = 1
    kind: Literal["conditioned"] = "conditioned"
    path: str
    """The folder of the labelled prior; relative to this one unless absolute."""
    label: int | str
    """The class, by number or by its name on the labelled prior's card."""
    guidance_scale: float = Field(default=1.0, ge=0.0, allow_inf_nan=False)
    """0 is the labelled prior as a whole, 1 the class, more than 1 the class exaggerated."""


def save_prior(prior: Prior, folder: Path | str) -> None:
    """Write the prior's files into the folder, each replaced atomically; other files there are left alone.

    The weights come first and the config, which names their hash, after: a crash between the two is found at
    loading.
    """
    folder, model = Path(folder), _model_of(prior)
    folder.mkdir(parents=True, exist_ok=True)
    weights = tensors_to_bytes(_tensors_of(prior))
    config = PriorConfig(
        model=model,
        noise_rate_min=prior.schedule.noise_rate_min,
        noise_rate_max=prior.schedule.noise_rate_max,
        weights_sha256=hashlib.sha256(weights).hexdigest(),
        posterior_variance=prior.posterior_variance if isinstance(prior, NetworkPrior) else None,
    )
    write_atomically(folder / WEIGHTS_FILE, weights)
    write_atomically(folder / CONFIG_FILE, _json(config))
    write_atomically(folder / CARD_FILE, _json(prior.card))


def load_prior(folder: Path | str, device: torch.device | str = "cpu") -> Prior:
    """The prior of a folder, ready to denoise on the device.

    Raises:
        NotFound: a file is missing.
        DataLoss: a file is damaged; names the file, what was expected and what was found.
    """
    folder = Path(folder)
    card = read_card(folder)
    prior = _model_in(folder, card, device)
    if card.decoder == "catalogue":
        prior.catalogue = prior.catalogue or read_catalogue(folder)
        _check_catalogue(card, prior.catalogue)
    return prior


def save_adapted(folder: Path | str, config: ConditionedConfig | DiffusersConfig, card: PriorCard) -> None:
    """Write the folder of a prior whose weights stay where they are, in the folder that the config names."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / CONFIG_FILE, _json(config))
    write_atomically(folder / CARD_FILE, _json(card))


def _model_in(folder: Path, card: PriorCard, device: torch.device | str) -> Prior:
    config = _read_config(folder)
    if isinstance(config, ConditionedConfig):
        return _conditioned(folder, config, card, device)
    if isinstance(config, DiffusersConfig):
        return _diffusers(folder, config, card, device)
    tensors = _read_weights(folder, config.weights_sha256)
    schedule = VPSchedule(config.noise_rate_min, config.noise_rate_max)
    short_hash = short_content_hash(config)
    if isinstance(config.model, _MixtureModel):
        return _mixture_of(tensors, schedule, card, short_hash, device)
    network = (
        UNet(config.model.network) if isinstance(config.model, _UNetModel) else MLP(config.model.network)
    )
    _load_weights(network, tensors)
    _check_card(card, network)
    preconditioning = Preconditioning(schedule, config.model.data_mean, config.model.data_std)
    prior = NetworkPrior(network, preconditioning, card, short_hash, config.posterior_variance)
    return prior.to(device)


def record_posterior_variance(folder: Path | str, posterior_variance: PosteriorVariance) -> None:
    """Write it into the folder's config; the weights, and what was fitted on their features, stay.

    Raises:
        FailedPrecondition: the folder points to another prior, or its prior knows its own.
    """
    folder = Path(folder)
    config = _read_config(folder)
    if not isinstance(config, PriorConfig) or isinstance(config.model, _MixtureModel):
        raise FailedPrecondition(
            "this prior takes no table",
            field="prior",
            expected="the folder of a U-Net or an MLP",
            found=str(folder),
        )
    changed = config.model_copy(update={"posterior_variance": posterior_variance})
    write_atomically(folder / CONFIG_FILE, _json(changed))


def short_content_hash(config: PriorConfig) -> str:
    """The content hash that artifacts name: 64 bits of the weights' SHA-256, in hex.

    Of the weights and of what is read as features, where that is not the bottleneck that it once always was.
    """
    if isinstance(config.model, _MLPModel) and config.model.network.features != "bottleneck":
        named = f"{config.weights_sha256} {config.model.network.features}"
        return hashlib.sha256(named.encode()).hexdigest()[:16]
    return config.weights_sha256[:16]


def write_atomically(path: Path, content: bytes) -> None:
    """Replace a file by one that is complete and on disk, whoever else writes it at the same time."""
    partial = path.with_name(f"{path.name}.{os.getpid()}-{secrets.token_hex(4)}.partial")
    try:
        with partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def _model_of(prior: Prior) -> _UNetModel | _MLPModel | _MixtureModel:
    if isinstance(prior, GaussianMixturePrior):
        return _MixtureModel()
    if isinstance(prior, NetworkPrior):
        mean, std = prior.preconditioning.data_mean, prior.preconditioning.data_std
        if isinstance(prior.network, UNet):
            return _UNetModel(network=prior.network.config, data_mean=mean, data_std=std)
        if isinstance(prior.network, MLP):
            return _MLPModel(network=prior.network.config, data_mean=mean, data_std=std)
    raise InvalidArgument(
        "this kind of prior has no folder format",
        field="prior",
        expected="a U-Net, an MLP or a Gaussian mixture",
        found=type(prior).__name__,
    )


def _tensors_of(prior: Prior) -> dict[str, Tensor]:
    if isinstance(prior, GaussianMixturePrior):
        return prior.tensors()
    assert isinstance(prior, NetworkPrior)
    return {name: value.detach().cpu().contiguous() for name, value in prior.network.state_dict().items()}


def _mixture_of(
    tensors: dict[str, Tensor],
    schedule: VPSchedule,
    card: PriorCard,
    short_hash: str,
    device: torch.device | str,
) -> GaussianMixturePrior:
    try:
        means, variance, weights = (tensors[name].to(device) for name in ("means", "variance", "weights"))
    except KeyError as error:
        raise _damaged(WEIGHTS_FILE, "means, variance and weights", str(sorted(tensors))) from error
    prior = GaussianMixturePrior(means, variance, weights, schedule=schedule, card=card)
    assert prior.content_hash == short_hash
    return prior


def _conditioned(
    folder: Path, config: ConditionedConfig, card: PriorCard, device: torch.device | str
) -> Prior:
    base_folder = folder / config.path
    # Two folders that name each other would be followed for ever.
    if isinstance(_read_config(base_folder), ConditionedConfig):
        raise _damaged(CONFIG_FILE, "the folder of a labelled prior", config.path)
    base = load_prior(base_folder, device)
    prior = base.conditioned(config.label, config.guidance_scale)
    expected, found = _shape_of(prior.card), _shape_of(card)
    if expected != found:
        raise _damaged(CARD_FILE, f"data_shape and feature_dim {expected}, as at {config.path}", str(found))
    prior.card = card
    return prior


def _diffusers(folder: Path, config: DiffusersConfig, card: PriorCard, device: torch.device | str) -> Prior:
    path = folder / config.path
    if not path.is_dir():
        raise NotFound("no such diffusers folder", field="path", expected="a directory", found=str(path))
    files = files_sha256(path)
    if config.files_sha256 not in (None, files):
        raise _damaged(config.path, f"SHA-256 {config.files_sha256} over its files", files)
    model = read_model(path, config, device)
    expected, found = (model.data_shape, model.feature_dim), _shape_of(card)
    if expected != found:
        raise _damaged(CARD_FILE, f"data_shape and feature_dim {expected}, as at {config.path}", str(found))
    return DiffusersPrior(model, card, content_hash(files, config))


def _shape_of(card: PriorCard) -> tuple[tuple[int, ...], int]:
    return card.data_shape, card.feature_dim


def _kind_of(config: object) -> str:
    """Which class a `config.json` is of: a prior of our own has its kind inside `model`."""
    kind = config.get("kind", "own") if isinstance(config, dict) else "own"
    return str(kind)


_AnyConfig = PriorConfig | ConditionedConfig | DiffusersConfig
_CONFIGS: TypeAdapter[_AnyConfig] = TypeAdapter(
    Annotated[
        Annotated[PriorConfig, Tag("own")]
        | Annotated[ConditionedConfig, Tag("conditioned")]
        | Annotated[DiffusersConfig, Tag("diffusers")],
        Discriminator(_kind_of),
    ]
)


def _read_config(folder: Path) -> _AnyConfig:
    try:
        return _CONFIGS.validate_json(_read(folder / CONFIG_FILE))
    except ValidationError as error:
        raise _damaged(CONFIG_FILE, "a prior's config", str(error)) from error


def _read_weights(folder: Path, expected_sha256: str) -> dict[str, Tensor]:
    content = _read(folder / WEIGHTS_FILE)
    found = hashlib.sha256(content).hexdigest()
    if found != expected_sha256:
        raise _damaged(WEIGHTS_FILE, f"SHA-256 {expected_sha256}", f"{found} ({len(content)} bytes)")
    try:
        return tensors_from_bytes(content)
    except SafetensorError as error:
        raise _damaged(WEIGHTS_FILE, "safetensors", str(error)) from error


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise NotFound(
            "a file of the prior is missing", field="prior", expected=path.name, found=str(path.parent)
        ) from None


def _load_weights(network: DenoiserNetwork, tensors: dict[str, Tensor]) -> None:
    expected = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    found = {name: tuple(value.shape) for name, value in tensors.items()}
    differing = sorted(
        name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name)
    )
    if differing:
        name = differing[0]
        raise _damaged(WEIGHTS_FILE, f"{name} of shape {expected.get(name)}", str(found.get(name)))
    network.load_state_dict(tensors)


def _check_card(card: PriorCard, network: DenoiserNetwork) -> None:
    expected = (network.data_shape, network.feature_dim, network.num_classes)
    found = (card.data_shape, card.feature_dim, len(card.class_names))
    if expected != found:
        wanted = f"data_shape, feature_dim and number of classes {expected}, as in the config"
        raise _damaged(CARD_FILE, wanted, str(found))


def _check_catalogue(card: PriorCard, catalogue: Catalogue) -> None:
    expected = (len(catalogue), (catalogue.num_dims,))
    found = (card.num_items, card.data_shape)
    if expected != found:
        raise _damaged(CARD_FILE, f"num_items and data_shape {expected}, as in the catalogue", str(found))


def _json(model: BaseModel) -> bytes:
    return (json.dumps(model.model_dump(mode="json"), indent=2, ensure_ascii=False) + "\n").encode()


def _damaged(file: str, expected: str, found: str) -> DataLoss:
    return DataLoss("a file of the prior is damaged", field=file, expected=expected, found=found)
