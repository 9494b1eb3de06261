"""An eager call of a drop-in compiles nothing the second time: of every row with `--every`, else of each kind."""

import jax
import pytest
from jax import monitoring

from tests import cases
from tests.dropins.collection import EACH, of
from tests.dropins.rows import kinds

# Of the mean of the terms of a divergence, from either library.
pytestmark = pytest.mark.filterwarnings("ignore:.*'mean' divides:UserWarning")


# What an eager call makes anew, an array of a Python number or a closure, does not depend on the loss.
@of(EACH if cases.EVERY else kinds(EACH))
def test_a_second_eager_call_compiles_nothing(row):
    """Of the function, and of the form if it has the options of the row."""
    arrays, form, seen = row.draw(), row.make() if row.has_form else None, []

    def call():
        jax.block_until_ready((row.losses(arrays), None if form is None else row.reduced(form, arrays)))

    listen = lambda event, duration, **_: seen.append(event)
    call()
    monitoring.register_event_duration_secs_listener(listen)
    try:
        call()
        assert not [event for event in seen if event.endswith("backend_compile_duration")]
        jax.jit(lambda x: x + 1)(1.0)
        assert seen, "nothing is counted"
    finally:
        monitoring.unregister_event_duration_listener(listen)
