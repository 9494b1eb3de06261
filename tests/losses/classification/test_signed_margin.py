from dataclasses import replace

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest

import jaxloss
from tests import cases
from tests.cases import LOG_ODDS, REALS, SIGNS, Case, Limit

# No score of these lies on a kink, 0 or 1, of which there are tests of their own below.
SCORES = replace(REALS, hard=cases.choice(lambda: cases.reals() + np.float32(0.37)))


def _case(fn, form, oracle, scores=SCORES, grid=None, **limits):
    grid = grid or (lambda: cases.product(cases.reals() + np.float32(0.37), [-1.0, 1.0]))
    return Case(
        fn=fn,
        form=form,
        arrays={"predictor_outputs": scores, "targets": SIGNS},
        oracle=oracle,
        grid=grid,
        **{"value": Limit(strict=1), "gradient": Limit(strict=1), "second": Limit(strict=0), **limits},
    )


CASES = [
    _case(jaxloss.hinge_loss, jaxloss.HingeLoss, lambda f, y: max(0, 1 - y * f)),
    _case(
        jaxloss.squared_hinge_loss,
        jaxloss.SquaredHingeLoss,
        lambda f, y: max(0, 1 - y * f) ** 2,
        value=Limit(strict=2),
    ),
    _case(jaxloss.perceptron_loss, jaxloss.PerceptronLoss, lambda f, y: max(0, -y * f)),
    _case(
        jaxloss.soft_margin_loss,
        jaxloss.SoftMarginLoss,
        lambda f, y: mp.log1p(mp.exp(-y * f)),
        LOG_ODDS,
        lambda: cases.product(cases.logits(), [-1.0, 1.0]),
        value=Limit(strict=3),
        gradient=Limit(strict=3),
        second=Limit(strict=4),
    ),
]


@pytest.mark.parametrize("y", [-1.0, 1.0])
@pytest.mark.parametrize(
    ("fn", "kink"), [(jaxloss.hinge_loss, 1.0), (jaxloss.squared_hinge_loss, 1.0), (jaxloss.perceptron_loss, 0.0)]
)
def test_the_slope_is_0_at_the_kink_and_that_of_either_side_next_to_it(fn, kink, y):
    slope = jax.grad(lambda f: fn(f, y))
    assert slope(kink * y) == 0
    assert slope((kink + 2.0**-20) * y) == 0
    assert slope((kink - 2.0**-20) * y) * y < 0
    assert jax.grad(slope)(kink * y) == 0


def test_the_slope_does_not_jump_where_the_hinge_is_squared():
    slope = jax.grad(lambda f: jaxloss.squared_hinge_loss(f, 1.0))
    assert slope(1 - 2.0**-20) == -(2.0**-19)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_an_infinite_output_costs_nothing_or_everything(case):
    x, agree = jnp.array([jnp.inf, -jnp.inf]), jnp.array([1.0, -1.0])
    losses, slopes = jax.value_and_grad(lambda x, y: case.fn(x, y).sum(), (0, 1))(x, agree)
    assert losses == 0
    for slope in slopes:
        np.testing.assert_array_equal(slope, [0, 0])
    np.testing.assert_array_equal(case.fn(x, -agree), [jnp.inf, jnp.inf])


def test_targets_of_0_and_1_are_no_signs():
    losses = jaxloss.hinge_loss(jnp.array([0.5, 0.5]), jnp.array([0, 1]))
    np.testing.assert_array_equal(losses, [jnp.nan, 0.5])


def test_the_soft_margin_is_the_binary_cross_entropy():
    x = cases.logits()
    for y in (-1.0, 1.0):
        losses = jaxloss.soft_margin_loss(x, np.full_like(x, y))
        np.testing.assert_array_equal(losses, jaxloss.sigmoid_binary_cross_entropy(x, np.full_like(x, (1 + y) / 2)))
