from dataclasses import replace

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest

import jaxloss
from tests import cases
from tests.cases import INF, LOGITS, Case, Limit
from tests.compiling import quick
from tests.losses.classification.test_cross_entropy import log_softmax

LOSSES = replace(LOGITS, ends=(0.0, 17.0, 100.0, -100.0, 1e18, 1e30, INF), impossible=INF, hard=None)


def _joint(losses, logits):
    return [w - x for x, w in zip(losses, log_softmax(logits), strict=True)]


def nll(losses, logits):
    return -mp.log(mp.fsum(mp.exp(a) for a in _joint(losses, logits)))


def formula(losses, logits):
    return -jax.scipy.special.logsumexp(jax.nn.log_softmax(logits) - losses, -1)


def rows():
    """Weights of any spread, and losses that decide for a component, against it, or for none."""
    rng = np.random.default_rng(3)
    logits = [row for row in cases.logit_rows() if np.abs(row[np.isfinite(row)]).max() < 1e3]
    losses = [rng.normal(3, 10.0 ** (i % 4 - 2), len(row)).astype(np.float32) for i, row in enumerate(logits)]
    for i, (row, weights) in enumerate(zip(losses, logits, strict=True)):
        some = rng.integers(len(row))
        if i % 5 == 0 and np.isfinite(weights[np.arange(len(row)) != some]).any():
            row[some] = INF
    return losses, logits


def _likely(losses, logits):
    """The two parts of the largest term."""
    best = max(range(len(losses)), key=lambda k: _joint(losses, logits)[k])
    return losses[best], log_softmax(logits)[best]


def _shares(losses, logits):
    """The weights and the responsibilities."""
    joint = _joint(losses, logits)
    total = mp.fsum(mp.exp(a) for a in joint)
    return [mp.exp(w) for w in log_softmax(logits)], [mp.exp(a) / total for a in joint]


def bends(losses, logits):
    weights, responsible = _shares(losses, logits)
    return {"component_losses": responsible, "weight_logits": [*weights, *responsible]}


CASES = [
    Case(
        fn=jaxloss.mixture_nll,
        form=jaxloss.MixtureNLL,
        arrays={"component_losses": LOSSES, "weight_logits": LOGITS},
        oracle=nll,
        formula=formula,
        bad_options=cases.BAD_AXES,
        grid=rows,
        value=Limit(scaled=6),
        gradient={"component_losses": Limit(scaled=6), "weight_logits": Limit(scaled=6)},
        second={"component_losses": Limit(scaled=8), "weight_logits": Limit(scaled=8)},
        terms=_likely,
        gradient_terms=lambda losses, logits: {"weight_logits": [v for x in _shares(losses, logits) for v in x]},
        slope_terms=lambda x, w: {"weight_logits": jax.nn.softmax(w) + jax.nn.softmax(w - x)},
        second_terms=bends,
        nonnegative=False,
    )
]


def test_the_slopes_are_the_responsibilities_and_what_the_weights_lack_of_them():
    x, w = np.float32([[1.0, 3.0, 0.2]]), np.float32([[0.3, 2.0, -1.0]])
    slopes = quick(jax.grad(lambda x, w: jaxloss.mixture_nll(x, w).sum(), (0, 1)))(x, w)
    weights = np.exp(w) / np.exp(w).sum()
    responsible = weights * np.exp(-x) / (weights * np.exp(-x)).sum()
    np.testing.assert_allclose(slopes[0], responsible, rtol=1e-6)
    np.testing.assert_allclose(slopes[1], weights - responsible, rtol=1e-5)


def test_what_is_impossible_or_has_no_weight_is_as_if_it_were_not_there():
    x, w = np.float32([1.0, 3.0]), np.float32([0.3, 2.0])
    step = quick(jax.value_and_grad(jaxloss.mixture_nll, (0, 1)))
    plain, slopes = step(x, w)
    for loss in (5.0, INF, -INF):
        value, more = step(np.append(x, np.float32(loss)), np.append(w, -np.float32(INF)))
        np.testing.assert_allclose(value, plain, rtol=1e-7)
        for a, b in zip(more, slopes, strict=True):
            np.testing.assert_allclose(a, np.append(b, 0), rtol=1e-6, atol=1e-7)
    value, more = step(np.append(x, np.float32(INF)), np.append(w, np.float32(1)))
    weight = np.exp(w).sum() / (np.exp(w).sum() + np.e)
    np.testing.assert_allclose(value, plain - np.log(weight), rtol=1e-6)
    assert more[0][2] == 0
    np.testing.assert_allclose(more[1][2], 1 - weight, rtol=1e-6)


def test_where_nothing_is_possible_the_loss_is_infinite_without_slopes():
    step = quick(jax.value_and_grad(jaxloss.mixture_nll, (0, 1)))
    value, slopes = step(np.float32([INF, INF]), np.float32([0, 1]))
    assert value == INF
    assert not np.isnan(slopes).any()
    assert not slopes[0].any()


def test_a_component_may_be_left_out():
    x, w = np.float32([[1.0, 3.0, 0.2]]), np.float32([[0.3, 2.0, -1.0]])
    got = jaxloss.mixture_nll(x, w, where=np.array([[True, False, True]]))
    np.testing.assert_allclose(got, jaxloss.mixture_nll(x[:, ::2], w[:, ::2]), rtol=1e-6)


def test_the_values_are_scikit_learns():
    mixture = pytest.importorskip("sklearn.mixture")
    rng = np.random.default_rng(0)
    t = rng.normal(0, 3, 100).astype(np.float32)
    model = mixture.GaussianMixture(3, random_state=0).fit(t[:, None])
    means, variance = (np.float32(v.reshape(1, 3)) for v in (model.means_, model.covariances_))
    along = lambda x: jnp.broadcast_to(x, (100, 3))
    components = jaxloss.gaussian_nll(along(means), along(t[:, None]), variance=along(variance), full=True)
    got = jaxloss.mixture_nll(components, along(np.log(np.float32(model.weights_))[None]))
    np.testing.assert_allclose(got, -model.score_samples(t[:, None]), rtol=2e-5)
