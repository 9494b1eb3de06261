r"""The step of log-gamma from $\nu / 2$ to $(\nu + 1) / 2$ less its leading term: what Student's constant adds.

$$g(\nu) = \log \Gamma(\nu / 2) - \log \Gamma((\nu + 1) / 2) + \tfrac12 \log(\nu / 2)$$

It falls from infinity at 0 to 0 at infinity, near $1 / 4 \nu$, and so does minus its slope. Each function here is a
Chebyshev series in $z = (\nu - 2) / (\nu + 2)$ times a factor that is right at both ends, exact to the last digits of
float64.
"""

import jax

from jaxloss.numerics._rule import rule
from jaxloss.numerics.chebyshev import half_line_series
from jaxloss.numerics.elementary import log1p


@jax.custom_jvp
def half_step(nu: jax.Array) -> jax.Array:
    r"""$g(\nu)$ for $\nu > 0$."""
    # 2 g = log(1 + r / 2 nu) with r = 4 Gamma(a + 1)^2 / Gamma(a + 1/2)^2 - 4 a, a = nu / 2, from 4 / pi to 1.
    # A product, which XLA computes again in each use; a quotient it would store.
    return 0.5 * log1p(half_line_series(nu, 2, _OF_SQUARE) * (0.5 / nu))


@rule(half_step)
def _half_step_jvp(primals, tangents):
    (nu,) = primals
    return half_step(nu), -half_step_fall(nu) * tangents[0]


@jax.custom_jvp
def half_step_fall(nu: jax.Array) -> jax.Array:
    r"""Minus the first derivative, $-g'(\nu)$, from $1 / 2 \nu$ near 0 to $1 / 4 \nu^2$ at infinity."""
    # Two quotients: the product of the denominators would overflow.
    inverse = 1 / nu
    return (half_line_series(nu, 2, _OF_SLOPE) * (0.5 * inverse)) * (1 / (1 + 2 * nu))


@rule(half_step_fall)
def _half_step_fall_jvp(primals, tangents):
    (nu,) = primals
    return half_step_fall(nu), -half_step_curvature(nu) * tangents[0]


def half_step_curvature(nu: jax.Array) -> jax.Array:
    r"""The second derivative $g''(\nu)$, from $1 / 2 \nu^2$ near 0 to $1 / 2 \nu^3$ at infinity."""
    inverse = 1 / nu
    return ((half_line_series(nu, 2, _OF_CURVATURE) * (0.5 * inverse)) * inverse) * (1 / (1 + nu))


# The Chebyshev coefficients of the functions divided by those factors.
_OF_SQUARE = [
    1.1148627255303551, -0.1350956837315113, 0.021828755659435525, -0.0015303596297781166, -7.373415204148293e-05,
    6.065805090765817e-06, 2.0434786902873953e-06, 2.1690616572863702e-07, -1.5799904109455627e-08,
    -1.1589601631884708e-08, -2.4324838177822766e-09, -1.6351766367476237e-10, 7.601959419732935e-11,
    3.5127938420611555e-11, 7.874265225361737e-12, 6.273971284791745e-13, -3.139535636978003e-13,
    -1.7769356321151519e-13, -5.143290867151925e-14, -8.016513875165275e-15, 8.321583811301644e-16,
    1.133109860849252e-15, 4.748376835023857e-16, 1.2596599064361905e-16,
]  # fmt: skip
_OF_SLOPE = [
    1.0741960508352095, -0.02884020229896366, -0.06839198090460509, 0.028032739780094202, -0.005663994783926229,
    0.0007787758054118528, -0.00013606012615626842, 2.7979246750667463e-05, -3.857487127858242e-06,
    6.916177267262924e-07, -1.533817321983911e-07, 1.4929107487749796e-08, -4.163130737643346e-09,
    8.725702155515381e-10, 1.2811759279689438e-11, 4.82071190974785e-11, -4.325736216643082e-13,
    -6.817055843319157e-13, -8.707592092263017e-13, -2.289620426726954e-13, -4.592047680736583e-14,
    3.298091314409941e-15, 5.681599344951666e-15, 2.673444981942553e-15, 7.717878133441217e-16,
    1.1985199526885484e-16, -2.341190265308682e-17,
]  # fmt: skip
_OF_CURVATURE = [
    1.1365277125722426, -0.045779494018854415, -0.1302323322666591, 0.045286858942514274, -0.00613074799522155,
    0.00045717858315872485, -0.0001630670700639725, 3.446931738372717e-05, -1.3535366657838135e-06,
    1.0046347519554206e-06, -1.9995753679292772e-07, -1.799425274393327e-08, -1.2179678899942254e-08,
    2.886561534658129e-10, 3.868495026344954e-10, 2.441409310622377e-10, 5.05433111393709e-11,
    4.414203362979272e-12, -3.2419485264917163e-12, -1.83151836299143e-12, -5.860140958644244e-13,
    -1.0017870454262925e-13, 1.0568980161518843e-14, 1.6703495978094717e-14, 7.756779040215353e-15,
    2.308051938450977e-15, 3.594790354291469e-16, -7.97221344454345e-17, -9.196296630364164e-17,
]  # fmt: skip
