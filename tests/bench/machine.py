"""What a benchmark needs of the machine: CPU seconds and memory of a process, a real web server, medians."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def cpu_s(pid: int) -> float:
    """Return user and system seconds a process has used, with its ended children's."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(int(fields[index]) for index in (11, 12, 13, 14)) / TICKS_PER_S


def resident_mib(pid: int) -> float:
    """Return the resident memory of a process in MiB."""
    return _told_mib(pid, "VmRSS:")


def peak_mib(pid: int) -> float:
    """Return the most that was ever resident of a process, in MiB."""
    return _told_mib(pid, "VmHWM:")


def _told_mib(pid: int, name: str) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1]) / 1024
    raise AssertionError(f"process {pid} has no {name}")


def free_port() -> int:
    """Return a port of loopback that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def nginx(
    root: Path, directory: Path, *, limit_rate: str = "0", certificate: Path | None = None
) -> Iterator[str]:
    """Serve a directory with a real nginx on loopback; give its address.

    ``limit_rate`` is what each answer gets a second, in nginx's own words; 0 is all there is. With a
    ``certificate`` (its key in the same file) it speaks TLS. Raise ``RuntimeError`` when nginx is not
    installed.
    """
    program = shutil.which("nginx") or shutil.which("/usr/sbin/nginx")
    if program is None:
        raise RuntimeError("the bench compares on a real nginx: apt-get install nginx-light curl")
    port = free_port()
    config = root / "nginx.conf"
    listen = f"{port} ssl" if certificate else str(port)
    secure = f"ssl_certificate {certificate}; ssl_certificate_key {certificate};" if certificate else ""
    config.write_text(
        f"""
daemon off; worker_processes 1; pid {root}/nginx.pid; error_log {root}/nginx.log;
events {{ worker_connections 64; }}
http {{
  access_log off; sendfile on; tcp_nopush on; default_type application/octet-stream;
  client_body_temp_path {root}/body; proxy_temp_path {root}/proxy; fastcgi_temp_path {root}/fastcgi;
  uwsgi_temp_path {root}/uwsgi; scgi_temp_path {root}/scgi;
  server {{ listen 127.0.0.1:{listen}; {secure} root {directory}; limit_rate {limit_rate}; }}
}}
"""
    )
    # Run as root, nginx would give its workers another user, who may not read the directory.
    extra = ["-g", "user root;"] if os.geteuid() == 0 else []
    process = subprocess.Popen([program, "-c", str(config), *extra], stderr=subprocess.DEVNULL)
    try:
        yield f"http{'s' if secure else ''}://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


def certificate(root: Path) -> Path:
    """Make a certificate for loopback, with its key in the same file; raise when openssl is not installed."""
    key, made = root / "tls.key", root / "tls.pem"
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext"
    extra = ["subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(made)]
    subprocess.run([*command.split(), *extra], check=True, capture_output=True)
    made.write_text(made.read_text() + key.read_text())
    return made
