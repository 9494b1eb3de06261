from dataclasses import replace

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
from jax.sharding import PartitionSpec as P

import jaxloss
from tests import cases
from tests.cases import (
    BITS,
    CLASS_WEIGHTS,
    DISTRIBUTIONS,
    LOG_ODDS,
    LOGITS,
    PROBABILITIES,
    SOFT_BITS,
    Case,
    Domain,
    Limit,
)
from tests.compiling import jit, quick
from tests.losses.classification.test_cross_entropy import log_softmax


def ratio(p, t, alpha, beta, smooth, gamma=1):
    """Of one region: lists of probabilities and targets."""
    common = mp.fsum(min(a, b) for a, b in zip(p, t, strict=True))
    over = mp.fsum(max(a - b, 0) for a, b in zip(p, t, strict=True))
    under = mp.fsum(max(b - a, 0) for a, b in zip(p, t, strict=True))
    wrong = alpha * over + beta * under
    return (wrong / (common + wrong + smooth)) ** gamma if wrong else mp.mpf(0)


HALF = mp.mpf("0.5")


def exact_probabilities(row):
    return [mp.exp(v) for v in log_softmax(row)] if len(row) > 1 else [1 / (1 + mp.exp(-row[0]))]


def dice(
    x,
    t,
    class_weights=None,
    smooth=1,
    alpha=HALF,
    beta=HALF,
    gamma=1,
    apply_softmax=True,
    ignore_background=False,
    axis=-2,
):
    p = [exact_probabilities(row) for row in x] if apply_softmax else x
    classes = range(len(p[0]))
    losses = [ratio([r[k] for r in p], [r[k] for r in t], alpha, beta, smooth, gamma) for k in classes]
    losses = [v if class_weights is None else v * w for v, w in zip(losses, class_weights or losses, strict=True)]
    losses = losses[1:] if ignore_background and len(losses) > 1 else losses
    return mp.fsum(losses) / len(losses)


def binary(x, t, smooth=1, apply_sigmoid=True, axis=-1):
    p = [1 / (1 + mp.exp(-v)) for v in x] if apply_sigmoid else x
    return ratio(p, t, HALF, HALF, smooth)


def parts(p, t):
    """True positives, false positives and false negatives; at the ends of [0, 1] there is one side alone."""
    above, below = (p > t) | (t <= 0), (p < t) | (t >= 1)
    return jnp.where(below, p, t), jnp.where(above, p - t, 0), jnp.where(below, t - p, 0)


def textbook(p, t, class_weights=None, smooth=1.0, alpha=0.5, beta=0.5, gamma=None, ignore_background=False, axis=-2):
    true, over, under = parts(p, t)
    errors = (alpha * over + beta * under).sum(-2)
    losses = errors / (true.sum(-2) + errors + smooth)
    if gamma is not None:  # a power has no slope at 0
        losses = jnp.where(losses > 0, jnp.where(losses > 0, losses, 1) ** gamma, 0)
    losses = losses if class_weights is None else losses * class_weights
    return (losses[..., 1:] if ignore_background and losses.shape[-1] > 1 else losses).mean(-1)


def probabilities(x):
    return jax.nn.softmax(x) if x.shape[-1] > 1 else jax.nn.sigmoid(x)


def formula(x, t, *, apply_softmax=True, **options):
    return textbook(probabilities(x) if apply_softmax else x, t, **options)


def terms_of(loss, x, *others, **options):
    """Through a softmax, p_k (h_k - sum p_j h_j), where the slopes h of classes that are alike are alike."""
    p = probabilities(x)
    h = jnp.abs(jax.grad(lambda p: loss(p, *others, **options).sum())(p))
    return {"predictions": p * (h + (p * h).sum(-1, keepdims=True))}


def slope_terms(x, t, *, apply_softmax=True, **options):
    return terms_of(textbook, x, t, **options) if apply_softmax else {}


# Targets between the ends agree with no prediction, where the loss has a kink.
HOT = replace(DISTRIBUTIONS, draw=cases.one_hot, hard=cases.one_hot).over("...tc")
SOFT = replace(DISTRIBUTIONS, hard=None, ends=(0.0, 1.0)).over("...tc")
# Without extremes: probabilities are exactly 0 and 1 there, where the slope in hard labels has a kink.
PIXELS = replace(
    LOGITS,
    hard=lambda rng, shape, sizes: 3 * cases.normal(rng, shape),
    ends=(0.0, 17.0, -100.0, -np.inf),
    extremes=(),
)
SHARES = Domain(cases.distribution, "...tc", outside=(-0.1, 1.2), impossible=0.0)
SCALARS = {k: (-0.5, "some", np.ones(2, np.float32)) for k in ("smooth", "alpha", "beta")}
BAD = {
    **SCALARS,
    "class_weights": (1.0, np.ones(cases.CLASSES + 1, np.float32), "balanced"),
    "apply_softmax": (1, "yes", None),
    "reduction": ("average", None),
    "ignore_background": (1, "yes", None),
    "axis": (2, -1, 3, -4, (1, 1), "pixels", 0.5),
    "sum_axis_name": ("nowhere", ("nowhere", "else")),
}


def confident():
    """Samples of three pixels and three classes, from flat to certain, right and wrong; hard and soft targets."""
    rng, first, second = np.random.default_rng(4), [], []
    for spread in (1e-3, 0.5, 3, 10, 30):
        for soft in (False, True):
            x = (spread * rng.normal(size=(3, 3))).astype(np.float32)
            t = (
                rng.dirichlet(np.ones(3), 3)
                if soft
                else np.eye(3)[x.argmax(1) if spread > 3 else rng.integers(0, 3, 3)]
            )
            first.append(x)
            second.append(np.float32(t))
    return first, second


def flat():
    first, second = confident()
    return [np.ravel(x) for x in first], [np.ravel(t) for t in second]


def shares():
    """Probabilities as they are given; at 0 and 1, where the targets are, there is one side alone."""
    first, second = confident()
    return [np.clip(np.asarray(jax.nn.softmax(x), np.float32), 1e-8, 1 - 2.0**-24) for x in first], second


EXACT = {"value": Limit(strict=6), "gradient": Limit(scaled=8), "second": Limit(scaled=16)}


def overlap_case(x, t, grid, fn=jaxloss.dice_loss, form=jaxloss.DiceLoss, bad=BAD, name="", **options):
    """Tests of classes ask for a class more than a background that is left out."""
    return Case(
        fn=fn,
        form=form,
        arrays={"predictions": x, "targets": t},
        oracle=dice,
        formula=formula,
        slope_terms=slope_terms,
        options={"axis": -2, **options},
        bad_options=bad,
        call={"reduction": "mean"},
        grid=grid,
        masks_elements=True,
        name=name,
        noise=1.0,
        **EXACT,
    )


ALL = {"class_weights": CLASS_WEIGHTS, "smooth": 0.25, "alpha": 0.3, "beta": 0.8, "ignore_background": True}
CASES = [
    overlap_case(PIXELS.over("...tc"), HOT, confident),
    overlap_case(SHARES, SOFT, shares, apply_softmax=False, smooth=0.5),
    replace(overlap_case(PIXELS.over("...tc"), SOFT, None, name="dice_loss[all]", **ALL), least_classes=2),
    *(
        Case(
            fn=jaxloss.binary_dice_loss,
            form=jaxloss.BinaryDiceLoss,
            arrays={"predictions": x.over("...t"), "targets": t.over("...t")},
            oracle=binary,
            options={"axis": -1, **options},
            bad_options={
                "smooth": SCALARS["smooth"],
                "apply_sigmoid": (1, "yes", None),
                "axis": (2, -3, (1, 1), "pixels", 0.5),
                "sum_axis_name": BAD["sum_axis_name"],
            },
            grid=grid,
            masks_elements=True,
            noise=1.0,
            **EXACT,
        )
        for x, t, grid, options in (
            (replace(LOG_ODDS, hard=None, extremes=()), replace(BITS, ends=(0.0, 1.0)), flat, {"smooth": 0.25}),
            (
                replace(PROBABILITIES, hard=None, ends=(0.0, 1.0)),
                replace(SOFT_BITS, hard=None),
                lambda: tuple([np.ravel(x) for x in side] for side in shares()),
                {"apply_sigmoid": False},
            ),
        )
    ),
]


loss = jit(jaxloss.dice_loss, static_argnames=("axis", "reduction", "apply_softmax", "ignore_background"))


def test_a_class_that_is_neither_labelled_nor_predicted_has_loss_zero():
    """Keras returns 1, and optax nan without smoothing."""
    p, t = np.zeros((1, 4, 2), np.float32), np.zeros((1, 4, 2), np.float32)
    p[..., 0], t[..., 0] = 1, 1
    for smooth in (0.0, 1.0):
        each = lambda p, smooth=smooth: loss(p, t, apply_softmax=False, smooth=smooth, reduction="none")
        np.testing.assert_array_equal(each(p), [[0, 0]])
        assert np.isfinite(jax.grad(lambda p, each=each: each(p).sum())(p)).all()


def test_soft_targets_are_best_predicted_as_they_are():
    """With products, as in MONAI and optax, the loss is 0.3 there, and its slope leads away."""
    t = cases.distribution(np.random.default_rng(0), (2, 9, 3))
    value, slope = quick(jax.value_and_grad(lambda p: loss(p, t, apply_softmax=False).sum()))(t)
    assert value == 0
    assert not np.any(slope)


def test_confident_pixels_keep_their_loss_and_their_slope():
    x = jnp.array([[[40.0, 0.0], [0.0, 40.0]]])
    t = jnp.array([[[1.0, 0.0], [0.0, 1.0]]])
    value, slope = quick(jax.value_and_grad(lambda x: loss(x, t, smooth=0.0).sum()))(x)
    np.testing.assert_allclose(value, np.exp(-40.0), rtol=1e-5)
    assert np.all(np.abs(slope) > 1e-19)


def test_the_batch_may_be_one_region_and_pixels_may_be_masked():
    rng = np.random.default_rng(1)
    x, t = cases.normal(rng, (4, 3, 3, 2)), cases.one_hot(rng, (4, 3, 3, 2))
    whole = loss(x, t, axis=(0, 1, 2))
    np.testing.assert_allclose(whole, loss(x.reshape(1, -1, 2), t.reshape(1, -1, 2))[0], rtol=1e-6)
    where = rng.uniform(size=(4, 3, 3)) < 0.6
    where[2] = False
    spoiled = np.where(where[..., None], x, np.nan)
    losses = loss(spoiled, t, where=where)
    for i in (0, 1, 3):
        np.testing.assert_allclose(losses[i], loss(x[i][where[i]][None], t[i][where[i]][None])[0], rtol=1e-5)
    assert losses[2] == 0
    np.testing.assert_allclose(quick(jaxloss.DiceLoss())(spoiled, t, where=where), losses.sum() / 3, rtol=1e-6)


def test_sums_over_devices_come_before_the_ratio():
    rng = np.random.default_rng(2)
    x, t = cases.normal(rng, (8, 4, 3)), cases.one_hot(rng, (8, 4, 3))
    mesh = jax.make_mesh((8,), ("data",), axis_types=(jax.sharding.AxisType.Auto,))
    form = jaxloss.DiceLoss(axis=(0, 1), sum_axis_name="data", smooth=0.5)
    own = jax.shard_map(form, mesh=mesh, in_specs=(P("data"), P("data")), out_specs=P())
    expected = quick(jax.value_and_grad(jaxloss.DiceLoss(axis=(0, 1), smooth=0.5)))(x, t)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-8),
        quick(jax.value_and_grad(own))(x, t),
        expected,
    )


def test_a_class_that_is_masked_everywhere_is_in_no_mean():
    rng = np.random.default_rng(5)
    x, t = cases.normal(rng, (4, 6, 3)), cases.one_hot(rng, (4, 6, 3))
    where = np.broadcast_to(np.arange(3) != 1, x.shape)
    without = lambda a: a[..., [0, 2]]
    expected = loss(without(x), without(t), class_weights=np.float32([2, 0.5]))
    weights = np.float32([2, np.nan, 0.5])
    got = loss(np.where(where, x, np.nan), t, class_weights=weights, where=where)
    np.testing.assert_allclose(got, expected, rtol=1e-6)
    alone = loss(x, t, where=np.broadcast_to(np.arange(3) == 0, x.shape), ignore_background=True)
    assert not np.any(alone)
