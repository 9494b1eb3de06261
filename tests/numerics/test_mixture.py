"""The negative log-likelihood of a mixture: where components agree, and where they do not."""

import jax
import mpmath as mp
import numpy as np

from jaxloss.numerics.mixture import mixture_nll
from tests import ulp
from tests.compiling import optimized


def test_components_that_nearly_agree_have_the_loss_of_each():
    """The logarithms of the weights, which are near 7 here, cancel in the textbook's sum."""
    mp.mp.dps = ulp.DIGITS
    rng = np.random.default_rng(0)
    logits, losses = np.float32(rng.normal(0, 1, (4, 1000))), np.float32(rng.normal(0, 1, (4, 1000)))
    losses *= np.float32([[1e-6], [1e-3], [0.1], [0.5]])
    got = optimized(lambda x, w: mixture_nll(x, w, -1))(losses, logits)
    for g, row, weights in zip(got, losses, logits, strict=True):
        w = [mp.exp(ulp.exact(v)) for v in weights]
        truth = -mp.log(mp.fsum(a * mp.exp(-ulp.exact(x)) for a, x in zip(w, row, strict=True)) / mp.fsum(w))
        assert ulp.ulps(g, truth, max(abs(truth), ulp.exact(np.abs(row).max()))) < 8


def test_the_slopes_of_weights_near_1_are_exact():
    """In both arrays: the other component has a weight and a responsibility of 1e-9."""
    losses, logits = np.float32([1.0, 1.5]), np.float32([0.0, -20.0])
    slope = optimized(jax.grad(lambda w: mixture_nll(losses, w, -1)))(logits)
    prior, posterior = np.exp(-20.0) / (1 + np.exp(-20.0)), np.exp(-20.5) / (1 + np.exp(-20.5))
    np.testing.assert_allclose(slope, [posterior - prior, prior - posterior], rtol=1e-6)
