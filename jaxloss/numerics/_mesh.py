"""Meshes of devices: shardings on explicit axes, and sums over devices that each hold a part of a row.

On a mesh with explicit axes, the sharding of a result must follow from its operands, or be given. Inside `shard_map`,
the elements of a row may be spread over mesh axes: `sum_of_shards` and `max_of_shards` combine the devices' values, and
do nothing if no axis is named. Derivative rules may call them: a tangent that ends in a sum over the shards is
transposed correctly whether or not `shard_map` checks which arrays vary (`check_vma`).
"""

from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar

import jax
import jax.numpy as jnp
from jax import lax
from jax.sharding import AbstractMesh, AxisType, NamedSharding, PartitionSpec, auto_axes, use_abstract_mesh

AxisName: TypeAlias = str | tuple[str, ...] | None
"""Mesh axes, inside `shard_map`, `pmap` or `vmap`."""

Sums = TypeVar("Sums")


def explicit_sharding(x: jax.Array) -> NamedSharding | None:
    """The sharding of `x` if its type carries one, else None (no mesh, or a mesh whose axes XLA manages)."""
    sharding = getattr(jax.typeof(x), "sharding", None)
    return sharding if isinstance(sharding, NamedSharding) and any(s is not None for s in sharding.spec) else None


def is_split(x: jax.Array, axes: tuple[int, ...]) -> bool:
    """Whether one of these axes of `x` is explicitly sharded."""
    sharding = explicit_sharding(x)
    return sharding is not None and any(sharding.spec[a] is not None for a in axes)


def aligned(x: jax.Array, y: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Two arrays of one shape, both sharded explicitly as the first is, or as the second if the first is not."""
    sharding = explicit_sharding(x) or explicit_sharding(y)
    return (x, y) if sharding is None else (jax.sharding.reshard(x, sharding), jax.sharding.reshard(y, sharding))


def aligned_labels(x: jax.Array, labels: jax.Array, axes: tuple[int, ...]) -> jax.Array:
    """Labels, which lack the class axes of `x`, sharded explicitly as its other axes are; replicated if none is."""
    sharding = explicit_sharding(x)
    if sharding is None:
        return replicated(labels, tuple(range(labels.ndim)))
    spec = PartitionSpec(*(s for i, s in enumerate(sharding.spec) if i not in axes))
    return jax.sharding.reshard(labels, NamedSharding(sharding.mesh, spec))


def sharded_like(x: jax.Array, y: jax.Array) -> jax.Array:
    """`y`, which broadcasts against `x` and has its rank, sharded explicitly as `x` is where their lengths agree."""
    of_x = explicit_sharding(x)
    sharding = of_x or explicit_sharding(y)
    if sharding is None:
        return y
    spec = (None,) * y.ndim if of_x is None else of_x.spec
    spec = PartitionSpec(*(s if n == m else None for s, n, m in zip(spec, y.shape, x.shape, strict=True)))
    return jax.sharding.reshard(y, NamedSharding(sharding.mesh, spec))


def replicated(x: jax.Array, axes: tuple[int, ...]) -> jax.Array:
    """`x` with these axes not sharded; the others keep their explicit sharding."""
    if not is_split(x, axes):
        return x
    sharding = jax.typeof(x).sharding
    spec = PartitionSpec(*(None if i in axes else s for i, s in enumerate(sharding.spec)))
    return jax.sharding.reshard(x, NamedSharding(sharding.mesh, spec))


def filled(x: jax.Array, value: Any, dtype: jax.typing.DTypeLike | None = None) -> jax.Array:
    """An array of one value, in the shape of `x`, and its dtype by default, sharded explicitly as `x` is.

    `jnp.full_like` loses the sharding of a concrete array while another one is differentiated, as in a derivative rule
    that is run operation by operation.
    """
    same = jnp.full_like(x, value, dtype)
    sharding = explicit_sharding(x)
    return same if sharding is None else jax.sharding.reshard(same, sharding)


def columns(x: jax.Array, axis: int, dtype: jax.typing.DTypeLike) -> jax.Array:
    """The index of each element along an axis, in the shape and sharding of `x`."""
    return lax.broadcasted_iota(dtype, x.shape, axis, out_sharding=explicit_sharding(x))


def keep(mask: jax.Array | None, x: jax.Array, fill: float = 0.0) -> jax.Array:
    """`x` where the mask, which broadcasts against it, is True, else a constant; `x` itself if the mask is None."""
    if mask is None:
        return x
    kept = jnp.broadcast_to(mask, x.shape)
    sharding, other = explicit_sharding(x), explicit_sharding(kept)
    if sharding is not None:
        kept = jax.sharding.reshard(kept, sharding)
    elif other is not None:
        kept = jax.sharding.reshard(kept, NamedSharding(other.mesh, PartitionSpec()))
    return jnp.where(kept, x, filled(x, fill))


def varying_alike(*arrays: jax.Array) -> tuple[jax.Array, ...]:
    """The arrays, each varying over all axes of a `shard_map` over which one does, as loops and rules require."""
    varying = [varying_axes(x) for x in arrays]
    union = frozenset[str]().union(*varying)
    missing = [tuple(sorted(union - axes)) for axes in varying]
    return tuple(lax.pcast(x, m, to="varying") if m else x for x, m in zip(arrays, missing, strict=True))


def on_mesh(*arrays: jax.Array) -> bool:
    """Whether arrays are on a mesh of several devices, whatever their shardings, which tracing may not know."""
    meshes = [getattr(getattr(jax.typeof(x), "sharding", None), "mesh", None) for x in arrays]
    sizes = [zip(mesh.axis_types, mesh.axis_sizes, strict=True) for mesh in meshes if mesh is not None]
    return any(kind != AxisType.Manual and n > 1 for mesh in sizes for kind, n in mesh)


def automatic(f: Callable[..., Any], like: jax.Array | None, *arguments: Any) -> Any:
    """`f(*arguments)`, with sharding left to XLA on explicit axes too.

    Args:
        f: A function of pytrees of arrays.
        like: The array whose sharding the results have; None for scalars.
        arguments: The arguments of f.
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
    """The sum of each array over the devices; a tuple of arrays is sent in one message."""
    return x if axis_name is None else lax.psum(x, axis_name)


def max_of_shards(x: jax.Array, axis_name: AxisName) -> jax.Array:
    """The maximum over the devices, which has no derivative."""
    return x if axis_name is None else lax.pmax(lax.stop_gradient(x), axis_name)


def varying_axes(x: jax.Array) -> frozenset[str]:
    """The mesh axes over which an array may differ; none where `shard_map` does not check them."""
    kind = getattr(jax.typeof(x), "manual_axis_type", None)
    return frozenset() if kind is None else frozenset(kind.varying)
