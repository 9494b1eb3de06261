"""`shard_map`: data-parallel training whose masked mean is that of one device."""

import os

os.environ.setdefault("XLA_FLAGS", "--xla_force_host_platform_device_count=8")  # a CPU as eight devices

import jax
import jax.numpy as jnp
import optax
from jax.sharding import AxisType
from jax.sharding import PartitionSpec as P

import jaxloss

FEATURES, PER_DEVICE = 8, 16
mesh = jax.make_mesh((jax.device_count(),), ("data",), axis_types=(AxisType.Auto,))
loss = jaxloss.HuberLoss(delta=0.5, axis_name="data")  # numerator and denominator are summed over the devices
optimizer = optax.adam(3e-2)


def step_on_a_device(parameters, state, inputs, targets, where):
    def mean(parameters):
        return loss(inputs @ parameters, targets, where=where)

    value, gradients = jax.value_and_grad(mean)(parameters)  # already summed: the parameters are the same everywhere
    updates, state = optimizer.update(gradients, state, parameters)
    return optax.apply_updates(parameters, updates), state, value


specs = (P(), P(), P("data"), P("data"), P("data"))
train_step = jax.jit(jax.shard_map(step_on_a_device, mesh=mesh, in_specs=specs, out_specs=P()))


def main():
    examples = jax.device_count() * PER_DEVICE
    inputs = jax.random.normal(jax.random.key(0), (examples, FEATURES))
    targets = inputs @ jnp.arange(1.0, 1.0 + FEATURES) / FEATURES
    where = jnp.arange(examples) < examples - 20  # the last devices have padding only, or more of it
    targets = jnp.where(where, targets, jnp.nan)
    parameters = jnp.zeros(FEATURES)

    one_device = jaxloss.HuberLoss(delta=0.5)(inputs @ parameters, targets, where=where)
    state, history = optimizer.init(parameters), []
    for _ in range(200):
        parameters, state, value = train_step(parameters, state, inputs, targets, where)
        history.append(float(value))
    print(f"first loss on {jax.device_count()} devices: {history[0]:.6f}, on one: {one_device:.6f}")
    print(f"loss {history[0]:.3f} -> {history[-1]:.3f}")


if __name__ == "__main__":
    main()
