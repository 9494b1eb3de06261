"""One of two processes of two devices each: the global mean and its gradient, beside those of one device.

Run by `tests/sweeps/test_processes.py` as `python -m tests.devices.two_processes PORT PROCESS [--every]`.
"""

import os
import sys
from functools import partial

os.environ["JAX_PLATFORMS"] = "cpu"

import jax
import numpy as np
from jax import lax
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

from tests import cases
from tests.compiling import jit

DEVICES, PER_DEVICE = 4, 4


def inputs(case):
    rng = np.random.default_rng(7)
    arrays = case.draw(seed=7, batch=(DEVICES * PER_DEVICE,))
    n = DEVICES * PER_DEVICE
    where = rng.uniform(size=n) < 0.6
    where[0], where[PER_DEVICE : 2 * PER_DEVICE] = True, False  # one device is left nothing
    rest = {"weights": rng.uniform(0.25, 4, n).astype(np.float32), "where": where}
    x = arrays[case.predictions]
    mean = lambda x: case.reduced(case.make(), {**arrays, case.predictions: x}, **rest)
    # The elements are scaled by one parameter, each so that its own slope adds to the parameter's: no terms cancel.
    return {**arrays, **rest, "signs": np.sign(jit(jax.grad(mean))(x) * x)}


def main(port, process):
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    jax.distributed.initialize(f"127.0.0.1:{port}", num_processes=2, process_id=process)
    assert (jax.device_count(), jax.local_device_count()) == (DEVICES, 2)
    mesh = jax.make_mesh((DEVICES,), ("data",), axis_types=(AxisType.Auto,))
    # What the devices exchange are a numerator and a denominator, whatever the loss: one of each kind is enough.
    for case in cases.kinds() if cases.EVERY else cases.kinds()[:2]:
        arrays = inputs(case)

        def step(scale, arrays, **fields):
            """The value and its slope in a parameter that every device holds."""
            rest = {k: arrays[k] for k in ("weights", "where")}

            def mean(scale):
                own = {k: arrays[k] for k in case.arrays}
                own[case.predictions] = own[case.predictions] * (1 + (scale - 1) * arrays["signs"])
                return case.reduced(case.make(**fields), own, **rest)

            return jax.value_and_grad(mean)(scale)

        global_step = partial(step, axis_name="data")

        def averaged_step(*arguments):
            value, gradient = global_step(*arguments)
            return value, lax.pmean(gradient, "data")

        batched = {k: k not in case.arrays or k in case.batched for k in arrays}
        spec = {k: P("data") if own else P() for k, own in batched.items()}

        def sharded(x, s):
            return jax.make_array_from_callback(x.shape, NamedSharding(mesh, s), lambda index: x[index])

        def part(x, s):
            return x.reshape(DEVICES, PER_DEVICE, *x.shape[1:])[2 * process : 2 * process + 2] if len(s) else x

        scale, put = np.float32(1), jax.tree.map(sharded, arrays, spec)
        specs = {"mesh": mesh, "in_specs": (P(), spec), "out_specs": P()}
        mine = jax.tree.map(part, arrays, spec)
        over = jax.tree.map(lambda s: 0 if len(s) else None, spec)
        answers = {
            "jit": jit(step)(scale, put),
            "shard_map": jit(jax.shard_map(global_step, **specs))(scale, put),
            "unchecked shard_map": jit(jax.shard_map(averaged_step, **specs, check_vma=False))(scale, put),
            "pmap": jax.pmap(averaged_step, axis_name="data", in_axes=(None, over))(scale, mine),
        }
        expected = jit(step)(scale, arrays)
        # Slopes that are themselves differences have the rounding of what is subtracted, in any program.
        noise = 4 * np.finfo(np.float32).eps * case.noise
        for how, answer in answers.items():
            for got, true, atol in zip(answer, expected, (0, noise), strict=True):
                for shard in got.addressable_shards:
                    what = f"{case.id}, {how}"
                    np.testing.assert_allclose(np.ravel(shard.data), true, rtol=5e-7, atol=atol, err_msg=what)
    print("they agree")


if __name__ == "__main__":
    cases.EVERY = "--every" in sys.argv
    main(int(sys.argv[1]), int(sys.argv[2]))
