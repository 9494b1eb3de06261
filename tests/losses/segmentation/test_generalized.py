import jax
import mpmath as mp
import numpy as np
from jax.sharding import PartitionSpec as P

import jaxloss
from tests import cases
from tests.cases import Case, Limit
from tests.compiling import quick
from tests.losses.segmentation.test_dice import (
    BAD,
    HALF,
    PIXELS,
    SHARES,
    SOFT,
    exact_probabilities,
    parts,
    probabilities,
    ratio,
    terms_of,
)


def generalized(x, t, smooth=1, apply_softmax=True, ignore_background=False, axis=(-3, -2)):
    """Of one batch: samples of pixels of classes."""
    p = [[exact_probabilities(row) for row in one] for one in x] if apply_softmax else x
    classes = range(len(p[0][0]))
    there = [mp.fsum(row[k] for one in t for row in one) for k in classes]
    rarest = min([v for v in there if v], default=mp.mpf(1))
    weights = [(rarest / v) ** 2 if v else mp.mpf(1) for v in there]
    scale = len(weights) / mp.fsum(weights)
    used = [k for k in classes if k or not ignore_background or len(classes) == 1]
    return mp.fsum(
        weights[k] * scale * ratio([r[k] for r in a], [r[k] for r in b], HALF, HALF, smooth)
        for a, b in zip(p, t, strict=True)
        for k in used
    ) / (len(x) * len(used))


def textbook(p, t, smooth=1.0, ignore_background=False, axis=(-3, -2)):
    true, over, under = parts(p, t)
    errors = (over + under).sum(-2) / 2
    losses = errors / (true.sum(-2) + errors + smooth)
    weights = 1 / t.sum((-3, -2)) ** 2
    losses = losses * (weights / weights.mean(-1, keepdims=True))[..., None, :]
    return (losses[..., 1:] if ignore_background and losses.shape[-1] > 1 else losses).mean((-2, -1))


def formula(x, t, *, apply_softmax=True, **options):
    return textbook(probabilities(x) if apply_softmax else x, t, **options)


def slope_terms(x, t, *, apply_softmax=True, **options):
    return terms_of(textbook, x, t, **options) if apply_softmax else {}


def batches():
    rng, first, second = np.random.default_rng(6), [], []
    for spread in (1e-3, 0.5, 3, 10):
        first.append((spread * rng.normal(size=(2, 3, 3))).astype(np.float32))
        second.append(np.float32(rng.dirichlet(np.full(3, 0.3), (2, 3))))
    return first, second


def _case(x, grid, **options):
    return Case(
        fn=jaxloss.multiclass_generalized_dice_loss,
        form=jaxloss.MulticlassGeneralizedDiceLoss,
        arrays={"predictions": x.over("...stc"), "targets": SOFT.over("...stc")},
        oracle=generalized,
        formula=formula,
        slope_terms=slope_terms,
        options={"axis": (-3, -2), **options},
        bad_options={
            **{k: BAD[k] for k in ("smooth", "apply_softmax", "ignore_background")},
            "axis": (3, -1, -5, (1, 1), "pixels", 0.5),
            "batch_axis_name": ("nowhere", ("nowhere", "else")),
        },
        grid=grid,
        value=Limit(strict=8),
        gradient=Limit(scaled=12),
        second=Limit(scaled=24),
        masks_elements=True,
        noise=1.0,
    )


CASES = [_case(PIXELS, batches), _case(SHARES, None, apply_softmax=False, smooth=0.5, ignore_background=True)]


def test_a_class_that_the_batch_lacks_leaves_the_others_their_weights():
    """In optax an absent class takes nearly all of the weight."""
    rng = np.random.default_rng(0)
    x, t = cases.normal(rng, (2, 8, 3)), np.zeros((2, 8, 3), np.float32)
    t[:, :2, 0], t[:, 2:, 1] = 1, 1
    of_each = np.asarray(quick(lambda x, t: jaxloss.dice_loss(x, t, reduction="none"))(x, t)).mean(0)
    weights = np.float32([1, 1 / 9, 1])  # 4 pixels, 12, none
    expected = np.sum(of_each * weights) / weights.sum()
    value, slope = quick(jax.value_and_grad(jaxloss.multiclass_generalized_dice_loss, 1))(x, t)
    np.testing.assert_allclose(value, expected, rtol=1e-5)
    assert np.isfinite(slope).all()
    assert jaxloss.multiclass_generalized_dice_loss(x[:0], t[:0]) == 0


def test_masked_samples_are_in_no_mean_and_devices_make_one_batch():
    rng = np.random.default_rng(2)
    x, t, where = cases.normal(rng, (8, 5, 3)), cases.one_hot(rng, (8, 5, 3)), rng.uniform(size=(8, 5)) < 0.7
    where[3] = False
    loss = jaxloss.MulticlassGeneralizedDiceLoss(smooth=0.5)
    run = quick(jax.value_and_grad(lambda x: loss(x, t, where=where)))
    expected, slope = run(np.where(where[..., None], x, np.nan))
    left = np.arange(8) != 3
    np.testing.assert_allclose(expected, quick(loss)(x[left], t[left], where=where[left]), rtol=1e-6)
    mesh = jax.make_mesh((8,), ("data",), axis_types=(jax.sharding.AxisType.Auto,))
    own = loss.replace(batch_axis_name="data")
    on_mesh = jax.shard_map(
        lambda x, t, where: own(x, t, where=where), mesh=mesh, in_specs=(P("data"),) * 3, out_specs=P()
    )
    got = quick(jax.value_and_grad(on_mesh))(x, t, where)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7), got, (expected, slope))


def test_a_class_that_is_masked_everywhere_is_in_no_mean_and_has_no_weight():
    rng = np.random.default_rng(3)
    x, t = cases.normal(rng, (4, 6, 3)), cases.one_hot(rng, (4, 6, 3))
    where = np.broadcast_to(np.arange(3) != 1, x.shape)
    without, loss = lambda a: a[..., [0, 2]], quick(jaxloss.multiclass_generalized_dice_loss)
    expected = loss(without(x), without(t))
    got = loss(np.where(where, x, np.nan), t, where=where)
    np.testing.assert_allclose(got, expected, rtol=1e-6)
