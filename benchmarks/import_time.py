"""How long `import jaxloss` takes beyond `import jax`: at most 150 ms, or three tenths of that on a slow machine.

Both are the least of several fresh interpreters.

The modules are compiled to bytecode first, as pip does when it installs a wheel, so that what is measured is the import
and not the compiler of Python, which a setting of the environment may keep from storing what it compiled.
"""

import os
import subprocess
import sys
import tempfile

CODE = "from time import perf_counter as now; a = now(); import jax; b = now(); import jaxloss; print(b - a, now() - b)"
SECONDS, SHARE = 0.150, 0.3


def main() -> None:
    with tempfile.TemporaryDirectory() as bytecode:
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        environment["PYTHONPYCACHEPREFIX"] = bytecode
        command = [sys.executable, "-c", CODE]
        times = [
            tuple(map(float, subprocess.run(command, capture_output=True, check=True, env=environment).stdout.split()))
            for _ in range(8)
        ]
    # The first compiled the modules; whatever else the machine does only adds to the others.
    jax, jaxloss = (min(seconds) for seconds in zip(*times[1:], strict=True))
    limit = max(SECONDS, SHARE * jax)
    print(
        "import jax: {:.0f} ms; import jaxloss adds {:.0f} ms (limit {:.0f} ms)".format(
            *(1000 * seconds for seconds in (jax, jaxloss, limit))
        )
    )
    sys.exit(jaxloss > limit)


if __name__ == "__main__":
    main()
