"""Meshes of devices: what JAX must be told where axes are explicit, and sums over the axes that split a row.

On a mesh with explicit axes each sharding has to follow from the operands. Inside `shard_map` a row's elements may be
spread over mesh axes, and `sum_of_shards` and `max_of_shards` combine what the devices have; with no axis named they do
nothing. Derivative rules may call them: a tangent that ends in a sum over the shards is transposed rightly whether
`shard_map` checks what varies or not.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
from jax import lax
from jax.sharding import AbstractMesh, AxisType, NamedSharding, PartitionSpec, auto_axes, use_abstract_mesh

AxisName = str | tuple[str, ...] | None
Sums = TypeVar("Sums")


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
    """Labels sharded explicitly as x is, whose axes of classes they lack; on every device if x is."""
    sharding = explicit_sharding(x)
    if sharding is None:
        return replicated(labels, tuple(range(labels.ndim)))
    spec = PartitionSpec(*(s for i, s in enumerate(sharding.spec) if i not in axes))
    return jax.sharding.reshard(labels, NamedSharding(sharding.mesh, spec))


def sharded_like(x: jax.Array, y: jax.Array) -> jax.Array:
    """`y`, of the rank of `x` and of its lengths or 1, sharded explicitly as `x` is where the lengths agree."""
    own, other = explicit_sharding(x), explicit_sharding(y)
    sharding = own or other
    if sharding is None:
        return y
    spec = (None,) * y.ndim if own is None else own.spec
    spec = PartitionSpec(*(s if n == m else None for s, n, m in zip(spec, y.shape, x.shape, strict=True)))
    return jax.sharding.reshard(y, NamedSharding(sharding.mesh, spec))


def replicated(x: jax.Array, axes: tuple[int, ...]) -> jax.Array:
    """`x` with some axes on no mesh axis; the others keep their explicit sharding."""
    if not is_split(x, axes):
        return x
    sharding = jax.typeof(x).sharding
    spec = PartitionSpec(*(None if i in axes else s for i, s in enumerate(sharding.spec)))
    return jax.sharding.reshard(x, NamedSharding(sharding.mesh, spec))


def columns(x: jax.Array, axis: int, dtype: jax.typing.DTypeLike) -> jax.Array:
    """The index along an axis, in the shape of x and sharded as x is."""
    return lax.broadcasted_iota(dtype, x.shape, axis, out_sharding=explicit_sharding(x))


def look_up(table: jax.Array, indices: jax.Array) -> jax.Array:
    """The elements of a one-dimensional table, in the shape of the indices and sharded as they are."""
    table = replicated(table, (0,))
    sharding = explicit_sharding(indices)
    if sharding is None:
        return jnp.take(table, indices, mode="clip")
    return table.at[indices].get(mode="clip", out_sharding=sharding)


def keep(mask: jax.Array | None, x: jax.Array, fill: float = 0.0) -> jax.Array:
    """`x` where the mask, which broadcasts against it, is True, else a constant; `x` itself without a mask."""
    if mask is None:
        return x
    kept = jnp.broadcast_to(mask, x.shape)
    sharding, other = explicit_sharding(x), explicit_sharding(kept)
    if sharding is not None:
        kept = jax.sharding.reshard(kept, sharding)
    elif other is not None:
        kept = jax.sharding.reshard(kept, NamedSharding(other.mesh, PartitionSpec()))
    return jnp.where(kept, x, jnp.full_like(x, fill))


def varying_alike(*arrays: jax.Array) -> tuple[jax.Array, ...]:
    """Arrays that all vary over the axes of a `shard_map` over which any of them does; loops and rules ask for it."""
    own = [varying_axes(x) for x in arrays]
    union = frozenset[str]().union(*own)
    missing = [tuple(sorted(union - axes)) for axes in own]
    return tuple(lax.pcast(x, m, to="varying") if m else x for x, m in zip(arrays, missing, strict=True))


def on_mesh(*arrays: jax.Array) -> bool:
    """Whether arrays are on several devices: how they are sharded is known, to the tracer, on explicit axes alone."""
    meshes = [getattr(getattr(jax.typeof(x), "sharding", None), "mesh", None) for x in arrays]
    sizes = [zip(mesh.axis_types, mesh.axis_sizes, strict=True) for mesh in meshes if mesh is not None]
    return any(kind != AxisType.Manual and n > 1 for mesh in sizes for kind, n in mesh)


def automatic(f: Callable[..., Any], like: jax.Array | None, *arguments: Any) -> Any:
    """`f(*arguments)`, with sharding left to XLA on explicit axes too.

    Args:
        f: A function of pytrees of arrays.
        like: What the results are sharded like; None for scalars.
        arguments: Its arguments.
    """
    shardings = [s for x in jax.tree.leaves(arguments) if (s := explicit_sharding(x)) is not None]
    if not shardings:
        return f(*arguments)
    mesh = shardings[0].mesh
    names = tuple(n for n, kind in zip(mesh.axis_names, mesh.axis_types, strict=True) if kind == AxisType.Explicit)
    sharding = None if like is None else explicit_sharding(like)
    spec = PartitionSpec() if sharding is None else sharding.spec
    with use_abstract_mesh(mesh if isinstance(mesh, AbstractMesh) else mesh.abstract_mesh):
        return auto_axes(f, axes=names, out_sharding=spec)(*arguments)


def sum_of_shards(x: Sums, axis_name: AxisName) -> Sums:
    """The sum of each array over the devices; of a tuple in one message."""
    return x if axis_name is None else lax.psum(x, axis_name)


def max_of_shards(x: jax.Array, axis_name: AxisName) -> jax.Array:
    """The maximum over the devices, which has no derivative."""
    return x if axis_name is None else lax.pmax(lax.stop_gradient(x), axis_name)


def varying_axes(x: jax.Array) -> frozenset[str]:
    """The mesh axes over which an array may differ; none where `shard_map` does not check it."""
    kind = getattr(jax.typeof(x), "manual_axis_type", None)
    return frozenset() if kind is None else frozenset(kind.varying)
