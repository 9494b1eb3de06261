"""The matrix product in every layout."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxloss.numerics.product import matrix_product
from tests.compiling import quick

LAYOUTS = "nd,dv->nv", "nd,vd->nv", "nv,dv->nd", "nd,nv->dv", "nd,nv->vd", "nv,nd->vd", "nv,nd->dv"


@pytest.mark.parametrize("sizes", [{"n": 12, "d": 2, "v": 5}, {"n": 3, "d": 7, "v": 5}], ids=["long", "wide"])
def test_a_matrix_product_and_its_transposes_whatever_the_layout(sizes):
    rng = np.random.default_rng(0)
    letters = {axes: axes.replace("->", ",").split(",") for axes in LAYOUTS}
    make = lambda letters: rng.standard_normal([2, *(sizes[a] for a in letters)]).astype(np.float32)
    arrays = {axes: [make(own) for own in of] for axes, of in letters.items()}

    def product(axes, x, y, ct):
        value, transpose = jax.vjp(lambda x, y: matrix_product(x, y, axes, jnp.float32), x, y)
        return value, *transpose(ct)

    @quick
    def run(arrays):
        one = {axes: product(axes, *(b[0] for b in a)) for axes, a in arrays.items()}
        return one, {axes: jax.vmap(partial(product, axes))(*a) for axes, a in arrays.items()}

    one, many = run(arrays)
    for axes, (x, y, ct) in arrays.items():
        of_x, of_y, of_result = letters[axes]
        factors = (of_x, of_y, of_result, x, y), (of_result, of_y, of_x, ct, y), (of_result, of_x, of_y, ct, x)
        truth = [np.einsum(f"b{a},b{b}->b{c}", p.astype(np.float64), q) for a, b, c, p, q in factors]
        for of_one, of_many, expected in zip(one[axes], many[axes], truth, strict=True):
            np.testing.assert_allclose(of_one, expected[0], rtol=1e-5, atol=1e-5, err_msg=axes)
            np.testing.assert_allclose(of_many, expected, rtol=1e-5, atol=1e-5, err_msg=axes)


@pytest.mark.parametrize("axes", ["nd,nd->n", "nd,nd->d", "nd,nv->ndv"])
def test_a_product_that_is_not_a_matrix_product(axes):
    x, y = np.float32([[1, 2], [3, 4], [5, 6]]), np.float32([[7, 8], [9, 1], [2, 3]])
    got = quick(lambda x, y: matrix_product(x, y, axes, jnp.float32))(x, y)
    np.testing.assert_array_equal(got, np.einsum(axes, x, y))
