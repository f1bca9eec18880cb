from __future__ import annotations

from pathlib import Path

import torch

from apa.prior_folders import WEIGHTS_FILE
from apa.priors.folder import load_prior, save_prior
from apa.priors.mlp import MLP, MLPConfig
from apa.priors.network import NetworkPrior, Preconditioning
from apa.priors.schedule import VPSchedule
from apa.records.prior_card import PriorCard
from trainer_worker.priors.half_precision import store_in_half


def test_half_the_bytes_give_nearly_the_same_denoiser_under_another_hash(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = MLP(MLPConfig(data_shape=(5,), width=64, num_blocks=1, feature_dim=16))
    torch.nn.init.normal_(network.out.weight, std=0.1)
    card = PriorCard(name="v", kind="vector", data_shape=(5,), decoder="none", feature_dim=16)
    save_prior(NetworkPrior(network, Preconditioning(VPSchedule(), 0.0, 1.0), card, ""), tmp_path)
    before, size = load_prior(tmp_path), (tmp_path / WEIGHTS_FILE).stat().st_size

    store_in_half(tmp_path)

    after = load_prior(tmp_path)
    x, t = torch.randn(8, 5), torch.rand(8)
    torch.testing.assert_close(after.denoise(x, t).x_0_hat, before.denoise(x, t).x_0_hat, atol=0.01, rtol=0.0)
    assert after.denoise(x, t).x_0_hat.dtype == torch.float32
    assert (tmp_path / WEIGHTS_FILE).stat().st_size < 0.6 * size
    assert after.content_hash != before.content_hash
