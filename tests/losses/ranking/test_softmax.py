import inspect
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given
from hypothesis import strategies as st

import jaxloss
from tests import cases
from tests.cases import LOGITS, MASSES, Case, Limit
from tests.losses.classification.test_cross_entropy import dense, dense_grid, dense_terms
from tests.random_calls import few


def _relevance(rng, shape, sizes=cases.SIZES):
    return rng.integers(0, 4, shape).astype(np.float32)


def formula(x, y):
    """In float64, with a slope of exactly 0 for a list of one item: the sum of relevances is not 1."""
    return -jnp.sum(y * jax.nn.log_softmax(x, -1), -1)


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
        noise=1.0,  # the slopes are differences of probabilities and relevances
    )
]


def _inputs():
    rng = np.random.default_rng(0)
    items = rng.uniform(size=(6, 5)) < 0.7
    items[2] = False
    return *(draw(rng, (6, 5)) for draw in (cases.normal, _relevance, cases.positive)), items


SCORES, RELEVANCE, WEIGHTS, ITEMS = _inputs()


def test_the_answers_are_optaxs():
    """Random lists, whole and masked in part."""

    @few
    @given(
        st.integers(0, 2**31),
        st.sampled_from([(5,), (4, 3), (2, 3, 6)]),
        st.sampled_from([jnp.mean, jnp.sum, None]),
        st.booleans(),
        st.booleans(),
    )
    def check(seed, shape, reduce_fn, weighted, masked):
        rng = np.random.default_rng(seed)
        x, y = cases.normal(rng, shape), _relevance(rng, shape)
        options = {"reduce_fn": reduce_fn}
        options |= {"weights": cases.positive(rng, shape)} if weighted else {}
        options |= {"where": jnp.asarray(rng.uniform(size=shape) < 0.7)} if masked else {}
        both = []
        for f in (jaxloss.ranking_softmax_loss, optax.losses.ranking_softmax_loss):
            slope = jax.grad(lambda x, f=f: f(x, y, **options).sum())
            both.append((np.asarray(f(x, y, **options)), np.asarray(slope(x))))
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-5), *both)

    check()


def test_what_differs_from_optax():
    """It multiplies a relevance of 0 by a score of minus infinity."""
    x, y = jnp.array([0.0, -jnp.inf, 1.0]), jnp.array([1.0, 0.0, 0.0])
    np.testing.assert_allclose(jaxloss.ranking_softmax_loss(x, y), np.log1p(np.e), rtol=1e-6)
    assert np.isnan(optax.losses.ranking_softmax_loss(x, y))


def test_masked_items_are_inert_and_lists_without_one_are_in_no_mean():
    spoiled = [np.where(ITEMS, a, np.nan) for a in (SCORES, RELEVANCE, WEIGHTS)]
    loss = jaxloss.RankingSoftmaxLoss()
    value = loss(spoiled[0], spoiled[1], item_weights=spoiled[2], where=ITEMS)
    np.testing.assert_allclose(value, loss(SCORES, RELEVANCE, item_weights=WEIGHTS, where=ITEMS), rtol=1e-6)
    losses = jaxloss.ranking_softmax_loss(*spoiled[:2], weights=spoiled[2], where=ITEMS, reduce_fn=None)
    assert losses[2] == 0
    np.testing.assert_allclose(value, losses.sum() / 5, rtol=1e-6)
    assert jaxloss.ranking_softmax_loss(SCORES, RELEVANCE, where=np.zeros((6, 5), bool)) == 0


def test_the_losses_of_a_form_are_those_of_the_lists():
    losses = jaxloss.RankingSoftmaxLoss().losses(SCORES, RELEVANCE, item_weights=WEIGHTS)
    expected = jaxloss.ranking_softmax_loss(SCORES, RELEVANCE, weights=WEIGHTS, reduce_fn=None)
    np.testing.assert_array_equal(losses, expected)


def test_the_default_that_the_signature_prints_is_the_mean():
    """What binds arguments, as checkers of types do, passes the default that it reads there."""
    bound = inspect.signature(jaxloss.ranking_softmax_loss).bind(SCORES, RELEVANCE, where=ITEMS)
    bound.apply_defaults()
    assert "reduce_fn: 'Callable[..., Any] | None' = jnp.mean" in str(bound.signature)
    expected = jaxloss.ranking_softmax_loss(SCORES, RELEVANCE, where=ITEMS)
    assert jaxloss.ranking_softmax_loss(*bound.args, **bound.kwargs) == expected
    bound.arguments["where"] = np.zeros((6, 5), bool)
    assert jaxloss.ranking_softmax_loss(*bound.args, **bound.kwargs) == 0


def test_what_reduces_is_a_function():
    with pytest.raises(TypeError, match="ranking_softmax_loss: reduce_fn must be a function"):
        jaxloss.ranking_softmax_loss(SCORES, RELEVANCE, reduce_fn="mean")
