"""A part of a whole: neither its value nor its slopes cancel."""

from jaxloss.numerics.ratios import fraction
from tests.numerics.primitives import POSITIVE, End, Row

TRUTHS = [
    Row(lambda a: fraction(a, a.dtype.type(2)), lambda a: a / (a + 2), POSITIVE, 3, 4),
    Row(lambda b: fraction(b.dtype.type(2), b), lambda b: 2 / (2 + b), POSITIVE, 3, 4),
]
ENDS = [
    End(fraction, (0.0, 0.0), 0, (0, 0)),
    End(fraction, (0.0, 2.0), 0, (0.5, 0)),
    End(fraction, (2.0, 0.0), 1, (0, -0.5)),
    End(fraction, (1.0, 1e30), 1e-30, (1e-30, 0)),
]
