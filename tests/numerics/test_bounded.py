"""The binary cross-entropy with bounded logarithms."""

from jaxloss.numerics.bounded import bounded_bernoulli_nll
from tests.numerics.primitives import End

ENDS = [
    End(bounded_bernoulli_nll, (0.0, 0.0), 0, (0, 100)),
    End(bounded_bernoulli_nll, (0.0, 1.0), 100, (-1e12, 100)),
    End(bounded_bernoulli_nll, (1.0, 0.25), 75, (0.75e12, -100)),
]
