"""How field values are taken, compared, hashed and stored: a number has one key in whatever type it is given."""

from collections.abc import Sequence
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer


class _Traced:
    """A traced value as part of a key: equal to itself, and without a hash."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Traced) and self.value is other.value

    def __hash__(self) -> int:
        raise TypeError("a loss that holds a traced value has no hash: pass it as a pytree, not as a static argument.")


def key_of(value: Any) -> Any:
    """The key by which a value is compared and hashed; numbers are equal if they are equal as float64, nan too.

    So 0.1 is not float32(0.1), but 1, 1.0 and an array of 1 are one value. Comparison and hashing both use this
    function, so that equal values have equal hashes.
    """
    if isinstance(value, (int, float)):
        return value if value == value else "nan"
    if isinstance(value, Tracer):
        return _Traced(value)
    if isinstance(value, (np.generic, np.ndarray, jax.Array)):
        array = np.asarray(value)
        if array.ndim == 0:
            return key_of(array.item())
        if array.dtype.kind not in "OSUVMm" or jnp.issubdtype(array.dtype, jnp.floating):
            return array.shape, (array.astype(np.float64) + 0.0).tobytes()  # -0.0 + 0.0 is 0.0, to which it is equal
        return array.shape, tuple(array.ravel().tolist())
    if isinstance(value, (list, tuple)):
        return tuple(map(key_of, cast(Any, value)))
    return value


def plain(value: Any) -> Any:
    """An array or array scalar as numbers and lists for JSON; any other value unchanged."""
    if isinstance(value, Tracer):
        raise TypeError("a loss that holds a traced value has no configuration: take it outside of jax.jit.")
    return value.tolist() if isinstance(value, (jax.Array, np.ndarray, np.generic)) else value


def native(value: Any) -> Any:
    """A list of another library, as of a configuration, as Python's; numbers of another, as a tensor, as NumPy's."""
    cls = type(value)
    if isinstance(value, (jax.Array, np.ndarray, np.generic)):
        return value
    if isinstance(value, Sequence) and cls.__hash__ is None:
        return list(cast(Sequence[Any], value))
    # What JAX can read, or map over, is left to it: a variable of flax may be learned.
    foreign = hasattr(cls, "__array__") and not hasattr(cls, "__jax_array__") and jax.tree_util.all_leaves([value])
    return np.asarray(value) if foreign else value


__all__ = ["key_of", "native", "plain"]
