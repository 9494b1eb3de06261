import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import optax
from jax.sharding import PartitionSpec as P

import jaxloss
from tests import cases
from tests.cases import Case, Domain, Limit
from tests.compiling import quick
from tests.losses.embedding.test_cosine import VECTORS, similarity


def pairs_of(labels):
    n = range(len(labels))
    return [(i, j) for i in n for j in n if i != j and labels[i] == labels[j]]


def of_pairs(x, labels, temperature):
    found = pairs_of(labels)
    s = [[similarity(a, b) / temperature for b in x] for a in x]
    against = [mp.fsum(mp.exp(s[i][k]) for k in range(len(x)) if labels[k] != labels[i]) for i in range(len(x))]
    losses = [mp.log1p(against[i] * mp.exp(-s[i][j])) for i, j in found]
    return mp.fsum(losses) / len(losses) if losses else mp.mpf(0)


def formula(x, labels, temperature=0.07):
    u = x / jnp.sqrt(jnp.sum(x * x, -1, keepdims=True))
    s = jnp.einsum("...id,...jd->...ij", u, u) / temperature
    alike = labels[..., :, None] == labels[..., None, :]
    positive = alike & ~jnp.eye(labels.shape[-1], dtype=bool)
    against = jnp.sum(jnp.where(alike, 0, jnp.exp(s)), -1, keepdims=True)
    losses = jnp.where(positive, jnp.log1p(against * jnp.exp(-s)), 0)
    return losses.sum((-2, -1)) / positive.sum((-2, -1))


def batches():
    """Six vectors in three groups, or two, of which one may be alone; from far apart to nearly alike."""
    rng, first, second = np.random.default_rng(2), [], []
    for spread in (1, 0.1, 1e-3):
        for groups in ([0, 0, 1, 1, 2, 2], [0, 0, 0, 0, 0, 1], [5, -1, 5, -1, 7, -1]):
            x = rng.normal(size=(1, 3)) + spread * rng.normal(size=(6, 3))
            first.append(np.float32(x * 10.0 ** rng.integers(-9, 9, (6, 1))))
            second.append(np.int32(groups))
    return first, second


GROUPS = Domain(lambda rng, shape, sizes: rng.integers(0, 3, shape).astype(np.int32), "...t", differentiable=False)
CASES = [
    Case(
        fn=jaxloss.ntxent,
        form=jaxloss.NTXent,
        arrays={"embeddings": VECTORS.over("...tc"), "labels": GROUPS},
        oracle=of_pairs,
        formula=formula,
        options={"temperature": 0.4},
        bad_options={
            "temperature": (0.0, -1.0, "cold", np.ones(2, np.float32)),
            "batch_axis_name": ("nowhere", ("nowhere", "else")),
        },
        grid=batches,
        least_classes=2,
        value=Limit(scaled=8),
        gradient=Limit(scaled=16),
        second=Limit(scaled=32),
        # Similarities over the temperature, the slopes in which cancel where the vectors nearly agree.
        terms=lambda x, labels, temperature: (1 / temperature,),
        gradient_terms=lambda x, labels, temperature: (1 / temperature / min(_lengths(x)),),
        second_terms=lambda x, labels, temperature: (1 / temperature**2 / min(_lengths(x)) ** 2,),
        noise=1.0,
    )
]


def theirs(*arguments):
    """optax's value and gradient, which ask for promotions."""
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        return quick(jax.value_and_grad(optax.losses.ntxent))(*arguments)


def _lengths(x):
    return [mp.sqrt(mp.fsum(v * v for v in row)) for row in x]


def test_a_batch_without_a_pair_has_no_loss_and_an_anchor_without_one_is_left_out():
    """optax has nan for the first."""
    x = cases.normal(np.random.default_rng(0), (4, 3))
    value, slope = jax.value_and_grad(jaxloss.ntxent)(x, np.arange(4))
    assert value == 0
    assert not slope.any()
    alone = jaxloss.ntxent(x, np.int32([0, 0, 0, 1]))
    np.testing.assert_allclose(alone, theirs(x, np.int32([0, 0, 0, 1]), 0.07)[0], rtol=1e-5)
    assert jaxloss.ntxent(x, np.zeros(4, np.int32)) == 0  # no negative


def test_what_is_masked_is_neither_anchor_nor_positive_nor_negative():
    rng = np.random.default_rng(1)
    x, labels, where = cases.normal(rng, (3, 8, 4)), rng.integers(0, 3, (3, 8)), rng.uniform(size=(3, 8)) < 0.7
    where[2] = False
    loss, mean = quick(jaxloss.ntxent), quick(jaxloss.NTXent())
    losses = loss(np.where(where[..., None], x, np.nan), labels, where=where)
    for i in range(2):
        np.testing.assert_allclose(losses[i], loss(x[i][where[i]], labels[i][where[i]]), rtol=1e-5)
    assert losses[2] == 0
    np.testing.assert_allclose(mean(x, labels, where=where), losses.sum() / 2, rtol=1e-6)
    np.testing.assert_allclose(mean(x[0], labels[0], where=where[0]), losses[0], rtol=1e-6)


def test_a_batch_over_devices_is_one_batch():
    rng = np.random.default_rng(2)
    x, labels, where = cases.normal(rng, (16, 4)), rng.integers(0, 5, 16), rng.uniform(size=16) < 0.8
    mesh = jax.make_mesh((8,), ("data",), axis_types=(jax.sharding.AxisType.Auto,))
    loss = jaxloss.NTXent(temperature=0.3)
    own = lambda x, labels, where: loss.replace(batch_axis_name="data")(x, labels, where=where)
    on_mesh = jax.shard_map(own, mesh=mesh, in_specs=(P("data"), P("data"), P("data")), out_specs=P())
    got = quick(jax.value_and_grad(on_mesh))(x, labels, where)
    expected = quick(jax.value_and_grad(lambda x: loss(x, labels, where=where)))(x)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), got, expected)
