"""How many random calls hypothesis makes: each is a program or two to compile, and a few are made in the quick tier."""

from hypothesis import Phase, settings

from tests import cases


def some(quick: int, every: int, **more) -> settings:
    """Settings of so many calls, the same in every run."""
    calls = every if cases.EVERY else quick
    return settings(deadline=None, max_examples=calls, database=None, derandomize=True, **more)


few = some(3, 12)
NOT_SHRUNK = {"phases": [Phase.generate]}  # to shrink a call compiles it some hundred times
