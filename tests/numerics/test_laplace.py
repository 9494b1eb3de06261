"""The negative log-likelihood of Laplace's law."""

import numpy as np

from jaxloss.numerics.laplace import laplace_nll
from tests.numerics.primitives import End

ENDS = [
    End(laplace_nll, (0.0, 0.5), 0, (0, 2)),
    End(laplace_nll, (-3.0, 1.5), np.log(3) + 2, (-1 / 1.5, -1 / 1.5)),
    End(laplace_nll, (np.inf, 1.0), np.inf, (1, -np.inf)),
]
