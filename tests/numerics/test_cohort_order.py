"""The order of samples by stratum and time, and of entries and exits."""

import jax.numpy as jnp
import numpy as np

from jaxloss.numerics.cohort_order import risk_order


def _order(entry=None):
    strata, times = jnp.int32([1, 0, 0, 0, 1, 0]), jnp.int32([5, 2, 2, 1, 5, 2])
    events = jnp.array([True, False, True, True, True, True])
    return risk_order(times, events, jnp.array([True] * 5 + [False]), strata, entry)


def test_blocks_are_the_events_of_a_stratum_and_time():
    order = _order()
    np.testing.assert_array_equal(order.sample, [3, 2, 5, 1, 0, 4])
    np.testing.assert_array_equal(order.sample[order.place], np.arange(6))
    np.testing.assert_array_equal(order.first, np.bool_([1, 1, 0, 1, 1, 0]))
    np.testing.assert_array_equal(order.last, np.bool_([1, 0, 1, 1, 0, 1]))
    np.testing.assert_array_equal(order.ends, np.bool_([0, 0, 0, 1, 0, 1]))
    np.testing.assert_array_equal(order.tied, [1, 2, 2, 1, 2, 2])
    np.testing.assert_array_equal(order.rank, [0, 0, 1, 0, 0, 1])
    np.testing.assert_array_equal(order.counts, np.bool_([1, 1, 0, 1, 1, 1]))


def test_exits_come_before_entries_of_the_same_time_and_keep_the_order_of_their_places():
    entries = _order(jnp.int32([4, 1, 0, -1, 2, 1])).entries
    np.testing.assert_array_equal(entries.exits, np.sort(entries.exits))
    # Stratum 0: entries of 3 and 2, the exit of 3, entries of 5 and 1, their exits; stratum 1: two entries, two exits.
    np.testing.assert_array_equal(entries.owner[:12], [0, 1, 0, 2, 3, 1, 2, 3, 5, 4, 4, 5])
    assert entries.owner.shape == (16,)
    assert (entries.level[12:] == -1).all()
