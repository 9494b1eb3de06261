from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxloss
from tests import cases
from tests.cases import LOGITS, MASSES, Case, Limit
from tests.compiling import jit
from tests.losses.classification.test_cross_entropy import dense, dense_grid, dense_terms, formula


def _relevance(rng, shape, sizes=cases.SIZES):
    return rng.integers(0, 4, shape).astype(np.float32)


CASES = [
    Case(
        fn=jaxloss.ranking_softmax_loss,
        form=jaxloss.RankingSoftmaxLoss,
        arrays={"logits": LOGITS, "labels": replace(MASSES, draw=_relevance, tolerated=True)},
        oracle=dense,
        formula=formula,
        bad_options=cases.BAD_AXES,
        call={"reduce_fn": None},
        grid=dense_grid,
        value=Limit(scaled=6),
        gradient=Limit(scaled=6),
        second=Limit(scaled=8),
        terms=dense_terms,
        gradient_terms=lambda x, y: (1,),
        second_terms=lambda x, y: (1,),
    )
]


def _inputs():
    rng = np.random.default_rng(0)
    items = rng.uniform(size=(6, 5)) < 0.7
    items[2] = False
    return *(draw(rng, (6, 5)) for draw in (cases.normal, _relevance, cases.positive)), items


SCORES, RELEVANCE, WEIGHTS, ITEMS = _inputs()


@pytest.mark.parametrize("reduce_fn", [jnp.mean, jnp.sum, None])
@pytest.mark.parametrize("where", [None, ITEMS])
@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_the_answers_are_optaxs(reduce_fn, where, weights):
    options = {"reduce_fn": reduce_fn, "where": where, "weights": weights}
    both = []
    for f in (jaxloss.ranking_softmax_loss, optax.losses.ranking_softmax_loss):
        loss = lambda x, f=f: f(x, RELEVANCE, **options)
        both.append(jit(lambda x, loss=loss: (loss(x), jax.grad(lambda x: loss(x).sum())(x)))(SCORES))
    # optax multiplies a relevance of 0 by the score of minus infinity that it has put where an item is masked.
    if where is None:
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5), *both)
    else:
        np.testing.assert_allclose(both[0][0], both[1][0], rtol=1e-5)
        assert np.isfinite(both[0][1]).all()


def test_masked_items_are_inert_and_lists_without_one_are_in_no_mean():
    spoiled = [np.where(ITEMS, a, np.nan) for a in (SCORES, RELEVANCE, WEIGHTS)]
    loss = jaxloss.RankingSoftmaxLoss()
    value = loss(spoiled[0], spoiled[1], item_weights=spoiled[2], where=ITEMS)
    np.testing.assert_allclose(value, loss(SCORES, RELEVANCE, item_weights=WEIGHTS, where=ITEMS), rtol=1e-6)
    losses = jaxloss.ranking_softmax_loss(*spoiled[:2], weights=spoiled[2], where=ITEMS, reduce_fn=None)
    assert losses[2] == 0
    np.testing.assert_allclose(value, losses.sum() / 5, rtol=1e-6)
    assert jaxloss.ranking_softmax_loss(SCORES, RELEVANCE, where=np.zeros((6, 5), bool)) == 0


def test_what_reduces_is_a_function():
    with pytest.raises(TypeError, match="ranking_softmax_loss: reduce_fn must be a function"):
        jaxloss.ranking_softmax_loss(SCORES, RELEVANCE, reduce_fn="mean")
