"""The logistic function, its logarithms and its complement."""

import mpmath as mp
import numpy as np

from jaxloss.numerics.logistic import bernoulli_nll, log1mexp, miss, sigmoid, sigmoid_nll, softplus, softplus_minus
from tests.numerics.primitives import POSITIVE, REALS, End, Row

TRUTHS = [
    Row(softplus, lambda x: mp.log1p(mp.exp(x)), REALS, 3, 3),
    Row(softplus_minus, lambda x: mp.log1p(mp.exp(-x)), REALS, 3, 3),
    Row(sigmoid, lambda x: 1 / (1 + mp.exp(-x)), REALS, 3, 4),
    Row(miss, lambda x: 1 / (1 + mp.exp(x)), REALS, 3, 4),
    Row(log1mexp, lambda x: mp.log(-mp.expm1(-x)), POSITIVE, 4, 3),
]
ENDS = [
    End(softplus, (-np.inf,), 0, (0,)),
    End(softplus, (np.inf,), np.inf, (1,)),
    End(softplus_minus, (np.inf,), 0, (0,)),
    End(sigmoid, (np.inf,), 1, (0,)),
    End(log1mexp, (0.0,), -np.inf, (np.inf,)),
    End(log1mexp, (np.inf,), 0, (0,)),
    End(sigmoid_nll, (np.inf, 1.0), 0, (0, 0)),
    End(sigmoid_nll, (-np.inf, 1.0), np.inf, (-1, np.inf)),
    End(bernoulli_nll, (0.0, 0.0, 1.0), 0, (1, 0, 0)),
    End(bernoulli_nll, (1.0, 1.0, 1.0), 0, (-1, 0, 0)),
]
