"""Runs a program in a terminal and talks to it.

    python3 terminal.py '[["text to wait for", "keys to send"], …]' CMD [ARG]...

Prints all that the program showed; leaves with its exit code, or with 124 when a text did not come in time.
"""

import fcntl
import json
import os
import pty
import select
import struct
import sys
import termios

PATIENCE_S = 30

dialogue = json.loads(sys.argv[1])
pid, terminal = pty.fork()
if pid == 0:
    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("4H", 24, 200, 0, 0))
    os.execvp(sys.argv[2], sys.argv[2:])

shown = b""
looked_up_to = 0
while True:
    ready, _, _ = select.select([terminal], [], [], PATIENCE_S)
    if not ready:
        sys.stdout.buffer.write(shown)
        print(f"\nwaited in vain for {dialogue[:1] or 'the end'}")
        os.kill(pid, 9)
        os._exit(124)
    try:
        chunk = os.read(terminal, 65536)
    except OSError:  # EIO: the program has left
        break
    if not chunk:
        break
    shown += chunk
    if dialogue:
        at = shown.find(dialogue[0][0].encode(), looked_up_to)
        if at >= 0:
            looked_up_to = len(shown)
            os.write(terminal, dialogue.pop(0)[1].encode())

sys.stdout.buffer.write(shown)
sys.stdout.flush()
os._exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
