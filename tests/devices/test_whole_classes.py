"""Classes that are said to be sharded and are whole on every device: refused wherever JAX knows it."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.sharding import AxisType
from jax.sharding import PartitionSpec as P

import jaxloss
from jaxloss import linear_logsumexp_and_target, linear_softmax_cross_entropy
from tests.compiling import jit

ROWS, CLASSES, WIDTH = 4, 16, 3


def _inputs():
    rng = np.random.default_rng(0)
    shapes = (ROWS, CLASSES), (ROWS, WIDTH), (WIDTH, CLASSES)
    return *(rng.normal(size=shape).astype(np.float32) for shape in shapes), rng.integers(0, CLASSES, ROWS)


LOGITS, HIDDEN, KERNEL, LABELS = _inputs()
HOT = np.eye(CLASSES, dtype=np.float32)[LABELS]

# The loss of a row of logits, or of hidden states and a kernel, and the name of what has the classes.
LOSSES = {
    "labels": (lambda x, **o: jaxloss.softmax_cross_entropy_with_integer_labels(x, LABELS, **o), "logits"),
    "distributions": (lambda x, **o: jaxloss.softmax_cross_entropy(x, x, **o), "logits"),
    "a form": (lambda x, **o: jaxloss.SoftmaxCrossEntropyWithIntegerLabels(reduction="none", **o)(x, LABELS), "logits"),
    "a last layer": (lambda w, **o: linear_softmax_cross_entropy(HIDDEN, w, LABELS, reduction="none", **o), "kernel"),
    "the pair": (lambda w, **o: linear_logsumexp_and_target(HIDDEN, w, LABELS, **o)[0], "kernel"),
}


def on_mesh(loss, spec, axes, check_vma=True, sizes=(2, 4)):
    mesh = jax.make_mesh(sizes, ("data", "model"), axis_types=(AxisType.Auto,) * 2)
    own = partial(loss, vocab_axis_name=axes)
    return jax.shard_map(own, mesh=mesh, in_specs=(spec,), out_specs=P(), check_vma=check_vma)


@pytest.mark.parametrize("name", LOSSES)
def test_whole_classes_on_every_device_are_refused(name):
    """Of one axis, or of one of two; where check_vma is off, or an axis has one device, there is nothing to refuse."""
    loss, argument = LOSSES[name]
    array = LOGITS if argument == "logits" else KERNEL
    for spec, axes, whole in ((P(), "model", "model"), (P(None, "model"), ("data", "model"), "data")):
        words = rf": {argument} .* is the same on all devices of the mesh axis {whole}, .*in_specs"
        with pytest.raises(ValueError, match=words):
            jax.eval_shape(on_mesh(loss, spec, axes), array)
        jax.eval_shape(on_mesh(loss, spec, axes, check_vma=False), array)
    jax.eval_shape(on_mesh(loss, P(), "data", sizes=(1, 8)), array)
    jax.eval_shape(on_mesh(loss, P(None, "model"), "model"), array)
    jax.eval_shape(
        jax.vmap(partial(loss, vocab_axis_name="model"), axis_name="model", axis_size=8, in_axes=None), array
    )


def test_parts_that_are_declared_to_be_equal_are_taken():
    """Logits of 0 on every device, of 8 * 2 classes in all."""
    loss = LOSSES["labels"][0]
    flat = lambda x, **o: loss(lax.pcast(0 * x, "model", to="varying"), **o)
    np.testing.assert_allclose(jit(on_mesh(flat, P(), "model"))(jnp.asarray(LOGITS[:, :4])), np.log(16), rtol=1e-6)
