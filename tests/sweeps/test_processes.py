"""Promise 3 over processes: two of them on this machine, two devices each, that talk over loopback."""

import os
import pathlib
import socket
import subprocess
import sys

from tests import cases


def test_the_mean_over_two_processes_is_the_global_one():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    command = [sys.executable, "-m", "tests.devices.two_processes", str(port)]
    every = ["--every"] if cases.EVERY else []
    root = pathlib.Path(__file__).parents[2]
    environment = {**os.environ, "XLA_FLAGS": os.environ["XLA_FLAGS"].replace("device_count=8", "device_count=2")}
    processes = [
        subprocess.Popen([*command, i, *every], cwd=root, env=environment, stdout=-1, stderr=-2, text=True)
        for i in "01"
    ]
    outputs = [p.communicate(timeout=300)[0] for p in processes]
    for p, output in zip(processes, outputs, strict=True):
        assert p.returncode == 0, output
        assert "they agree" in output
