from dataclasses import replace

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest

import jaxloss
from tests import cases, ulp
from tests.cases import LOG_ODDS, LOG_RATES, RATES, Case, Domain, Limit
from tests.compiling import optimized, quick

LOG_INPUT = {"log_input": (1, "yes")}
AMOUNTS = Domain(
    cases.positive, hard=cases.choice(lambda: [1e-3, 0.2, 1, 2, 30, 1e3]), ends=(1e-10, 1e8), outside=(0.0, -1.0)
)
WITH_ZEROS = replace(AMOUNTS, ends=(0.0, 1e-10, 1e8), outside=(-1.0,))


def tweedie(x, t, power, log_input=True):
    m, p = (mp.exp(x) if log_input else x), power
    if p == 0:
        return (t - m) ** 2
    if p == 1:
        return 2 * ((t * mp.log(t / m) if t else 0) - t + m)
    if p == 2:
        return 2 * (mp.log(m / t) + t / m - 1)
    a, b = 1 - p, 2 - p
    own = t**b if t > 0 or p > 1 else 0
    return 2 * (own / (a * b) - t * m**a / a + m**b / b)


def gamma(x, t, log_input=True):
    return tweedie(x, t, 2, log_input)


def tweedie_terms(x, t, power, log_input=True):
    """The powers: divided, as in the formula, they are far larger near a power of 1 or 2."""
    m, p = (mp.exp(x) if log_input else x), power
    return 2 * m ** (2 - p), 2 * t * m ** (1 - p), 2 * t ** (2 - p)


def tweedie_slopes(x, t, power, log_input=True):
    m, p = (mp.exp(x) if log_input else x), power
    in_x = (2 * m ** (2 - p), 2 * t * m ** (1 - p)) if log_input else (2 * m ** (1 - p), 2 * t * m**-p)
    return {"predictions": in_x, "targets": (2 * m ** (1 - p), 2 * t ** (1 - p))}


def tweedie_curves(x, t, power, log_input=True):
    m, p = (mp.exp(x) if log_input else x), power
    across = 2 * m ** (1 - p) if log_input else 2 * m**-p
    in_x = (m * (2 - p) * across, (1 - p) * t * across) if log_input else (across, p * t * across / m)
    return {"predictions": (*in_x, across), "targets": (across, 2 * t**-p)}


def log_means(targets=(1e-6, 0.01, 1, 2.5, 40, 1e4, 1e8)):
    """Every target under log-means far from it, close to it, and closer."""
    pairs = [(x, t) for t in targets for x in (-20, -3, -0.5, 1e-4, 0.7, 3, 9, 18)]
    gaps = (0, 1e-7, 1e-4, 1e-2, 0.1, 0.4, 0.9, 1.6, 2.5)
    pairs += [(np.log(t) + s * d, t) for t in targets for s in (-1, 1) for d in gaps]
    return np.array(pairs, np.float32).T


def means():
    x, t = log_means()
    return np.exp(x.astype(np.float64)).astype(np.float32), t


def _tweedie(power, log_input=True, **more):
    targets = WITH_ZEROS if power < 2 else AMOUNTS
    predictions = LOG_RATES if log_input else replace(RATES, hard=AMOUNTS.hard)
    options = {"power": power} if log_input else {"power": power, "log_input": False}
    return Case(
        **{
            "fn": jaxloss.tweedie_deviance,
            "form": jaxloss.TweedieDeviance,
            "arrays": {"predictions": predictions, "targets": targets},
            "oracle": tweedie,
            "options": options,
            "bad_options": {"power": (0.5, 1e-3, "compound", np.ones(2, np.float32), True), **LOG_INPUT},
            "grid": log_means if log_input else means,
            "value": Limit(scaled=6),
            "gradient": {"predictions": Limit(scaled=6), "targets": Limit(scaled=6)},
            "second": {"predictions": Limit(scaled=8), "targets": Limit(scaled=8)},
            "terms": tweedie_terms,
            "gradient_terms": tweedie_slopes,
            "second_terms": tweedie_curves,
            "steep": () if log_input else (0.0, float(np.float32(1e-30))),
            "held": 2,  # a form near the best prediction and another far from it
        }
        | more
    )


def _gamma(log_input=True):
    case = _tweedie(2.0, log_input)
    of_two = lambda terms: lambda x, t, **options: terms(x, t, 2, **options)
    return replace(
        case,
        held=1,
        fn=jaxloss.gamma_deviance,
        form=jaxloss.GammaDeviance,
        oracle=gamma,
        options={} if log_input else {"log_input": False},
        bad_options=LOG_INPUT,
        value=Limit(scaled=6),
        terms=lambda x, t, **_: (2,),
        gradient={"predictions": Limit(scaled=6), "targets": Limit(scaled=6)},
        gradient_terms=lambda x, t, **o: (
            tweedie_slopes(x, t, 2, **o) | {"targets": (2 / t, 2 / mp.exp(x) if o.get("log_input", True) else 2 / x)}
        ),
        second_terms=of_two(tweedie_curves),
    )


# ------------------------------------------------------------------------------------------------------- binomial


def binomial(x, y, n):
    p, q = 1 / (1 + mp.exp(-x)), 1 / (1 + mp.exp(x))
    part = lambda k, share: (k * mp.log(k / (n * share)) if share else mp.inf) if k else mp.mpf(0)
    return 2 * (part(y, p) + part(n - y, q))


def logits_and_counts():
    logits = [-100, -40, -9, -2, -0.3, 0, 1e-3, 0.8, 5, 30, 90]
    trials = [(1, 0.25), (7, 3), (1000, 1), (1000, 400), (1e8, 1), (1e8, 3e7), (3, 1e-4)]
    points = [(x, y, n) for x in logits for n, y in trials]
    gaps = (0, 1e-7, 1e-4, 1e-2, 0.3, 0.49, 0.51, 1.2)
    points += [(np.log(y / (n - y)) + s * d, y, n) for n, y in trials for s in (-1, 1) for d in gaps]
    return np.array(points, np.float32).T


def binomial_terms(x, y, n):
    """Near the best logit the numbers of both outcomes, which the logit's last bit moves; elsewhere its law's terms."""
    near = abs(x - (mp.log(y) - mp.log(n - y))) < 0.45
    return (y, n - y) if near else (2 * y * mp.log(y / n), 2 * (n - y) * mp.log((n - y) / n))


def binomial_slopes(x, y, n):
    p, q = 1 / (1 + mp.exp(-x)), 1 / (1 + mp.exp(x))
    in_y = 2 * x, 2 * mp.log(y), 2 * mp.log(n - y)
    return {"logits": (2 * n * p, 2 * y), "targets": in_y, "total_count": (2 * mp.log((n - y) / n), 2 * mp.log(q))}


def binomial_curves(x, y, n):
    p, q = 1 / (1 + mp.exp(-x)), 1 / (1 + mp.exp(x))
    of_m = 1 / (n - y)
    return {
        "logits": (2 * n * p * q, 2, 2 * p),
        "targets": (2, 2 / y, 2 * of_m),
        "total_count": (2 * p, 2 * of_m, 2 / n),
    }


SHARES = Domain(
    lambda rng, shape, sizes: rng.integers(0, 3, shape).astype(np.float32),
    hard=cases.choice(lambda: [0.5, 1, 2]),
    ends=(0.0, 1.0, 0.25),
    outside=(-1.0, 1e9),
)
TRIALS = Domain(
    lambda rng, shape, sizes: rng.integers(2, 9, shape).astype(np.float32),
    hard=cases.choice(lambda: [2, 3, 40, 1e4]),
    ends=(2.0, 1e8),
    outside=(0.0, -1.0),
)

CASES = [
    _tweedie(1.0),
    _tweedie(2.0),
    _tweedie(1.0 + 2.0**-20),
    _tweedie(2.0 - 2.0**-13),
    _tweedie(1.25, False),
    _tweedie(3.0, False),
    _tweedie(3.0),
    _tweedie(-1.5),
    _tweedie(0.0),
    _tweedie(1.5),
    _tweedie(1.5, False),
    _gamma(),
    _gamma(False),
    Case(
        fn=jaxloss.binomial_deviance,
        form=jaxloss.BinomialDeviance,
        held=3,  # a form near the best prediction and others far from it, whose logarithms are stored
        arrays={"logits": LOG_ODDS, "targets": SHARES, "total_count": TRIALS},
        oracle=binomial,
        grid=logits_and_counts,
        value=Limit(scaled=6),
        gradient={name: Limit(scaled=6) for name in ("logits", "targets", "total_count")},
        second={name: Limit(scaled=8) for name in ("logits", "targets", "total_count")},
        terms=binomial_terms,
        gradient_terms=binomial_slopes,
        second_terms=binomial_curves,
    ),
]


# ------------------------------------------------------------------------------------------------- special points


POWERS = [-2.0, 0.0, 1.0, 1.0 + 1e-6, 1.3, 2.0 - 1e-6, 2.0, 2.0 + 1e-6, 2.7, 3.0]


def test_the_slope_in_the_power_is_that_of_the_formula_across_one_and_two():
    mp.mp.dps = 60
    points = [(x, t) for t in (0.3, 2.0, 50.0) for x in (-2.0, 0.7, 0.75, 4.0)]
    x, t = np.array(points, np.float32).T
    loss = lambda x, t, p: jaxloss.tweedie_deviance(x, t, power=p)
    both = optimized(jax.vmap(jax.value_and_grad(lambda x, t, p: jax.grad(loss, 2)(x, t, p), 2), (0, 0, None)))
    for power in POWERS:
        first, second = both(x, t, np.float32(power))
        for i, (a, b) in enumerate(zip(map(float, x), map(float, t), strict=True)):
            f = lambda p, a=a, b=b: tweedie(mp.mpf(a), mp.mpf(b), p)
            p = mp.mpf(float(np.float32(power)))
            h = mp.mpf(10) ** -15
            up, middle, down = f(p + h), (f(p + h / 2) + f(p - h / 2)) / 2, f(p - h)
            np.testing.assert_allclose(first[i], float((up - down) / (2 * h)), rtol=2e-5, err_msg=f"{a} {b} {power}")
            curve = (up + down - 2 * middle) / (h * h) * 4 / 3
            np.testing.assert_allclose(second[i], float(curve), rtol=1e-4, err_msg=f"{a} {b} {power}")


def test_a_power_of_zero_is_the_squared_error_of_any_numbers():
    x, t = np.float32([-3, 0, 2, 1e-3]), np.float32([-1, 2, 0, 1e-3])
    loss = lambda x, t: jaxloss.tweedie_deviance(x, t, power=0.0, log_input=False)
    np.testing.assert_allclose(quick(loss)(x, t), (x - t) ** 2, rtol=1e-6)
    in_x, in_t = quick(jax.grad(lambda x, t: loss(x, t).sum(), (0, 1)))(x, t)
    np.testing.assert_allclose(in_x, 2 * (x - t), rtol=1e-6)
    np.testing.assert_allclose(in_t, 2 * (t - x), rtol=1e-6)
    hessian = quick(jax.vmap(jax.hessian(loss)))(x, t)
    np.testing.assert_allclose(hessian, 2, rtol=1e-6)


def test_no_law_has_a_power_between_zero_and_one():
    assert np.isnan(quick(lambda p: jaxloss.tweedie_deviance(0.5, 1.0, power=p))(0.5))
    with pytest.raises(ValueError, match="power must be at most 0 or at least 1"):
        jaxloss.TweedieDeviance(power=0.3)


def test_scikit_learn():
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(0)
    t, m = rng.gamma(2, 2, 30).astype(np.float32), rng.gamma(2, 2, 30).astype(np.float32)
    run = quick(lambda m, t, p: jaxloss.tweedie_deviance(m, t, power=p, log_input=False).mean())
    for power in (-2.0, -0.5, 0.0, 1.0, 1.3, 1.7, 2.0, 2.5, 3.0, 4.0):
        targets = [t] if power >= 2 else [t, np.where(t < 2, 0, t)]
        targets += [t - 5] if power <= 0 else []
        for own in map(np.float32, targets):
            truth = metrics.mean_tweedie_deviance(np.float64(own), np.float64(m), power=power)
            np.testing.assert_allclose(run(m, own, np.float32(power)), truth, rtol=2e-6)
    truth = metrics.mean_gamma_deviance(np.float64(t), np.float64(m))
    np.testing.assert_allclose(jaxloss.GammaDeviance(log_input=False)(m, t), truth, rtol=2e-6)
    y, logits = rng.integers(0, 2, 30), m - 4
    truth = 2 * metrics.log_loss(y, 1 / (1 + np.exp(-np.float64(logits))))
    np.testing.assert_allclose(jaxloss.BinomialDeviance()(logits, y), truth, rtol=2e-6)


def test_the_deviance_of_the_best_logit_is_nothing():
    y, n = np.float32([1, 3, 30, 1e6]), np.float32([2, 7, 31, 3e6])
    best = np.log(np.float64(y) / (n - y)).astype(np.float32)
    losses, slopes = quick(
        jax.vmap(jax.value_and_grad(lambda x, y, n: jaxloss.binomial_deviance(x, y, total_count=n)))
    )(best, y, n)
    assert (losses >= 0).all()
    assert (losses < 1e-13 * n).all()
    assert (np.abs(slopes) < 1e-6 * n).all()


def test_of_labels_it_is_twice_the_cross_entropy():
    mp.mp.dps = ulp.DIGITS
    x, y, n = (np.float32(v).ravel() for v in np.meshgrid([-100, -70, -3, 0, 0.4, 9, 80], [0, 1], [1, 5, 1e8]))
    losses = optimized(lambda x, y, n: jaxloss.binomial_deviance(x, y * n, total_count=n))(x, y, n)
    for at in zip(x, y, n, losses, strict=True):
        truth = 2 * ulp.exact(at[2]) * mp.log1p(mp.exp(ulp.exact(at[0]) * (1 - 2 * int(at[1]))))
        assert ulp.ulps(at[3], truth) <= 4, at


def test_statsmodels():
    families = pytest.importorskip("statsmodels.genmod.families")
    y, n, x = np.float32([0, 3, 7, 7]), np.float32([5, 7, 7, 9]), np.float32([-1, 0.5, 2, 3])
    truth = families.Binomial().resid_dev(y / n, 1 / (1 + np.exp(-np.float64(x)))) ** 2 * n
    np.testing.assert_allclose(jaxloss.binomial_deviance(x, y, total_count=n), truth, rtol=1e-5)


def test_more_successes_than_trials_are_outside():
    loss = lambda x, n: jaxloss.binomial_deviance(x, jnp.float32([3, 3]), total_count=n)
    value, slopes = quick(jax.value_and_grad(lambda x, n: jnp.nansum(loss(x, n)), (0, 1)))(
        jnp.float32([0.5, 0.5]), jnp.float32([2, 4])
    )
    assert np.isnan(loss(jnp.zeros(2), jnp.float32([2, 4]))).tolist() == [True, False]
    assert np.isfinite(value)
    for slope in slopes:
        assert slope[0] == 0
        assert np.isfinite(slope).all()
