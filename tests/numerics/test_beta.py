"""The beta negative log-likelihood at the ends of its domain."""

import numpy as np

from jaxloss.numerics.beta import beta_nll
from tests.numerics.primitives import End

ENDS = [
    End(beta_nll, (0.0, 0.5, 2.0), 0, (0, 0, 0.5 * np.log(4) - 1)),
    End(beta_nll, (100.0, 0.5, 1.0), 100 - np.log(2), (1, -2, np.log(2) - 1)),
    End(beta_nll, (np.inf, 0.5, 1.0), np.inf, (1, -2, np.log(2) - 1)),
]
