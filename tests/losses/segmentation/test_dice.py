from dataclasses import replace

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import optax
import pytest
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
from tests.compiling import jit
from tests.losses.classification.test_cross_entropy import log_softmax


def ratio(p, t, alpha, beta, smooth, gamma=1):
    """Of one region: lists of probabilities and targets."""
    common = mp.fsum(min(a, b) for a, b in zip(p, t, strict=True))
    over = mp.fsum(max(a - b, 0) for a, b in zip(p, t, strict=True))
    under = mp.fsum(max(b - a, 0) for a, b in zip(p, t, strict=True))
    wrong = alpha * over + beta * under
    return (wrong / (common + wrong + smooth)) ** gamma if wrong else mp.mpf(0)


HALF = mp.mpf("0.5")


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
    p = [[mp.exp(v) for v in log_softmax(row)] for row in x] if apply_softmax else x
    classes = range(len(p[0]))
    losses = [ratio([r[k] for r in p], [r[k] for r in t], alpha, beta, smooth, gamma) for k in classes]
    losses = [v if class_weights is None else v * w for v, w in zip(losses, class_weights or losses, strict=True)]
    losses = losses[1:] if ignore_background and len(losses) > 1 else losses
    return mp.fsum(losses) / len(losses)


def binary(x, t, smooth=1, apply_sigmoid=True, axis=-1):
    p = [1 / (1 + mp.exp(-v)) for v in x] if apply_sigmoid else x
    return ratio(p, t, HALF, HALF, smooth)


def formula(
    x,
    t,
    class_weights=None,
    smooth=1.0,
    alpha=0.5,
    beta=0.5,
    gamma=1.0,
    apply_softmax=True,
    ignore_background=False,
    axis=-2,
):
    p = jax.nn.softmax(x) if apply_softmax else x
    over, under = jnp.maximum(p - t, 0), jnp.maximum(t - p, 0)
    wrong = (alpha * over + beta * under).sum(-2)
    losses = (wrong / (jnp.minimum(p, t).sum(-2) + wrong + smooth)) ** gamma
    losses = losses if class_weights is None else losses * class_weights
    return (losses[..., 1:] if ignore_background and losses.shape[-1] > 1 else losses).mean(-1)


def _one_hot(rng, shape, sizes):
    return np.eye(shape[-1], dtype=np.float32)[rng.integers(0, shape[-1], shape[:-1])]


# Targets between the ends agree with no prediction, where the loss has a kink.
HOT = replace(DISTRIBUTIONS, draw=_one_hot, hard=_one_hot).over("...tc")
SOFT = replace(DISTRIBUTIONS, hard=None, ends=(0.0, 1.0)).over("...tc")
PIXELS = replace(LOGITS, hard=lambda rng, shape, sizes: 3 * cases.normal(rng, shape), ends=(0.0, 17.0, -100.0, -np.inf))
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


def _case(x, t, grid, fn=jaxloss.dice_loss, form=jaxloss.DiceLoss, bad=BAD, name="", **options):
    """Tests of classes ask for a class more than a background that is left out."""
    return Case(
        fn=fn,
        form=form,
        arrays={"predictions": x, "targets": t},
        oracle=dice,
        formula=formula,
        options={"axis": -2, **options},
        bad_options=bad,
        call={"reduction": "mean"},
        grid=grid,
        name=name,
        noise=1.0,
        **EXACT,
    )


ALL = {"class_weights": CLASS_WEIGHTS, "smooth": 0.25, "alpha": 0.3, "beta": 0.8, "ignore_background": True}
CASES = [
    _case(PIXELS.over("...tc"), HOT, confident),
    _case(SHARES, SOFT, shares, apply_softmax=False, smooth=0.5),
    replace(_case(PIXELS.over("...tc"), SOFT, None, name="dice_loss[all]", **ALL), least_classes=2),
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
            noise=1.0,
            **EXACT,
        )
        for x, t, grid, options in (
            (replace(LOG_ODDS, hard=None), replace(BITS, ends=(0.0, 1.0)), flat, {"smooth": 0.25}),
            (
                replace(PROBABILITIES, hard=None, ends=(0.0, 1.0)),
                replace(SOFT_BITS, hard=None),
                lambda: tuple([np.ravel(x) for x in side] for side in shares()),
                {"apply_sigmoid": False},
            ),
        )
    ),
]


def test_a_class_that_is_neither_there_nor_predicted_costs_nothing():
    """keras has 1 there, and optax nan without smoothing."""
    p, t = np.zeros((1, 4, 2), np.float32), np.zeros((1, 4, 2), np.float32)
    p[..., 0], t[..., 0] = 1, 1
    for smooth in (0.0, 1.0):
        loss = lambda p, smooth=smooth: jaxloss.dice_loss(p, t, apply_softmax=False, smooth=smooth, reduction="none")
        np.testing.assert_array_equal(loss(p), [[0, 0]])
        assert np.isfinite(jax.grad(lambda p, loss=loss: loss(p).sum())(p)).all()


def test_soft_targets_are_best_predicted_as_they_are():
    """MONAI's and optax's products have 0.3 there, and train away from it."""
    t = cases.distribution(np.random.default_rng(0), (2, 9, 3))
    loss = lambda p: jaxloss.dice_loss(p, t, apply_softmax=False).sum()
    value, slope = jit(jax.value_and_grad(loss))(t)
    assert value == 0
    assert not np.any(slope)


def test_confident_pixels_keep_their_loss_and_their_slope():
    x = jnp.array([[[40.0, 0.0], [0.0, 40.0]]])
    t = jnp.array([[[1.0, 0.0], [0.0, 1.0]]])
    value, slope = jit(jax.value_and_grad(lambda x: jaxloss.dice_loss(x, t, smooth=0.0).sum()))(x)
    np.testing.assert_allclose(value, np.exp(-40.0), rtol=1e-5)
    assert np.all(np.abs(slope) > 1e-19)


def test_the_batch_may_be_one_region_and_pixels_may_be_masked():
    rng = np.random.default_rng(1)
    x, t = cases.normal(rng, (4, 3, 3, 2)), _one_hot(rng, (4, 3, 3, 2), {})
    whole = jaxloss.dice_loss(x, t, axis=(0, 1, 2))
    np.testing.assert_allclose(whole, jaxloss.dice_loss(x.reshape(1, -1, 2), t.reshape(1, -1, 2))[0], rtol=1e-6)
    where = rng.uniform(size=(4, 3, 3)) < 0.6
    where[2] = False
    spoiled = np.where(where[..., None], x, np.nan)
    losses = jaxloss.dice_loss(spoiled, t, where=where)
    for i in (0, 1, 3):
        np.testing.assert_allclose(
            losses[i], jaxloss.dice_loss(x[i][where[i]][None], t[i][where[i]][None])[0], rtol=1e-5
        )
    assert losses[2] == 0
    np.testing.assert_allclose(jaxloss.DiceLoss()(spoiled, t, where=where), losses.sum() / 3, rtol=1e-6)


def test_sums_over_devices_come_before_the_ratio():
    rng = np.random.default_rng(2)
    x, t = cases.normal(rng, (8, 4, 3)), _one_hot(rng, (8, 4, 3), {})
    mesh = jax.make_mesh((8,), ("data",), axis_types=(jax.sharding.AxisType.Auto,))
    loss = jaxloss.DiceLoss(axis=(0, 1), sum_axis_name="data", smooth=0.5)
    own = jax.shard_map(loss, mesh=mesh, in_specs=(P("data"), P("data")), out_specs=P())
    expected = jit(jax.value_and_grad(jaxloss.DiceLoss(axis=(0, 1), smooth=0.5)))(x, t)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-8),
        jit(jax.value_and_grad(own))(x, t),
        expected,
    )


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"alpha": 0.3, "beta": 0.7, "smooth": 0.1},
        {"class_weights": np.float32([1, 2, 3]), "reduction": "sum"},
        {"ignore_background": True, "reduction": "none"},
        {"axis": (0, 2)},
    ],
)
def test_the_answers_are_optaxs_for_hard_targets(options):
    """For soft ones it multiplies where the lesser is taken here."""
    rng = np.random.default_rng(3)
    x, t = cases.normal(rng, (4, 5, 6, 3)), _one_hot(rng, (4, 5, 6, 3), {})
    with jax.numpy_rank_promotion("allow"):
        both = [
            jit(lambda x, f=f: (f(x, t, **options), jax.grad(lambda x: f(x, t, **options).sum())(x)))(x)
            for f in (jaxloss.dice_loss, optax.losses.dice_loss)
        ]
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-5, atol=1e-6), *both)


@pytest.mark.parametrize("shape", [(4, 7), (4, 5, 6), (4, 5, 6, 1)])
def test_the_answers_for_one_region_are_optaxs(shape):
    rng = np.random.default_rng(4)
    x, t = cases.normal(rng, shape), cases.bits(rng, shape)
    both = [
        jit(lambda x, f=f: (f(x, t, smooth=0.3), jax.grad(lambda x: f(x, t, smooth=0.3).sum())(x)))(x)
        for f in (jaxloss.binary_dice_loss, optax.losses.binary_dice_loss)
    ]
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-5, atol=1e-6), *both)
