from dataclasses import replace

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest

import jaxloss
from tests import cases
from tests.cases import REALS, Case, Domain, Limit
from tests.compiling import quick

# Distribution function and survival function, neither as 1 less the other.
LAWS = {
    "logit": (lambda z: 1 / (1 + mp.exp(-z)), lambda z: 1 / (1 + mp.exp(z))),
    "probit": (lambda z: mp.erfc(-z / mp.sqrt(2)) / 2, lambda z: mp.erfc(z / mp.sqrt(2)) / 2),
    "cloglog": (lambda z: -mp.expm1(-mp.exp(z)), lambda z: mp.exp(-mp.exp(z))),
}


def nll(x, label, cutpoints, link="logit"):
    below, above = LAWS[link]
    label = int(label)
    if label == 0:
        return -mp.log(below(cutpoints[0] - x))
    low = cutpoints[label - 1] - x
    if label == len(cutpoints):
        return -mp.log(above(low))
    high = cutpoints[label] - x
    return -mp.log(above(low) - above(high) if low + high > 0 else below(high) - below(low))


def _pieces(x, label, cutpoints, link):
    """The density at either cutpoint, and its derivative, over the probability of the class."""
    label, p = int(label), mp.exp(-nll(x, label, cutpoints, link))
    ends = [cutpoints[i] - x for i in (label - 1, label) if 0 <= i < len(cutpoints)]
    f = lambda z, n: abs(mp.diff(LAWS[link][0] if z < 0 else LAWS[link][1], z, n)) / p
    return [f(z, 1) for z in ends], [f(z, 2) for z in ends]


def gradient_terms(x, label, cutpoints, link="logit"):
    first, second = _pieces(x, label, cutpoints, link)
    # The density of the last law is an exponential of an exponential, whose rounding it multiplies: by as much as its
    # own slope is larger.
    return [*first, *second] if link == "cloglog" else first


def second_terms(x, label, cutpoints, link="logit"):
    """Along a direction whose numbers are up to 2."""
    first, second = _pieces(x, label, cutpoints, link)
    return [2 * term for term in (*second, *(a * a for a in first))]


def grid():
    """Classes from narrow to wide, at the score and to both sides of it, in the tails too; and the outer classes.

    No Gaussian tail outside is so small that its last digits are subnormal, which XLA takes for 0.
    """
    found = []
    for width in (1e-6, 1e-4, 0.01, 0.3, 1, 4, 22):
        for middle in (0, 1e-3, 0.4, 1, 3, 8, 25):
            for sign in (-1, 1):
                low = np.float32(sign * middle - width / 2)
                high = np.float32(max(low + np.float32(width), np.nextafter(low, np.float32(np.inf))))
                found += [(0.0, label, np.float32([low, high])) for label in (0, 1, 2)]
                found.append((0.7, 1, np.float32([low, high])))
    return tuple(zip(*found, strict=True))


def increasing(rng, shape, sizes=cases.SIZES):
    return np.cumsum(rng.gamma(1.0, 1.0, shape) + 0.05, -1).astype(np.float32) - 2


def hard(rng, shape, sizes):
    return np.cumsum(10.0 ** rng.uniform(-3, 1, shape), -1).astype(np.float32) - 2


CUTPOINTS = Domain(increasing, "...k", hard=hard, alone=(-100.0, -1e30, -np.inf), outside=(1e9, np.nan))
LABELS = Domain(
    lambda rng, shape, sizes: rng.integers(0, sizes["k"] + 1, shape).astype(np.int32),
    outside=(-1, -7, 10**6),
    differentiable=False,
)


def _case(link, **more):
    return Case(
        fn=jaxloss.cumulative_link_nll,
        form=jaxloss.CumulativeLinkNLL,
        arrays={
            # Without extremes: the exponential of the exponential of such a number is beyond mpmath.
            "predictions": replace(REALS, extremes=()) if link == "cloglog" else REALS,
            "labels": LABELS,
            "cutpoints": more.pop("cutpoints", CUTPOINTS),
        },
        oracle=nll,
        options={"link": link},
        bad_options={"link": ("cauchit", 1, None)},
        **more,
    )


CASES = [
    _case(
        link,
        grid=grid,
        value=Limit(strict=6),
        gradient={"predictions": Limit(scaled=6), "cutpoints": Limit(scaled=6)},
        second={"predictions": Limit(scaled=8), "cutpoints": Limit(scaled=8)},
        gradient_terms=gradient_terms,
        second_terms=second_terms,
    )
    for link in LAWS
]
CASES.append(_case("logit", cutpoints=CUTPOINTS.over("k"), name="cumulative_link_nll,shared"))


@pytest.mark.parametrize("link", LAWS)
def test_the_probabilities_of_all_classes_sum_to_one(link):
    rng = np.random.default_rng(0)
    x, cutpoints = cases.normal(rng, (20, 1)), increasing(rng, (4,))
    labels = np.broadcast_to(np.arange(5), (20, 5))
    loss = quick(lambda x: jaxloss.cumulative_link_nll(x, labels, cutpoints=cutpoints, link=link))
    losses = loss(np.broadcast_to(x, (20, 5)))
    np.testing.assert_allclose(jnp.exp(-losses).sum(1), 1, rtol=1e-5)


@pytest.mark.parametrize("link", LAWS)
def test_an_infinite_cutpoint_leaves_a_class_without_probability(link):
    cutpoints = jnp.float32([-np.inf, 0.5, np.inf])
    x = jnp.float32([0.3, 0.3])
    loss = lambda x, c, first: jaxloss.cumulative_link_nll(x, np.int32([first, first + 1]), cutpoints=c, link=link)
    np.testing.assert_array_equal(loss(x, cutpoints, 1), loss(x, cutpoints[1:2], 0))
    slope, of_cutpoints = jax.grad(lambda x, c: loss(x, c, 1).sum(), (0, 1))(x, cutpoints)
    expected, of_cutpoint = jax.grad(lambda x, c: loss(x, c, 0).sum(), (0, 1))(x, cutpoints[1:2])
    np.testing.assert_array_equal(slope, expected)
    np.testing.assert_array_equal(of_cutpoints, [0, *of_cutpoint, 0])
    assert loss(x, cutpoints, 0)[0] == loss(x, cutpoints, 2)[1] == np.inf
    assert jaxloss.cumulative_link_nll(0.3, 1, cutpoints=cutpoints[::2], link=link) == 0


def test_the_answers_are_those_of_statsmodels():
    ordinal = pytest.importorskip("statsmodels.miscmodels.ordinal_model")
    rng = np.random.default_rng(2)
    features, weights = rng.normal(size=(200, 2)), np.array([0.7, -1.2])
    labels = np.digitize(features @ weights + rng.logistic(size=200), [-1, 0.5, 2])
    for link, distr in (("logit", "logit"), ("probit", "probit")):
        model = ordinal.OrderedModel(labels, features, distr=distr)
        # Its parameters are the slopes, the first cutpoint, and the logarithms of the steps.
        parameters = np.array([*weights, -1.0, *np.log([1.5, 1.5])])
        losses = jaxloss.cumulative_link_nll(
            np.float32(features @ weights), labels.astype(np.int32), cutpoints=np.float32([-1, 0.5, 2]), link=link
        )
        np.testing.assert_allclose(losses.sum(), -model.loglike(parameters), rtol=1e-5)
