"""Promise 3 over processes: two of them on this machine, two devices each, that talk over loopback."""

import os
import pathlib
import socket
import subprocess
import sys


def test_the_mean_over_two_processes_is_the_global_one():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    command = [sys.executable, "-m", "tests.two_processes", str(port)]
    root = pathlib.Path(__file__).parents[2]
    environment = {**os.environ, "XLA_FLAGS": ""}
    processes = [
        subprocess.Popen([*command, i], cwd=root, env=environment, stdout=-1, stderr=-2, text=True) for i in "01"
    ]
    outputs = [p.communicate(timeout=300)[0] for p in processes]
    for p, output in zip(processes, outputs, strict=True):
        assert p.returncode == 0, output
        assert "they agree" in output
