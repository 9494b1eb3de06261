from dataclasses import replace

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np

import jaxloss
from tests import cases
from tests.cases import LOGITS, MASSES, Case, Limit


def poly(x, y, epsilon=2):
    exponentials = [mp.exp(v) for v in x]
    p = [e / mp.fsum(exponentials) for e in exponentials]
    return mp.fsum(m * (epsilon * (1 - q) - mp.log(q)) for m, q in zip(y, p, strict=True) if m)


def formula(x, y, epsilon=2.0):
    log_p = jax.nn.log_softmax(x)
    return jnp.sum(y * (-log_p + epsilon * (1 - jnp.exp(log_p))), -1)


def distributed():
    rng, rows = np.random.default_rng(11), cases.logit_rows()
    return rows, [np.where(np.isinf(x), 0, cases.distribution(rng, (len(x),))).astype(np.float32) for x in rows]


def one_hot():
    """Confident rows: the label is the highest or the lowest class that is not absent."""
    rows = [x for x in cases.logit_rows() if np.ptp(x[np.isfinite(x)]) < 80]
    best = [np.argmax(x) if i % 2 else np.argmin(np.where(np.isinf(x), np.inf, x)) for i, x in enumerate(rows)]
    return rows, [np.eye(len(x), dtype=np.float32)[t] for x, t in zip(rows, best, strict=True)]


def _case(grid=None, name="", terms=None, **options):
    return Case(
        fn=jaxloss.poly_loss_cross_entropy,
        form=jaxloss.PolyLossCrossEntropy,
        arrays={"logits": LOGITS, "labels": replace(MASSES, tolerated=True)},
        oracle=poly,
        formula=formula,
        options=options,
        bad_options={"epsilon": ("some", np.nan, np.ones(2, np.float32)), **cases.BAD_AXES},
        grid=grid,
        value=Limit(scaled=6),
        gradient=Limit(scaled=8),
        second=Limit(scaled=8 if terms else 32),
        gradient_terms=terms,
        second_terms=terms,
        name=name,
    )


def soft_terms(*_, **__):
    """The slope is a difference of probabilities that sum to 1, as that of the cross-entropy is."""
    return [mp.mpf(1)]


CASES = [_case(distributed, terms=soft_terms), _case(one_hot, "poly one-hot", epsilon=-1.0), _case(epsilon=0.5)]


def test_epsilon_of_0_is_the_cross_entropy():
    rng = np.random.default_rng(0)
    x, y = cases.normal(rng, (16, 5)), cases.distribution(rng, (16, 5))
    losses = jaxloss.poly_loss_cross_entropy(x, y, epsilon=0.0)
    np.testing.assert_allclose(losses, jaxloss.softmax_cross_entropy(x, y), rtol=1e-6)


def test_without_its_first_term_a_confident_example_keeps_its_loss():
    """Of 1 - p = q the loss is q^2 / 2, where minus the logarithm of p less q would be rounding."""
    x, y = jnp.array([[12.0, 0.0]]), jnp.array([[1.0, 0.0]])
    q = np.exp(-12.0) / (1 + np.exp(-12.0))
    value, slope = jax.value_and_grad(lambda x: jaxloss.poly_loss_cross_entropy(x, y, epsilon=-1.0)[0])(x)
    np.testing.assert_allclose(value, -np.log1p(-q) - q, rtol=1e-3)
    np.testing.assert_allclose(value, q * q / 2, rtol=1e-4)
    np.testing.assert_allclose(slope, [[-q * q, q * q]], rtol=1e-4)
