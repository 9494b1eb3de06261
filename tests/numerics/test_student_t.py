"""Student's negative log-likelihood at the ends of its domain."""

import numpy as np

from jaxloss.numerics.student_t import student_t_nll
from tests.numerics.primitives import End

GAUSSIAN = 0.5 * np.log(2 * np.pi)
ENDS = [
    End(student_t_nll, (0.0, np.inf, 1.0), GAUSSIAN, (0, 0, 1)),
    End(student_t_nll, (3.0, np.inf, 2.0), GAUSSIAN + np.log(2) + 1.125, (0.75, 0, -0.625)),
    End(
        student_t_nll, (1e20, 1.0, 1.0), np.log(np.pi) + 40 * np.log(10), (2e-20, 20 * np.log(10) - 0.5 - np.log(2), -1)
    ),
    # The error in scales is 1e40.
    End(
        student_t_nll,
        (1e30, 1.0, 1e-10),
        np.log(np.pi) + 70 * np.log(10),
        (2e-30, 40 * np.log(10) - 0.5 - np.log(2), -1e10),
    ),
]
