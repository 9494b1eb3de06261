"""The Gaussian negative log-likelihood."""

import numpy as np

from jaxloss.numerics.gaussian import gaussian_nll, gaussian_nll_of_log, gaussian_nll_of_scale
from tests.numerics.primitives import End

HIGH = np.log(np.float32(1e38))
ENDS = [
    End(gaussian_nll, (np.inf, 1.0, 1.0), np.inf, (np.inf, -np.inf, np.inf)),
    End(gaussian_nll, (0.0, 1.0, 1.0), 0, (0, 0.5, 0)),
    End(gaussian_nll, (1e30, 1e38, 1.0), 0.5 * (HIGH + 1e22), (1e-8, -5e-17, 0.5 * (HIGH + 1e22))),
    End(gaussian_nll_of_scale, (1e30, 1e20, 1e20, 1.0), 5e19, (1e-10, -1, -1, HIGH * 20 / 38)),
    End(gaussian_nll_of_log, (2.0, -100.0, -100.0), 2, (2, -2, 2)),
    End(
        gaussian_nll_of_log,
        (1e25, 100.0, 0.0),
        50 + 0.5e50 * np.exp(-100),
        (1e25 * np.exp(-100), 0.5 - 0.5e50 * np.exp(-100), 50 + 0.5e50 * np.exp(-100)),
    ),
]
