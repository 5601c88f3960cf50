"""A process that has the program loaded and starts daemons as children of its own: in milliseconds each.

One JSON object a line on standard input, one on standard output. ``start`` gives ``pid``; ``wait`` gives
``status`` once that child ended. A child is the installed program from ``run`` on: only its interpreter and
its modules are there already, and what reads the configuration is a program that repeats what the real one
said before.
"""

from __future__ import annotations

import ctypes
import faulthandler
import importlib
import json
import os
import signal
import sys
import traceback
from typing import Any

from offcloud_watchd import cli

LOADED = (
    "encodings.idna",
    "offcloud_watchd.app",
    "offcloud_watchd.cli.forget",
    "offcloud_watchd.cli.journal",
    "offcloud_watchd.cli.run",
    "offcloud_watchd.web.server",
)

_DIES_WITH_PARENT = 1  # PR_SET_PDEATHSIG: no daemon outlives a test run that was broken off


def main() -> None:
    """Serve until the input ends."""
    for name in LOADED:
        importlib.import_module(name)
    sys.stdout.write("{}\n")
    sys.stdout.flush()
    for line in sys.stdin:
        order = json.loads(line)
        if "wait" in order:
            answer = {"status": os.waitstatus_to_exitcode(os.waitpid(order["wait"], 0)[1])}
        else:
            answer = {"pid": _started(order)}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


def _started(order: dict[str, Any]) -> int:
    pid = os.fork()
    if pid:
        return pid
    code = 99
    try:
        code = _lived(order)
    except BaseException:  # noqa: BLE001 - the child ends here, whatever it was
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _lived(order: dict[str, Any]) -> int:
    ctypes.CDLL(None).prctl(_DIES_WITH_PARENT, signal.SIGKILL)
    log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    empty = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((empty, 0), (log, 1), (log, 2)):
        os.dup2(source, target)
    os.chdir("/")
    faulthandler.register(signal.SIGUSR2, file=2)  # whoever finds it stuck asks where
    sys.executable = order["reader"]
    sys.orig_argv[1:] = ["-m", "offcloud_watchd", *order["arguments"]]  # as a reload starts it again
    fault = order["fault"]
    if fault is not None:
        texts = [os.fsencode(fault[name]) for name in ("root", "calls", "shadow", "healed")]
        numbers = [fault[name] for name in ("classes", "at", "code", "lasting")]
        arm = ctypes.CDLL(None).faultline_arm
        arm(*texts, numbers[0], ctypes.c_long(numbers[1]), *numbers[2:])
    return cli.main(order["arguments"])


if __name__ == "__main__":
    main()
