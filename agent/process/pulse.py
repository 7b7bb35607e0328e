"""A process in which Python does not run any more ends itself: native code that hangs with the interpreter's lock.

No thread of Python can notice that, and none can end it. `faulthandler` has a thread of the system that needs no lock;
it is put off again and again by one of ours, and when that stays out it writes where each thread stands (files, lines
and functions, no values) to standard error and ends the process with exit status 1. No supervisor is needed for that.
"""

import atexit
import faulthandler
import sys
import threading

SILENT_SECONDS = 120.0


def start_pulse(seconds: float = SILENT_SECONDS) -> None:
    """End this process from now on when Python has not run in it for so long."""

    def beat() -> None:
        while True:
            faulthandler.dump_traceback_later(seconds, exit=True, file=sys.__stderr__ or sys.stderr)
            rest.wait(seconds / 4)

    rest = threading.Event()
    threading.Thread(target=beat, name="pulse", daemon=True).start()
    atexit.register(faulthandler.cancel_dump_traceback_later)
