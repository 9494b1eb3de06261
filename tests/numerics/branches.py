"""Programs as they are lowered for one kind of platform, whatever this machine is."""

import jax

from jaxloss.numerics import _forms


def on_branch(branch, run):
    """What `run()` returns where every `by_platform` takes the branch "cpu" or "default"."""
    token = _forms.branch.set(branch)
    jax.clear_caches()  # of what has been traced for the platform itself, here and then for what follows
    try:
        return run()
    finally:
        _forms.branch.reset(token)
        jax.clear_caches()
