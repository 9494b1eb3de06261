"""Promise 3: a weighted, masked mean and its gradient are the same on one device and on eight, by every road."""

import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

from tests import cases
from tests.cases import Case
from tests.compiling import jit

DEVICES, PER_DEVICE = 8, 2
SIZES = {"c": 8, "d": 8}
BATCH = DEVICES * PER_DEVICE


def _every(found):
    return pytest.mark.parametrize("case", [case.sized(**SIZES) for case in found], ids=lambda case: case.id)


each_loss = _every(cases.each())
# What is sent over a named axis are a numerator and a denominator, whatever the loss and however many arrays it takes.
OVER_A_NAMED_AXIS = cases.each_structure()
OF_A_KIND = {case.fn for case in cases.kinds()}
FEW = {case.fn for case in cases.each_structure()}
Inputs = dict[str, np.ndarray]


def _inputs(case: Case) -> tuple[Inputs, Inputs, Inputs]:
    """Arrays, options, and the weights and a mask that leaves one device nothing; eight classes, to be sharded."""
    rng = np.random.default_rng(11)
    arrays, numeric = case.draw(seed=11, batch=(BATCH,)), case.numeric()
    where = rng.uniform(size=(DEVICES, PER_DEVICE)) < 0.6
    where[0], where[3] = True, False
    return arrays, numeric, {"weights": rng.uniform(0.25, 4, BATCH).astype(np.float32), "where": where.ravel()}


def _mean(case: Case, **fields):
    def mean(arrays, numeric, rest):
        return case.reduced(case.make(numeric, **fields), arrays, **rest)

    return mean


def _check(got, expected, what, limit=5e-7):
    """Equal to the rounding of a sum in another order: 5e-7 of the largest answer, or of a sum's terms."""
    assert jax.tree.structure(got) == jax.tree.structure(expected)
    value, *_ = jax.tree.leaves(expected)
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True):
        b = np.asarray(b)
        assert np.all(np.isfinite(b))
        size = np.abs(b).max(initial=0)
        # The slope in an option is a sum over the batch, whose terms are as large as the losses and may cancel.
        size = size if np.ndim(b) else max(size, abs(float(value)))
        np.testing.assert_allclose(a, b, rtol=limit, atol=limit * size, err_msg=what)


def _specs(case: Case, inputs, batch="data", classes=None):
    """How each array is sharded, by its axes: options have one value for each class, the rest is over the batch."""
    arrays, numeric, rest = inputs
    letter = {"c": classes}

    def of(domain):
        own = [letter.get(a) for a in domain.axes.removeprefix("...")]
        return P(batch, *own) if domain.batched else P(*own)

    return (
        {k: of(case.arrays[k]) for k in arrays},
        {k: P(classes) if k in case.per_class else P() for k in numeric},
        {k: P(batch, *[classes] * (x.ndim - 1)) for k, x in rest.items()},
    )


def _put(mesh, inputs, specs):
    return jax.tree.map(lambda x, s: jax.device_put(x, NamedSharding(mesh, s)), inputs, specs)


# --------------------------------------------------------------------------------------------------- a named axis


def _steps(case: Case):
    """Value and gradient as in training: each device holds all parameters, here the predictions of all devices."""
    global_mean = _mean(case, axis_name="data")

    def own(parameters, arrays, numeric, rest):
        start = lax.axis_index("data") * PER_DEVICE
        p = lax.dynamic_slice_in_dim(parameters, start, PER_DEVICE)
        return global_mean({**arrays, case.predictions: p}, numeric, rest)

    def averaged_step(parameters, *shard):
        value, gradient = jax.value_and_grad(own)(parameters, *shard)
        return value, lax.pmean(gradient, "data")

    return jax.value_and_grad(own), averaged_step


def _value_and_slope(mean, predictions):
    """Of the mean, in the predictions."""

    def of(p, arrays, numeric, rest):
        return mean({**arrays, predictions: p}, numeric, rest)

    return jax.value_and_grad(of)


@_every(OVER_A_NAMED_AXIS)
def test_the_mean_over_a_named_axis_is_the_global_one(case):
    """In the quick tier of plain losses of two arrays: every loss is on meshes below."""
    inputs = _inputs(case)
    mesh = jax.make_mesh((DEVICES,), ("data",), axis_types=(AxisType.Auto,))
    specs, p = _specs(case, inputs), inputs[0][case.predictions]
    step, averaged_step = _steps(case)

    def on_mesh(f, first, out, **options):
        return jax.shard_map(f, mesh=mesh, in_specs=(first, *specs), out_specs=out, **options)

    def whole(p, arrays, numeric, rest):
        return _mean(case, axis_name="data")({**arrays, case.predictions: p}, numeric, rest)

    @jit
    def on_devices(p, *inputs):
        return {
            "gradient outside shard_map": jax.value_and_grad(on_mesh(whole, P("data"), P()))(p, *inputs),
            "gradient inside shard_map": on_mesh(step, P(), P())(p, *inputs),
            "unchecked shard_map": on_mesh(averaged_step, P(), P(), check_vma=False)(p, *inputs),
        }

    split, axes = _split(case, inputs)

    @jit
    def on_one(p, inputs, split):
        mapped = jax.vmap(averaged_step, in_axes=(None, *axes), out_axes=None, axis_name="data")
        return _value_and_slope(_mean(case), case.predictions)(p, *inputs), mapped(p, *split)

    answers = on_devices(p, *inputs)
    expected, answers["vmap"] = on_one(p, inputs, split)
    for what, got in answers.items():
        _check(got, expected, what)


def _split(case: Case, inputs):
    """With an axis of devices, and which arrays have it."""
    specs = _specs(case, inputs)
    over = jax.tree.map(lambda s: 0 if len(s) and s[0] == "data" else None, specs)
    cut = lambda x, s: x.reshape(DEVICES, PER_DEVICE, *x.shape[1:]) if len(s) and s[0] == "data" else x
    return jax.tree.map(cut, inputs, specs), over


# pmap compiles the program that the unchecked shard_map does, so a case of each kind is enough for it.
@_every(cases.kinds() if cases.EVERY else OVER_A_NAMED_AXIS)
def test_the_mean_under_pmap_is_the_global_one(case):
    inputs = _inputs(case)
    p = inputs[0][case.predictions]
    expected = jit(_value_and_slope(_mean(case), case.predictions))(p, *inputs)
    _, averaged_step = _steps(case)
    split, axes = _split(case, inputs)
    values, gradients = jax.pmap(averaged_step, axis_name="data", in_axes=(None, *axes))(p, *split)
    for value, gradient in zip(values, gradients, strict=True):
        _check((value, gradient), expected, "pmap")


# --------------------------------------------------------------------------------------------------- sharded arrays


def _ways(case: Case, inputs):
    """Each array sharded in its own way, or not at all.

    With `--every` all ways of each loss's richest program, else most of them of one program of each kind of inputs; of
    other programs two.
    """
    ways = {"over the batch": _specs(case, inputs, ("data", "model"))}
    cut = any("c" in domain.axes for domain in case.arrays.values())
    if cut:
        ways["over the classes"] = _specs(case, inputs, "data", "model")
    nothing = jax.tree.map(lambda _: P(), inputs)
    full = _specs(case, inputs, "data", "model" if cut else None)
    for i, group in enumerate(full):
        for name, spec in group.items():
            if any(axis is not None for axis in spec):
                own = list(nothing)
                own[i] = {**own[i], name: spec}
                ways[f"{name} alone"] = tuple(own)
                rest = list(full)
                rest[i] = {**rest[i], name: P()}
                ways[f"all but {name}"] = tuple(rest)
    if cases.EVERY and cases.is_richest(case):
        return ways
    over = [way for way in ways if way.startswith("over")]
    if case.fn not in OF_A_KIND:
        asked = [over[-1], f"{case.predictions} alone"]
    else:
        asked = [*over, *(way for way in ways if way.endswith(" alone")), f"all but {case.predictions}"]
    return {way: ways[way] for way in asked}


def _executed(case: Case, ways, kind):
    """Those that are compiled and executed too: what is sent between devices is XLA's to know, whatever the loss.

    In the quick tier one way of a few cases; with `--every` all ways of a case of each plain kind, and those over the
    batch and the classes of the other kinds and of each loss over a row, whose sums over shards are its own.
    """
    over = {way: specs for way, specs in ways.items() if way.startswith("over")}
    if not cases.EVERY:
        return dict(list(over.items())[-1:]) if case.fn in FEW else {}
    if not cases.is_richest(case):
        return {}
    if case.fn in OF_A_KIND:
        return ways if kind == AxisType.Explicit and case.plain else over
    return {} if kind == AxisType.Explicit or case.elementwise else over


@each_loss
def test_the_mean_of_sharded_arrays_needs_no_axis_name(case):
    """On meshes that XLA manages and on explicit ones, where JAX refuses to mix arrays that are sharded differently.

    JAX traces every way, and refuses there what it refuses to mix; some are compiled and executed.
    """
    inputs = _inputs(case)
    smooth = lambda arrays: {k: arrays[k] for k in case.differentiable}

    def step(arrays, numeric, rest):
        mean = lambda some, numeric: _mean(case)({**arrays, **some}, numeric, rest)
        return jax.value_and_grad(mean, (0, 1))(smooth(arrays), numeric)

    step = jit(step)  # so that a way that is traced, then compiled, is traced once
    for kind in (AxisType.Explicit, AxisType.Auto):
        mesh = jax.make_mesh((2, 4), ("data", "model"), axis_types=(kind, kind))
        ways = _ways(case, inputs)
        if kind == AxisType.Explicit:
            for specs in ways.values():
                jax.eval_shape(step, *_put(mesh, inputs, specs))
        placed = {way: _put(mesh, inputs, specs) for way, specs in _executed(case, ways, kind).items()}
        if not placed:
            continue
        expected = step(*inputs)
        answers = jit(lambda placed: {way: step(*x) for way, x in placed.items()})(placed)
        for way, got in answers.items():
            _check(got, expected, f"sharded {way}, {kind}", 1e-6)


# ----------------------------------------------------------------------------------- classes that are cut by hand


OVER_DEVICES = [case for case in cases.each() if "vocab_axis_name" in inspect.signature(case.fn).parameters]


@_every(OVER_DEVICES)
def test_classes_over_devices_are_those_of_one(case):
    """Value, jvp, gradients and a Hessian product in every array and option, inside `shard_map` over the classes."""
    inputs = _inputs(case)
    rng = np.random.default_rng(12)
    if case.elements:
        where = rng.uniform(size=(BATCH, SIZES["c"])) < 0.8
        where[0] = False
        inputs[2]["where"] = where
    mesh = jax.make_mesh((2, 4), ("data", "model"), axis_types=(AxisType.Auto,) * 2)
    specs = _specs(case, inputs, "data", "model")
    own = jax.shard_map(
        _mean(case, axis_name="data", vocab_axis_name="model"), mesh=mesh, in_specs=specs, out_specs=P()
    )
    arrays, numeric, rest = inputs
    arrays, numeric = jax.tree.map(jnp.asarray, (arrays, numeric))
    point = {k: arrays[k] for k in case.differentiable}, numeric
    direction = jax.tree.map(lambda x: jnp.float32(rng.normal(size=x.shape)), point)

    def derivatives(mean):
        def run(point, rest):
            f = lambda some, numeric: mean({**arrays, **some}, numeric, rest)
            value, slope = jax.jvp(f, point, direction)
            gradient, curvature = jax.jvp(lambda *p: jax.grad(f, (0, 1))(*p), point, direction)
            return (value, slope), gradient, curvature

        return jit(run)(point, rest)

    got, expected = derivatives(own), derivatives(_mean(case))
    size = float(np.abs(expected[0][0]))
    for what, a, b in zip(("value and jvp", "gradient", "Hessian product"), got, expected, strict=True):
        for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
            slack = 1e-6 * max(np.abs(y).max(), size if np.ndim(y) == 0 else 0)
            np.testing.assert_allclose(x, y, atol=slack, rtol=1e-6, err_msg=what)
