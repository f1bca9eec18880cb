from __future__ import annotations

import torch

from tests.apa.surrogates.toys import ToyPrior, draw
from trainer_worker.fit import FeatureCache
from trainer_worker.fit.encode import LEVELS, NUM_DRAWS, encode_items


def test_an_items_features_do_not_depend_on_its_company() -> None:
    prior = ToyPrior()
    x = draw(prior, 6)
    together, alone = encode_items(prior, x, 3), encode_items(prior, x[4:5], 3)
    torch.testing.assert_close(together.clean[4:5], alone.clean)
    torch.testing.assert_close(together.noised[:, :, 4:5], alone.noised)


def test_levels_run_from_noise_to_data() -> None:
    prior = ToyPrior()
    x = draw(prior, 1).expand(1, 3)
    noised = encode_items(prior, x, 0).noised
    assert noised.shape == (len(LEVELS) - 2, NUM_DRAWS, 1, 5)
    assert not torch.equal(encode_items(prior, x, 1).noised, noised)


def test_a_refit_encodes_only_the_new_items() -> None:
    prior, cache = ToyPrior(), FeatureCache()
    x = draw(prior, 12)
    cache(prior, x[:8], 0)
    before = prior.encoded
    cached = cache(prior, x, 0)
    per_item = 1 + (len(LEVELS) - 2) * NUM_DRAWS
    assert prior.encoded - before == 4 * per_item
    torch.testing.assert_close(cached, encode_items(prior, x, 0))


def test_the_cache_is_bounded_and_right_even_when_it_is_too_small() -> None:
    prior, cache = ToyPrior(), FeatureCache(max_bytes=1000)
    x = draw(prior, 10)
    torch.testing.assert_close(cache(prior, x, 0), encode_items(prior, x, 0))
    assert 0 < cache.num_bytes <= 1000
    torch.testing.assert_close(cache(prior, x, 0), encode_items(prior, x, 0))


def test_users_who_were_shown_the_same_item_share_its_clean_features_only() -> None:
    prior, cache = ToyPrior(), FeatureCache()
    x = draw(prior, 6)
    cache(prior, x[:4], 1)
    before = prior.encoded
    both = cache.of_users(prior, x, [1, 1, 2, 2, 1, 2])
    per_noise = (len(LEVELS) - 2) * NUM_DRAWS
    assert prior.encoded - before == 2 + 4 * per_noise
    for rows, seed in (([0, 1, 4], 1), ([2, 3, 5], 2)):
        alone = encode_items(prior, x[rows], seed)
        torch.testing.assert_close(both.clean[rows], alone.clean)
        torch.testing.assert_close(both.noised[:, :, rows], alone.noised)


def test_another_prior_does_not_get_this_ones_features() -> None:
    cache = FeatureCache()
    x = draw(ToyPrior(), 2)
    cache(ToyPrior(), x, 0)
    other = ToyPrior(content_hash="other")
    cache(other, x, 0)
    assert other.encoded > 0
