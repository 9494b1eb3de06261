"""Promise 3: a weighted, masked mean and its gradient are the same on one device and on eight, by every road."""

import jax
import numpy as np
import pytest
from jax import lax
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

from tests import cases
from tests.cases import Case
from tests.compiling import jit

DEVICES, PER_DEVICE, CLASSES = 8, 2, 8
each_loss = pytest.mark.parametrize("case", cases.richest(), ids=lambda case: case.id)


def _inputs(case: Case):
    """Predictions, targets, weights and a mask that leaves one device nothing; eight classes, to be sharded."""
    rng = np.random.default_rng(11)
    batch = (DEVICES * PER_DEVICE,)
    shape = (*batch, CLASSES) if case.rows else batch
    predictions = case.predictions(rng, shape)
    targets = rng.integers(0, CLASSES, batch).astype(np.int32) if case.labels else case.targets(rng, shape)
    weights = rng.uniform(0.25, 4, batch).astype(np.float32)
    where = rng.uniform(size=(DEVICES, PER_DEVICE)) < 0.6
    where[0], where[3] = True, False
    return predictions, targets, weights, where.ravel()


def _mean(case: Case, **fields):
    """The mean by the class form, with an option of one value per class stretched to eight of them."""
    options = {name: np.resize(v, CLASSES).tolist() if np.ndim(v) else v for name, v in case.kwargs.items()}
    form = case.form(**options, **fields)
    return lambda p, t, w, m: form(p, t, weights=w, where=m)


def _check(got, expected, what):
    """Equal to the rounding of a sum in another order: 5e-7 of the largest answer."""
    for kind, a, b in zip(("value", "gradient"), got, expected, strict=True):
        b = np.asarray(b)
        assert np.all(np.isfinite(b))
        np.testing.assert_allclose(a, b, rtol=5e-7, atol=5e-7 * np.abs(b).max(), err_msg=f"{what}: {kind}")


def _steps(global_mean):
    """Value and gradient as in training: each device holds all parameters, here the predictions of all devices."""

    def own(parameters, *shard):
        start = lax.axis_index("data") * PER_DEVICE
        return global_mean(lax.dynamic_slice_in_dim(parameters, start, PER_DEVICE), *shard)

    def averaged_step(parameters, *shard):
        value, gradient = jax.value_and_grad(own)(parameters, *shard)
        return value, lax.pmean(gradient, "data")

    return jax.value_and_grad(own), averaged_step


def _split(*arrays):
    return [x.reshape(DEVICES, PER_DEVICE, *x.shape[1:]) for x in arrays]


@each_loss
def test_the_mean_over_a_named_axis_is_the_global_one(case):
    p, t, w, m = _inputs(case)
    mesh = jax.make_mesh((DEVICES,), ("data",), axis_types=(AxisType.Auto,))
    data, whole = P("data"), P()
    global_mean = _mean(case, axis_name="data")
    step, averaged_step = _steps(global_mean)

    def on_mesh(f, first, out, **options):
        return jax.shard_map(f, mesh=mesh, in_specs=(first, data, data, data), out_specs=out, **options)

    @jit
    def on_devices(p, t, w, m):
        return {
            "gradient outside shard_map": jax.value_and_grad(on_mesh(global_mean, data, whole))(p, t, w, m),
            "gradient inside shard_map": on_mesh(step, whole, whole)(p, t, w, m),
            "unchecked shard_map": on_mesh(averaged_step, whole, whole, check_vma=False)(p, t, w, m),
        }

    @jit
    def on_one(p, t, w, m, split):
        mapped = jax.vmap(averaged_step, in_axes=(None, 0, 0, 0), out_axes=None, axis_name="data")
        return jax.value_and_grad(_mean(case))(p, t, w, m), mapped(p, *split)

    answers = on_devices(p, t, w, m)
    expected, answers["vmap"] = on_one(p, t, w, m, _split(t, w, m))
    for what, got in answers.items():
        _check(got, expected, what)


# pmap compiles the program that the unchecked shard_map does, so a case of each kind is enough for it.
KINDS = {(case.rows, case.labels): case for case in cases.collect()}


@pytest.mark.parametrize("case", KINDS.values(), ids=lambda case: case.id)
def test_the_mean_under_pmap_is_the_global_one(case):
    p, t, w, m = _inputs(case)
    expected = jit(jax.value_and_grad(_mean(case)))(p, t, w, m)
    _, averaged_step = _steps(_mean(case, axis_name="data"))
    values, gradients = jax.pmap(averaged_step, axis_name="data", in_axes=(None, 0, 0, 0))(p, *_split(t, w, m))
    for value, gradient in zip(values, gradients, strict=True):
        _check((value, gradient), expected, "pmap")


@each_loss
def test_the_mean_of_sharded_arrays_needs_no_axis_name(case):
    """The batch over all devices; for losses over classes also the batch over two of them and the classes over four."""
    inputs = _inputs(case)
    mean = jax.value_and_grad(_mean(case))

    def answers(kind):
        mesh = jax.make_mesh((2, 4), ("data", "model"), axis_types=(kind, kind))

        def put(batch, classes):
            specs = [P(batch, *([classes] if x.ndim == 2 else [])) for x in inputs]
            return [jax.device_put(x, NamedSharding(mesh, spec)) for x, spec in zip(inputs, specs, strict=True)]

        ways = {"over the batch": put(("data", "model"), None)}
        if kind == AxisType.Auto:
            ways["not at all"] = put(None, None)
        if case.rows:
            ways["over the classes"] = put("data", "model")
        return jit(lambda ways: {way: mean(*arrays) for way, arrays in ways.items()})(ways)

    auto = answers(AxisType.Auto)
    expected = auto.pop("not at all")
    for way, got in auto.items():
        _check(got, expected, f"sharded {way}, automatically")
    for way, got in answers(AxisType.Explicit).items():
        _check(got, expected, f"sharded {way}, explicitly")


@pytest.mark.parametrize("sharded", ["predictions", "targets", "weights"])
@pytest.mark.parametrize("case", KINDS.values(), ids=lambda case: case.id)
def test_what_is_not_sharded_follows_what_is(case, sharded):
    """On an explicit mesh, where JAX refuses to select between arrays that are sharded differently."""
    if case.labels and sharded == "targets":
        pytest.skip("labels follow the logits")
    inputs = _inputs(case)
    expected = jit(jax.value_and_grad(_mean(case)))(*inputs)
    mesh = jax.make_mesh((DEVICES,), ("data",), axis_types=(AxisType.Explicit,))
    names = ("predictions", "targets", "weights", "where")
    put = [
        jax.device_put(x, NamedSharding(mesh, P("data") if name == sharded else P()))
        for name, x in zip(names, inputs, strict=True)
    ]
    _check(jit(jax.value_and_grad(_mean(case)))(*put), expected, f"only the {sharded} sharded")
