"""The Gaussian negative log-likelihood."""

import numpy as np

from jaxloss.numerics.gaussian import gaussian_nll
from tests.numerics.primitives import End

ENDS = [
    End(gaussian_nll, (np.inf, 1.0), np.inf, (np.inf, -np.inf)),
    End(gaussian_nll, (0.0, 1.0), 0, (0, 0.5)),
    End(gaussian_nll, (1e30, 1e38), 0.5 * (np.log(np.float32(1e38)) + 1e22), (1e-8, -5e-17)),
]
