"""Programs as they are lowered for one kind of platform, whatever this machine is, and tests that ask for the forms."""

import os

import jax
import pytest

from jaxloss.numerics import _forms

needs_forms = pytest.mark.skipif(
    os.environ.get("JAXLOSS_PLAIN_FORMS", "0") != "0", reason="memory and gathers are what the forms exist for"
)


def on_branch(branch, run):
    """What `run()` returns where every `by_platform` takes the branch "cpu" or "default"."""
    token = _forms.branch.set(branch)
    jax.clear_caches()  # of what has been traced for the platform itself, here and then for what follows
    try:
        return run()
    finally:
        _forms.branch.reset(token)
        jax.clear_caches()
