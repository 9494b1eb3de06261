"""Matrix products whose operands are multiplied in half precision, in derivatives of every order too.

`lax.dot_general` adds products of bfloat16 operands in float32 if it is told to; but its transpose then multiplies the
float32 cotangent with the other operand, which XLA widens for it: two of a last layer's three products would run in
float32. Here the cotangent is rounded to the operands' dtype first, and the sum stays in float32.
"""

from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
from jax.interpreters import ad, batching, mlir

from jaxloss.numerics._mesh import varying_alike


def matrix_product(x: jax.Array, y: jax.Array, axes: str, dtype: Any) -> jax.Array:
    """A sum of products of two arrays of one dtype, multiplied in another and added in theirs.

    Args:
        x: An array.
        y: An array of the dtype of x, which is that of the result.
        axes: The subscripts of `jnp.einsum` for two operands; each axis of one is in the other or in the result.
        dtype: The dtype in which the elements are multiplied; the cast costs nothing if they had it before.
    """
    x, y = varying_alike(x, y)
    return _product().bind(x, y, axes=axes, dtype=jnp.dtype(dtype))


def _einsum(x: jax.Array, y: jax.Array, axes: str, dtype: Any) -> jax.Array:
    return jnp.einsum(axes, x.astype(dtype), y.astype(dtype), preferred_element_type=x.dtype)


def _type(x: Any, y: Any, **how: Any) -> Any:
    # By tracing, so that JAX finds the mesh axes over which the result varies.
    (result,) = jax.make_jaxpr(lambda x, y: _einsum(x, y, **how))(x, y).out_avals
    return result


def _cotangent_of_x(cotangent: jax.Array, x: Any, y: jax.Array, *, axes: str, dtype: Any) -> jax.Array:
    of_x, of_y, of_result = _split(axes)
    return matrix_product(cotangent, y, f"{of_result},{of_y}->{of_x}", dtype)


def _cotangent_of_y(cotangent: jax.Array, x: jax.Array, y: Any, *, axes: str, dtype: Any) -> jax.Array:
    of_x, of_y, of_result = _split(axes)
    return matrix_product(cotangent, x, f"{of_result},{of_x}->{of_y}", dtype)


def _batched(arrays: Any, dimensions: Any, *, axes: str, dtype: Any) -> tuple[jax.Array, int]:
    fresh = next(letter for letter in "abcdefghijklmnopqrstuvwxyz" if letter not in axes)
    x, y = (a if d is None else jnp.moveaxis(a, d, 0) for a, d in zip(arrays, dimensions, strict=True))
    in_x, in_y = ("" if d is None else fresh for d in dimensions)
    of_x, of_y, of_result = _split(axes)
    return matrix_product(x, y, f"{in_x}{of_x},{in_y}{of_y}->{fresh}{of_result}", dtype), 0


def _split(axes: str) -> list[str]:
    return axes.replace("->", ",").split(",")


@cache
def _product() -> Any:
    """The primitive with its rules, made for the first product: its module brings in Pallas, which takes 25 ms."""
    from jax.extend.core import Primitive

    product = Primitive("jaxloss_product")
    product.def_impl(_einsum)
    product.def_abstract_eval(_type)
    ad.defbilinear(product, _cotangent_of_x, _cotangent_of_y)
    batching.primitive_batchers[product] = _batched
    mlir.register_lowering(product, mlir.lower_fun(_einsum, multiple_results=False))
    return product
