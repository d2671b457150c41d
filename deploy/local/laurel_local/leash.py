"""Runs a command that the kernel kills when the process that started it is gone.

Run by path, as `python -I -S leash.py PARENT_PID COMMAND...`: it asks the kernel for the signal and then
becomes the command, so the pid stays. It is a program of its own because the request must be made in the
child, and running Python code between fork and exec (`preexec_fn`) can deadlock in a parent with threads.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    """Ask for SIGKILL at the parent's death, then become the command."""
    parent, command = int(sys.argv[1]), sys.argv[2:]
    if sys.platform == "linux":  # elsewhere a killed parent leaves its children; nothing portable helps
        if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
            sys.exit(f"prctl failed: {os.strerror(ctypes.get_errno())}")
        # The parent may have died before the request was made; then no signal is coming.
        if os.getppid() != parent:
            sys.exit("the parent is gone already")
    try:
        os.execvp(command[0], command)  # noqa: S606 - there is no shell, and that is wanted
    except OSError as error:
        sys.exit(f"{command[0]}: {error.strerror}")


if __name__ == "__main__":
    main()
