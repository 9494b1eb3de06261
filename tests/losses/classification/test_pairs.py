from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxloss
from tests import cases
from tests.cases import REALS, SIGNS, Case, Limit

# No difference of these scores is a margin; kinks have a test of their own.
SCORES = replace(REALS, hard=cases.choice(lambda: cases.reals() + np.float32(0.37)))
BAD = {"margin": ("wide", np.nan, np.ones(3, np.float32))}


def _pairs():
    """Both scores of every size, and such that nearly have the margin."""
    x, y = cases.product(cases.reals() + np.float32(0.37), [-1.0, 1.0])
    rng = np.random.default_rng(13)
    other = np.where(np.arange(len(x)) % 2, np.float32(0), x + rng.normal(0, 0.5, len(x))).astype(np.float32)
    return x, other, y


CASES = [
    Case(
        fn=jaxloss.margin_ranking_loss,
        form=jaxloss.MarginRankingLoss,
        arrays={"first": SCORES, "second": REALS, "order": SIGNS},
        oracle=lambda x, other, y, margin=0: max(0, margin - y * (x - other)),
        options={"margin": 0.75},
        bad_options=BAD,
        grid=_pairs,
        value=Limit(scaled=1),
        gradient={"first": Limit(strict=0), "second": Limit(strict=0)},
        second={"first": Limit(strict=0), "second": Limit(strict=0)},
        terms=lambda x, other, y, margin: (x, other, margin),
    ),
    Case(
        fn=jaxloss.hinge_embedding_loss,
        form=jaxloss.HingeEmbeddingLoss,
        arrays={"distances": SCORES, "targets": SIGNS},
        oracle=lambda d, y, margin=1: d if y > 0 else max(0, margin - d),
        options={"margin": 0.75},
        bad_options=BAD,
        grid=lambda: cases.product(cases.reals() + np.float32(0.37), [-1.0, 1.0]),
        value=Limit(strict=1),
        gradient=Limit(strict=0),
        second=Limit(strict=0),
        nonnegative=False,
    ),
]


@pytest.mark.parametrize("y", [-1.0, 1.0])
def test_the_slopes_are_0_at_the_kinks(y):
    slopes = jax.grad(lambda x, z: jaxloss.margin_ranking_loss(x, z, order=y, margin=0.5), (0, 1))
    assert slopes(0.5 * y, 0.0) == (0, 0)
    assert slopes(0.5 * y - y * 2.0**-20, 0.0) == (-y, y)
    assert jax.grad(lambda d: jaxloss.hinge_embedding_loss(d, -1.0))(1.0) == 0


def test_an_infinite_distance_is_far_enough():
    d, y = jnp.array([jnp.inf, jnp.inf]), jnp.array([1.0, -1.0])
    losses, slopes = jax.vjp(lambda d: jaxloss.hinge_embedding_loss(d, y), d)
    np.testing.assert_array_equal(losses, [jnp.inf, 0])
    np.testing.assert_array_equal(slopes(jnp.ones(2))[0], [1, 0])
