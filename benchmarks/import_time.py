"""How long `import jaxloss` takes beyond `import jax`: the median over fresh interpreters, at most 150 ms."""

import statistics
import subprocess
import sys

CODE = "import time, jax; t = time.perf_counter(); import jaxloss; print(time.perf_counter() - t)"
LIMIT = 0.150


def main() -> None:
    times = [
        float(subprocess.run([sys.executable, "-c", CODE], capture_output=True, check=True).stdout) for _ in range(7)
    ]
    median = statistics.median(times)
    print(f"import jaxloss adds {1000 * median:.0f} ms to import jax (limit {1000 * LIMIT:.0f} ms)")
    sys.exit(median > LIMIT)


if __name__ == "__main__":
    main()
