"""What JAX must be told on meshes with explicit axes, where each sharding has to follow from the operands."""

import jax
import jax.numpy as jnp
from jax import lax
from jax.sharding import NamedSharding, PartitionSpec


def explicit_sharding(x: jax.Array) -> NamedSharding | None:
    """The sharding of x if its type carries one, else None (no mesh, or one whose axes XLA manages)."""
    sharding = getattr(jax.typeof(x), "sharding", None)
    return sharding if isinstance(sharding, NamedSharding) and any(s is not None for s in sharding.spec) else None


def is_split(x: jax.Array, axes: tuple[int, ...]) -> bool:
    """Whether an axis of x is explicitly sharded."""
    sharding = explicit_sharding(x)
    return sharding is not None and any(sharding.spec[a] is not None for a in axes)


def aligned(x: jax.Array, y: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Two arrays of one shape, both sharded explicitly as the first is, or as the second if only that is."""
    sharding = explicit_sharding(x) or explicit_sharding(y)
    return (x, y) if sharding is None else (jax.sharding.reshard(x, sharding), jax.sharding.reshard(y, sharding))


def aligned_labels(x: jax.Array, labels: jax.Array, axes: tuple[int, ...]) -> jax.Array:
    """Labels sharded explicitly as x is, whose axes of classes they lack."""
    sharding = explicit_sharding(x)
    if sharding is None:
        return labels
    spec = PartitionSpec(*(s for i, s in enumerate(sharding.spec) if i not in axes))
    return jax.sharding.reshard(labels, NamedSharding(sharding.mesh, spec))


def columns(x: jax.Array, axis: int, dtype: jax.typing.DTypeLike) -> jax.Array:
    """The index along an axis, in the shape of x and sharded as x is."""
    return lax.broadcasted_iota(dtype, x.shape, axis, out_sharding=explicit_sharding(x))


def look_up(table: jax.Array, indices: jax.Array) -> jax.Array:
    """The elements of a one-dimensional table, in the shape of the indices and sharded as they are."""
    sharding = explicit_sharding(indices)
    if sharding is None:
        return jnp.take(table, indices, mode="clip")
    return table.at[indices].get(mode="clip", out_sharding=sharding)


def keep(mask: jax.Array, x: jax.Array, fill: float = 0.0) -> jax.Array:
    """X where the mask, which broadcasts against it, is True, else a constant."""
    mask = jnp.broadcast_to(mask, x.shape)
    sharding = explicit_sharding(x)
    other = explicit_sharding(mask)
    if sharding is not None:
        mask = jax.sharding.reshard(mask, sharding)
    elif other is not None:
        mask = jax.sharding.reshard(mask, NamedSharding(other.mesh, PartitionSpec()))
    return jnp.where(mask, x, jnp.full_like(x, fill))
