"""`tibabu` without the second that each of its processes takes to import: a server that has imported forks a process.

The command is the real one, in a process of its own, with the caller's arguments, folder, environment and terminal.
`quick.py serve SOCKET` says "ready" and serves until it is ended; `quick.py ask SOCKET WORD...` is `tibabu WORD...`.
"""

import json
import os
import signal
import socket
import sys


def ask(path: str, words: list[str]) -> int:
    """Have the server run a command, and return its exit status."""
    with socket.socket(socket.AF_UNIX) as line:
        line.connect(path)
        request = json.dumps({"words": words, "folder": os.getcwd(), "environment": dict(os.environ)}).encode()  # noqa: PTH109 - without imports
        socket.send_fds(line, [len(request).to_bytes(4)], [0, 1, 2])
        line.sendall(request)
        return line.recv(1)[0]


def serve(path: str) -> None:
    """Import what commands import, then fork for each request."""
    from importlib import import_module  # noqa: PLC0415 - not where it is asked

    from agent.cli.commands import COMMANDS  # noqa: PLC0415

    for name in set(COMMANDS.values()):
        import_module(f"agent.cli.{name}")
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(path)
        door.listen()
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        while True:
            line, _ = door.accept()
            if os.fork() == 0:
                door.close()
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                _answer(line)
                os._exit(0)
            line.close()


def _answer(line: socket.socket) -> None:
    """Run one command in a process of its own, and tell its exit status."""
    length, files, _, _ = socket.recv_fds(line, 4, 3)
    request = b""
    while len(request) < int.from_bytes(length):
        request += line.recv(65536)
    asked = json.loads(request)
    if (process := os.fork()) == 0:
        for number, file in enumerate(files):
            os.dup2(file, number)
            os.close(file)
        line.close()
        os.chdir(asked["folder"])
        os.environ.clear()
        os.environ.update(asked["environment"])
        _command(asked["words"])
    line.send(bytes([os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) & 255]))


def _command(words: list[str]) -> None:
    """Be `tibabu`."""
    from agent.cli import main  # noqa: PLC0415

    sys.argv = ["tibabu", *words]
    status = 1
    try:
        main()
        status = 0
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    _, does, where, *rest = sys.argv
    if does == "serve":
        serve(where)
    else:
        sys.exit(ask(where, rest))
