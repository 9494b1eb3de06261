"""Margins of signed scores and between classes, at their kinks and at infinite scores."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxloss.numerics.margins import categorical_gap, hinge, hinge_terms, label_gap, soft_margin
from tests.compiling import quick
from tests.numerics.primitives import End

ENDS = [
    End(hinge, (1.0, 1.0, 1.0), 0, (0, 0, 0)),
    End(hinge, (0.5, 1.0, 1.0), 0.5, (-1, -0.5, 1)),
    End(hinge, (np.inf, 1.0, 1.0), 0, (0, 0, 0)),
    End(soft_margin, (0.0, 1.0), np.log(2), (-0.5, 0)),
    End(soft_margin, (np.inf, 1.0), 0, (0, 0)),
]
X = np.float32([[1.0, 3.0, 3.0], [2.0, -np.inf, -np.inf], [0.5, 4.0, 1.0]])
LABELS = np.int32([[0], [0], [1]])


def test_the_gap_to_the_highest_other_class_whose_slope_ties_share():
    gap, slope = quick(lambda x: (label_gap(x, LABELS, 1), jax.grad(lambda x: label_gap(x, LABELS, 1)[::2].sum())(x)))(
        X
    )
    np.testing.assert_array_equal(gap[:, 0], [-2, np.inf, 3])
    np.testing.assert_array_equal(slope, [[1, -0.5, -0.5], [0, 0, 0], [0, 1, -1]])


def test_the_terms_of_a_margin_are_zero_at_the_label():
    own = jnp.float32([[1.0], [2.0], [4.0]])
    terms = hinge_terms(jnp.asarray(X), LABELS, own, jnp.float32(1), 1)
    np.testing.assert_array_equal(terms, [[0, 3, 3], [0, 0, 0], [0, 0, 0]])


def test_the_gap_of_distributions_is_that_of_one_hot_labels():
    hot = np.eye(3, dtype=np.float32)[[0, 0, 1]]
    gap = categorical_gap(jnp.asarray(X), hot, (1,))
    np.testing.assert_array_equal(gap[:, 0], [1 - 3, 2 - 0, 4 - 1])  # the label itself has (1 - y) x = 0
