"""Arrays on meshes with explicit axes, and sums over mesh axes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

from jaxloss.numerics import _mesh, label

X = np.arange(32, dtype=np.float32).reshape(8, 4)


@pytest.fixture
def put():
    mesh = jax.make_mesh((4, 2), ("data", "model"), axis_types=(AxisType.Explicit,) * 2)
    with jax.set_mesh(mesh):
        yield lambda x, *spec: jax.device_put(x, NamedSharding(mesh, P(*spec)))


def _spec(x):
    return jax.typeof(x).sharding.spec


def test_a_second_array_is_sharded_as_the_first_or_the_first_as_the_second(put):
    x, y = put(X, "data", "model"), put(X, None, None)
    for pair in (_mesh.aligned(x, y), _mesh.aligned(y, x)):
        assert {_spec(a) for a in pair} == {P("data", "model")}
    assert _spec(_mesh.aligned_labels(x, jnp.arange(8), (1,))) == P("data")
    assert _spec(_mesh.sharded_like(x, put(X[:, :1], None, None))) == P("data", None)
    assert _spec(_mesh.replicated(x, (1,))) == P("data", None)


def test_indices_tables_and_masks_follow_what_they_are_used_with(put):
    x = put(X, "data", "model")
    columns = _mesh.columns(x, 1, jnp.int32)
    assert _spec(columns) == P("data", "model")
    np.testing.assert_array_equal(np.asarray(columns)[0], range(4))
    labels = put(np.arange(8, dtype=np.int32) % 3, "data")
    found = label.look_up(put(np.float32([5, 6, 7]), None), labels)
    assert _spec(found) == P("data")
    np.testing.assert_array_equal(found, np.float32([5, 6, 7])[np.arange(8) % 3])
    np.testing.assert_array_equal(_mesh.keep(put(X > 3, None, None), x, 9.0), np.where(X > 3, X, 9))
    assert _mesh.keep(None, x) is x


def test_a_function_runs_with_sharding_left_to_xla(put):
    x = put(X, "data", "model")
    flipped = jax.jit(lambda x: _mesh.automatic(lambda x: x[::-1].reshape(-1).reshape(8, 4), x, x))(x)
    assert _spec(flipped) == P("data", "model")
    np.testing.assert_array_equal(flipped, X[::-1])
    assert _mesh.on_mesh(x)
    assert _mesh.is_split(x, (0,))


def test_an_array_on_one_device_is_on_no_mesh():
    assert not _mesh.on_mesh(jnp.ones(3))
    assert _mesh.explicit_sharding(jnp.ones(3)) is None


def test_sums_and_maxima_of_shards_are_of_all_and_of_none_without_an_axis():
    def both(x, axis):
        return _mesh.sum_of_shards((x, 2 * x), axis), _mesh.max_of_shards(x, axis)

    (once, twice), highest = jax.vmap(lambda x: both(x, "shards"), axis_name="shards")(X)
    np.testing.assert_array_equal(once, np.tile(X.sum(0), (8, 1)))
    np.testing.assert_array_equal(twice, 2 * once)
    np.testing.assert_array_equal(highest, np.tile(X.max(0), (8, 1)))
    np.testing.assert_array_equal(both(X, None)[1], X)


def test_arrays_vary_over_the_axes_over_which_any_does():
    mesh = jax.make_mesh((8,), ("shards",), axis_types=(AxisType.Auto,))

    def step(x):
        x, zero = _mesh.varying_alike(x, jnp.zeros(()))
        return jax.lax.scan(lambda total, row: (total + row.sum(), None), zero, x)[0][None]

    sums = jax.jit(jax.shard_map(step, mesh=mesh, in_specs=P("shards"), out_specs=P("shards")))(X)
    np.testing.assert_array_equal(sums, X.sum(1))
