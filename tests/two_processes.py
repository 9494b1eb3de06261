"""One of two processes of two devices each: the global mean and its gradient, beside those of one device.

Run by `tests/sweeps/test_processes.py` as `python -m tests.two_processes PORT PROCESS`.
"""

import os
import sys
from functools import partial

os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=2"

import jax
import numpy as np
from jax import lax
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

from tests import cases

DEVICES, PER_DEVICE = 4, 4


def inputs(case):
    rng = np.random.default_rng(7)
    p, t = case.draw(seed=7, batch=(DEVICES * PER_DEVICE,))
    where = rng.uniform(size=len(p)) < 0.6
    where[0], where[PER_DEVICE : 2 * PER_DEVICE] = True, False  # one device is left nothing
    return p, t, rng.uniform(0.25, 4, len(p)).astype(np.float32), where


def main(port, process):
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    jax.distributed.initialize(f"127.0.0.1:{port}", num_processes=2, process_id=process)
    from tests.compiling import jit  # which asks the compiler what it knows: not before JAX knows its devices

    assert (jax.device_count(), jax.local_device_count()) == (DEVICES, 2)
    mesh = jax.make_mesh((DEVICES,), ("data",), axis_types=(AxisType.Auto,))
    # What the devices exchange are a numerator and a denominator, whatever the loss: one of each kind is enough.
    for case in {(case.rows, case.labels): case for case in cases.extremes()}.values():
        arrays = inputs(case)

        def step(scale, p, t, w, m, **fields):
            """The value and its slope in a parameter that every device holds."""
            return jax.value_and_grad(lambda scale: case.make(**fields)(scale * p, t, weights=w, where=m))(scale)

        global_step = partial(step, axis_name="data")

        def averaged_step(*arguments):
            value, gradient = global_step(*arguments)
            return value, lax.pmean(gradient, "data")

        def sharded(x):
            return jax.make_array_from_callback(x.shape, NamedSharding(mesh, P("data")), lambda index: x[index])

        scale, put = np.float32(1), [sharded(x) for x in arrays]
        specs = {"mesh": mesh, "in_specs": (P(), *[P("data")] * 4), "out_specs": P()}
        mine = [x.reshape(DEVICES, PER_DEVICE, *x.shape[1:])[2 * process : 2 * process + 2] for x in arrays]
        answers = {
            "jit": jit(step)(scale, *put),
            "shard_map": jit(jax.shard_map(global_step, **specs))(scale, *put),
            "unchecked shard_map": jit(jax.shard_map(averaged_step, **specs, check_vma=False))(scale, *put),
            "pmap": jax.pmap(averaged_step, axis_name="data", in_axes=(None, 0, 0, 0, 0))(scale, *mine),
        }
        expected = jit(step)(scale, *arrays)
        for how, answer in answers.items():
            for got, true in zip(answer, expected, strict=True):
                for shard in got.addressable_shards:
                    np.testing.assert_allclose(np.ravel(shard.data), true, rtol=5e-7, err_msg=f"{case.id}, {how}")
    print("they agree")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
