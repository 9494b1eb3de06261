"""An eager call of a drop-in compiles nothing the second time."""

import jax
import pytest
from jax import monitoring

from tests.dropins.collection import EACH, of

# Of the mean of the terms of a divergence, from either library.
pytestmark = pytest.mark.filterwarnings("ignore:.*'mean' divides:UserWarning")


@of(EACH)
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
