"""Errors that are weighed by their sign."""

import numpy as np

from jaxloss.numerics.asymmetric import uneven_absolute, uneven_square, weighted_interval
from tests.numerics.primitives import End


def interval(low, high, t, share):
    return weighted_interval(low, high, t, share, 1.0)


def half_interval(low, high, t, share):
    return weighted_interval(low, high, t, share, 0.5)


ENDS = [
    End(uneven_absolute, (5.0, 3.0, 0.3, 0.7), 0.6, (0.3, -0.3, 2, 0)),
    End(uneven_absolute, (-2.0, 0.0, 0.3, 0.7), 1.4, (-0.7, 0.7, 0, 2)),
    End(uneven_absolute, (3.0, 3.0, 0.3, 0.7), 0, (-0.2, 0.2, 0, 0)),
    End(uneven_absolute, (np.inf, 0.0, 0.0, 1.0), 0, (0, 0, 0, 0)),
    End(uneven_absolute, (-np.inf, 0.0, 0.0, 1.0), np.inf, (-1, 1, 0, np.inf)),
    End(uneven_absolute, (3e38, -3e38, 0.25, 0.75), 1.5e38, (0.25, -0.25, np.inf, 0)),
    End(uneven_absolute, (-3e38, 3e38, 0.75, 0.25), 1.5e38, (-0.25, 0.25, 0, np.inf)),
    End(uneven_square, (2.0, 0.3, 0.7), 1.2, (1.2, 4, 0)),
    End(uneven_square, (-2.0, 0.3, 0.7), 2.8, (-2.8, 0, 4)),
    End(uneven_square, (0.0, 0.3, 0.7), 0, (0, 0, 0)),
    End(uneven_square, (-np.inf, 1.0, 0.0), 0, (0, 0, 0)),
    End(interval, (1.0, 3.0, 2.0, 0.25), 0.5, (-0.25, 0.25, 0, 2)),
    End(half_interval, (1.0, 3.0, 5.0, 0.25), 1.25, (-0.125, -0.375, 0.5, 1)),
    End(interval, (np.inf, 3.0, 2.0, 0.25), np.inf, (0.75, 0.25, -0.5 - 0.5, -np.inf)),
    End(interval, (-np.inf, np.inf, 2.0, 0.0), 0, (0, 0, 0, 0)),
    End(uneven_square, (1e30, 1e-30, 1.0), 1e30, (2, np.inf, 0)),
]
