"""How a call is refused: by an error that names what was called, and what is wrong."""

import pytest


def refused(call, *words, error=(ValueError, TypeError)):
    """The message of the error, which has all of the words."""
    with pytest.raises(error) as raised:
        call()
    message = str(raised.value)
    for word in words:
        assert word in message, f"{word!r} is not in {message!r}"
    return message
