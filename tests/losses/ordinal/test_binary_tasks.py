import jax.numpy as jnp
import mpmath as mp
import numpy as np

import jaxloss
from tests import cases
from tests.cases import LOG_ODDS, Case, Domain, Limit
from tests.losses.survival.test_discrete_time import softplus


def coral(x, label):
    return mp.fsum(softplus(-v if label > k else v) for k, v in enumerate(x))


def corn(x, label):
    return mp.fsum(softplus(-v if label > k else v) for k, v in enumerate(x) if label >= k)


def _class(rng, shape, sizes):
    return rng.integers(0, sizes["t"] + 1, shape).astype(np.int32)


def rows():
    """Log-odds of every size, for each class."""
    values = cases.logits()
    return tuple(zip(*((np.float32(np.roll(values, i)[:4]), i % 5) for i in range(len(values))), strict=True))


CLASSES = Domain(_class, outside=(-1, -7, 10**6), differentiable=False)
CASES = [
    Case(
        fn=fn,
        form=form,
        arrays={"logits": LOG_ODDS.over("...t"), "labels": CLASSES},
        oracle=oracle,
        grid=rows,
        value=Limit(strict=4),
        gradient=Limit(strict=3),
        second=Limit(strict=4),
    )
    for fn, form, oracle in (
        (jaxloss.coral_loss, jaxloss.CoralLoss, coral),
        (jaxloss.corn_loss, jaxloss.CornLoss, corn),
    )
]


def test_the_classes_of_corn_have_probabilities_of_sum_one():
    x = jnp.broadcast_to(cases.normal(np.random.default_rng(0), (4,)), (5, 4))
    np.testing.assert_allclose(jnp.exp(-jaxloss.corn_loss(x, np.arange(5))).sum(), 1, rtol=1e-6)


def test_the_answers_are_those_of_coral_pytorch():
    """Its formulas, by hand: CORAL's mean over samples, CORN's over the tasks that are asked."""
    rng = np.random.default_rng(1)
    x, labels = cases.normal(rng, (32, 4)), rng.integers(0, 5, 32)
    log, levels = -np.log1p(np.exp(-x.astype(np.float64))), labels[:, None] > np.arange(4)
    theirs = -np.mean(np.sum(log * levels + (log - x) * (1 - levels), 1))
    np.testing.assert_allclose(jaxloss.CoralLoss()(x, labels), theirs, rtol=1e-6)
    total = count = 0
    for k in range(4):
        asked = labels > k - 1
        count += asked.sum()
        total -= np.sum(np.where(labels[asked] > k, log[asked, k], log[asked, k] - x[asked, k]))
    ours = jaxloss.CornLoss(reduction="sum")(x, labels) / float(jnp.minimum(labels + 1, x.shape[-1]).sum())
    np.testing.assert_allclose(ours, total / count, rtol=1e-6)
