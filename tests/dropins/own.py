"""A user's own loss, in Keras' way."""

import jax.numpy as jnp

import jaxloss.keras as ours


class MeanPower(ours.Loss):
    def __init__(self, power=4.0, **kwargs):
        super().__init__(**kwargs)
        self.power = power

    def call(self, y_true, y_pred):
        return jnp.mean(jnp.abs(y_pred - y_true) ** self.power, axis=-1)

    def get_config(self):
        return {**super().get_config(), "power": self.power}
