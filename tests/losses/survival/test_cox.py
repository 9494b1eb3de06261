from dataclasses import replace

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest
from jax.sharding import PartitionSpec as P

import jaxloss
from tests import cases
from tests.cases import Case, Domain, Limit
from tests.compiling import optimized, quick


def partial_likelihood(x, times, events, strata=None, entry=None, ties="efron"):
    """By its definition: for each event its risk set and its ties, in quadratic time."""
    n, e = range(len(x)), [mp.exp(v) for v in x]
    strata, entry = strata or [0] * len(x), entry or [-mp.inf] * len(x)
    losses = [mp.mpf(0)]
    for i in n:
        if events[i]:
            risk = [j for j in n if strata[j] == strata[i] and times[j] >= times[i] > entry[j]]
            tied = [j for j in risk if events[j] and times[j] == times[i]]
            whole, own = mp.fsum(e[j] for j in risk), mp.fsum(e[j] for j in tied)
            shares = [mp.mpf(rank) / len(tied) if ties == "efron" else 0 for rank in range(len(tied))]
            losses.append(mp.fsum(mp.log(whole - share * own) for share in shares) / len(tied) - x[i])
    return mp.fsum(losses)


def _without_strata(x, times, events, entry, **options):
    return partial_likelihood(x, times, events, entry=entry, **options)


def _drawn(low, high):
    return lambda rng, shape, sizes: rng.integers(low, high, shape).astype(np.int32)


def _ranks(shape):
    """The order of the samples in time, the first of which is the last one."""
    n = shape[-1]
    return (n - 1 - (np.arange(n) * 5) % n).astype(np.float32)


def _steps(rng, shape, sizes):
    """Times of few values, with ties, in pairs of samples."""
    return (_ranks(shape) // 2).astype(np.int32) + rng.integers(1, 3, shape).astype(np.int32)


def _entered(rng, shape, sizes):
    return (_ranks(shape) // 2).astype(np.int32) - rng.integers(0, 2, shape).astype(np.int32)


def _times(rng, shape, sizes):
    return (_ranks(shape) + rng.uniform(0.5, 2.5, shape)).astype(np.float32)


def _entries(rng, shape, sizes):
    return (_ranks(shape) - rng.uniform(0, 2.5, shape)).astype(np.float32)


HAZARDS = Domain(
    cases.normal,
    "...n",
    hard=lambda rng, shape, sizes: np.float32(rng.normal(0, 10.0 ** rng.uniform(-3, 1.5, (*shape[:-1], 1)), shape)),
    ends=(0.0, 1e-30, 100.0, -100.0, 1e4, -1e4),
    outside=(np.inf, -np.inf),
)
TIMES = Domain(_times, "...n", ends=(100.0, np.inf), outside=(np.nan,))
TIED = Domain(_steps, "...n", differentiable=False)
EVENTS = Domain(_drawn(0, 2), "...n", outside=(-1, 2, 10**6), differentiable=False)
STRATA = Domain(_drawn(-1, 1), "...n", differentiable=False)
ENTRIES = Domain(_entries, "...n", ends=(-100.0, -np.inf), outside=(np.inf, np.nan))
TIED_ENTRIES = Domain(_entered, "...n", outside=(10**6, 4), differentiable=False)


def cohorts(*others):
    """Six samples: hazards from alike to far apart, under any offset; times with and without ties."""

    def grid():
        rng, found = np.random.default_rng(3), []
        for spread in (1e-3, 0.3, 3, 30, 300):
            for offset in (0, 30, -1e4, 1e4):
                x = np.float32(rng.normal(0, spread, 6) + offset)
                times = rng.integers(1, 5, 6)
                found.append((x, times, rng.integers(0, 2, 6), *(draw(rng, times) for draw in others)))
        return tuple(zip(*found, strict=True))

    return grid


def _case(more, grid, times=TIED, **options):
    return Case(
        fn=jaxloss.cox_partial_likelihood,
        form=jaxloss.CoxPartialLikelihood,
        arrays={"log_hazards": HAZARDS, "times": times, "events": EVENTS, **more},
        # The oracle's arrays are by position.
        oracle=partial_likelihood if "strata" in more or not more else _without_strata,
        options=options,
        bad_options={
            "ties": ("exact", 1, None),
            "batch_axis_name": ("nowhere", ("nowhere", "else")),
        },
        grid=grid,
        masks_elements=True,
        counted=lambda arrays: (arrays["events"] != 0).sum(-1),
        value=Limit(scaled=6),
        gradient=Limit(scaled=6),
        second=Limit(scaled=8),
        # The gaps between hazards, of which the logarithms of sums are made, and slopes of 1 for each event.
        terms=lambda x, times, events, *_, **__: [max(x) - min(x), sum(events)],
        gradient_terms=lambda *_, **__: (1,),
        second_terms=lambda *_, **__: (2,),
        noise=1.0,
        name=",".join(["cox_partial_likelihood", *more, *map(str, options.values())]),
    )


STRATIFIED = lambda rng, times: rng.integers(0, 2, 6)
BEFORE = lambda rng, times: times - rng.integers(1, 4, 6)
CASES = [
    replace(_case({}, cohorts(), ties="efron", times=TIMES), name="cox_partial_likelihood,float times"),
    _case({}, cohorts(), ties="efron"),
    _case({}, cohorts(), ties="breslow"),
    _case({"strata": STRATA}, cohorts(STRATIFIED), ties="efron"),
    _case({"strata": STRATA, "entry": TIED_ENTRIES}, cohorts(STRATIFIED, BEFORE), ties="breslow"),
    replace(_case({"entry": ENTRIES}, cohorts(BEFORE), ties="efron", times=TIMES), name="cox_partial_likelihood,entry"),
]


def _cohort(seed, n, *, values=8):
    """Log-hazards, times with ties, events, strata and entries."""
    rng = np.random.default_rng(seed)
    times = rng.integers(1, values, n).astype(np.float32)
    return {
        "log_hazards": cases.normal(rng, (n,)),
        "times": times,
        "events": rng.integers(0, 2, n).astype(np.int32),
        "strata": rng.integers(0, 3, n).astype(np.int32),
        "entry": times - rng.integers(1, 5, n).astype(np.float32),
    }


compiled = quick(jaxloss.cox_partial_likelihood)


def test_integer_events_are_flags_and_no_indices():
    """torchsurv indexed by them (#117)."""
    cohort = _cohort(0, 12)
    flags = cohort.pop("events")
    expected = compiled(**cohort, events=flags.astype(bool))
    for dtype in (np.int32, np.uint8, np.float32):
        np.testing.assert_array_equal(compiled(**cohort, events=flags.astype(dtype)), expected)
    assert not expected[flags == 0].any()


def test_the_mean_is_per_event_and_there_is_none_without_one():
    cohort = _cohort(1, 12)
    losses = compiled(**cohort)
    x, times = cohort.pop("log_hazards"), cohort.pop("times")
    mean = jaxloss.CoxPartialLikelihood()
    np.testing.assert_allclose(mean(x, times, **cohort), losses.sum() / float(cohort["events"].sum()), rtol=1e-6)
    cohort["events"] = np.zeros(12, bool)
    value, slope = quick(jax.value_and_grad(lambda x: mean(x, times, **cohort)))(x)
    assert value == 0
    assert not slope.any()
    assert np.isnan(mean(np.where(np.arange(12) == 3, np.float32(np.nan), x), times, **cohort))


@pytest.mark.parametrize("ties", ["efron", "breslow"])
def test_the_order_of_the_samples_does_not_matter_and_strata_are_cohorts_of_their_own(ties):
    cohort = _cohort(2, 40)
    loss = quick(lambda cohort: jaxloss.cox_partial_likelihood(**cohort, ties=ties))
    losses = loss(cohort)
    shuffled = np.random.default_rng(3).permutation(40)
    np.testing.assert_allclose(loss({k: v[shuffled] for k, v in cohort.items()}), losses[shuffled], rtol=1e-6)
    for stratum in range(3):
        own = cohort["strata"] == stratum
        alone = {k: v[own] for k, v in cohort.items() if k != "strata"}
        np.testing.assert_allclose(loss(alone), losses[own], rtol=1e-6, atol=1e-6)


def test_what_is_masked_is_in_no_risk_set():
    cohort, where = _cohort(4, 30), np.random.default_rng(5).uniform(size=30) < 0.7
    spoiled = {k: np.where(where, v, v.dtype.type(np.nan if v.dtype == np.float32 else 7)) for k, v in cohort.items()}
    losses = compiled(**spoiled, where=where)
    left = compiled(**{k: v[where] for k, v in cohort.items()})
    np.testing.assert_allclose(losses[where], left, rtol=1e-6, atol=1e-6)
    assert not losses[~where].any()


@pytest.mark.parametrize("ties", ["efron", "breslow"])
@pytest.mark.parametrize("entered", [False, True])
def test_the_likelihood_and_the_score_are_those_of_statsmodels(ties, entered):
    regression = pytest.importorskip("statsmodels.duration.hazard_regression")
    rng, n = np.random.default_rng(6), 300
    cohort, features = _cohort(7, n, values=40), rng.normal(size=(n, 2))
    beta = np.array([0.6, -0.3])
    # It has no entries below 0. They are between times, so that none is at one.
    cohort |= {"times": cohort["times"] + 10, "entry": cohort["entry"] + np.float32(10.5)}
    more = {"entry": cohort["entry"].astype(np.float64)} if entered else {}
    model = regression.PHReg(
        cohort["times"].astype(np.float64), features, cohort["events"], ties=ties, strata=cohort["strata"], **more
    )

    def total(beta):
        own = {k: v for k, v in cohort.items() if k != "entry" or entered}
        own["log_hazards"] = jnp.dot(np.float32(features), beta, precision="highest")
        return jaxloss.cox_partial_likelihood(**own, ties=ties).sum()

    value, slope = quick(jax.value_and_grad(total))(np.float32(beta))
    np.testing.assert_allclose(-value, model.loglike(beta), rtol=1e-5)
    np.testing.assert_allclose(-slope, model.score(beta), rtol=1e-5, atol=1e-3)


def _in_float64(cohort):
    """Losses and slopes without ties, strata and entries, one after the other, in float64."""
    order = np.argsort(cohort["times"])
    x, events = cohort["log_hazards"][order].astype(np.float64), cohort["events"][order]
    risk = np.logaddexp.accumulate(x[::-1])[::-1]
    shares = np.logaddexp.accumulate(np.where(events, -risk, -np.inf))
    found = np.zeros((2, len(x)))
    found[:, order] = np.where(events, risk - x, 0), np.exp(x + shares) - events
    return found


@pytest.mark.parametrize("scale", [0.1, 3, 30])
@pytest.mark.parametrize("entered", [False, True] if cases.EVERY else [False])
def test_a_hundred_thousand_samples_are_those_of_float64(scale, entered):
    rng, n = np.random.default_rng(8), 100_000 if not entered else 20_000
    cohort = {
        "log_hazards": np.float32(rng.normal(0, scale, n) + 1e4),
        "times": rng.permutation(n).astype(np.int32),
        "events": rng.integers(0, 2, n).astype(np.int32),
    }
    more = {"entry": np.full(n, -1, np.int32)} if entered else {}

    def run(x, others):  # which would be folded as constants, one after the other
        f = lambda x: jaxloss.cox_partial_likelihood(x, **others)
        return f(x), jax.grad(lambda x: f(x).sum())(x)

    others = {k: v for k, v in cohort.items() if k != "log_hazards"} | more
    losses, slopes = optimized(run)(cohort["log_hazards"], others)
    truth, true_slopes = _in_float64(cohort)
    np.testing.assert_allclose(losses, truth, rtol=3e-6, atol=1e-7)
    np.testing.assert_allclose(slopes, true_slopes, rtol=1e-5, atol=1e-6)


def test_the_last_risk_sets_keep_their_digits_beside_large_ones():
    """A sum over all, less what has left, would have none."""
    x = jnp.float32([1e4, -1e4, -1e4 - 1, 50, -30])
    times = jnp.float32([1, 3, 4, 2, 5])
    losses = jaxloss.cox_partial_likelihood(x, times, events=np.ones(5, bool))
    last = np.log([1 + np.exp(-1.0), 1.0])
    np.testing.assert_allclose(losses[jnp.array([0, 3, 4])], [0, 0, 0], atol=1e-30)
    np.testing.assert_allclose(losses[1], 1e4 - 30, rtol=1e-6)
    alone = jaxloss.cox_partial_likelihood(x[1:3], times[1:3], events=np.ones(2, bool))
    np.testing.assert_allclose(alone, last, rtol=1e-6)


@pytest.mark.parametrize("entered", [False, True] if cases.EVERY else [True])
def test_a_cohort_over_devices_is_one_cohort(entered):
    cohort = {k: v for k, v in _cohort(9, 24).items() if k != "entry" or entered}
    where, weights = np.arange(24) % 5 != 2, np.linspace(0.5, 2, 24, dtype=np.float32)
    mesh = jax.make_mesh((8,), ("data",), axis_types=(jax.sharding.AxisType.Auto,))
    x = cohort.pop("log_hazards")

    def mean(loss):
        def run(x, cohort, where, weights):
            times = cohort["times"]
            others = {k: v for k, v in cohort.items() if k != "times"}
            return loss(x, times, **others, where=where, weights=weights)

        return run

    loss = jaxloss.CoxPartialLikelihood()
    own = mean(loss.replace(batch_axis_name="data", axis_name="data"))
    on_mesh = jax.shard_map(own, mesh=mesh, in_specs=(P("data"),) * 4, out_specs=P())
    got, expected = (quick(jax.value_and_grad(f))(x, cohort, where, weights) for f in (on_mesh, mean(loss)))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), got, expected)


def test_times_of_64_bits_are_not_wrapped():
    x = jnp.array([0.0, 1.0])
    with pytest.raises(ValueError, match="cox_partial_likelihood: times go beyond int32"):
        jaxloss.cox_partial_likelihood(x, np.array([2**32 + 1, 5]), events=[1, 1])
    losses = jaxloss.cox_partial_likelihood(x, np.array([2**30 + 1, 5]), events=[1, 1])
    np.testing.assert_allclose(losses, [0, np.log1p(np.exp(-1))], rtol=1e-6)
