# Runs a Python migration in its own process, as node-host.ts does in JavaScript; see protocol.ts.
import sys

IS_SAFE = sys.path[:1] != [""]  # PYTHONSAFEPATH
if not IS_SAFE:
    sys.path.pop(0)  # this file must not import a json.py from the checkout
import contextlib, importlib.machinery, importlib.util, inspect, json, os, threading, time, traceback, types

os.set_inheritable(3, False)
os.set_inheritable(4, False)
for stream in (sys.stdout, sys.stderr):
    stream.reconfigure(line_buffering=True)  # else the output is lost where it hangs or is killed
LONGEST_TIMEOUT_S = 2_147_483  # Node.js keeps time in 32 bits of milliseconds
SETTLE_S = 2
PATH = sys.argv.pop()
CODE = sys.argv.pop()
PID = os.getpid()
sys.argv[0] = PATH
FOLDER = os.path.dirname(PATH)
sys.path[:0] = [FOLDER] if IS_SAFE else [FOLDER, CODE]
module = None


class SpecInFolder(importlib.machinery.ModuleSpec):
    parent = "neighbours"  # makes "from . import neighbour" work


def load():
    """Imports it by its own name, which the processes of multiprocessing need."""
    global module
    if module is None:
        neighbours = sys.modules[SpecInFolder.parent] = types.ModuleType(SpecInFolder.parent)
        neighbours.__path__ = [FOLDER]
        name = os.path.splitext(os.path.basename(PATH))[0]
        spec = importlib.util.spec_from_file_location(name, PATH)
        spec.__class__ = SpecInFolder
        loaded = sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(loaded)
        module = loaded


class Refusal(Exception):
    """A fault of the migration itself, without a traceback."""


def call(name):
    function = getattr(module, name, None)
    if not callable(function):
        raise Refusal("it has no function %s()" % name)
    value = function()
    if inspect.iscoroutine(value):
        import asyncio

        value = asyncio.run(value)
    if not isinstance(value, bool):
        raise Refusal("%s() returned %s; it must return True or False" % (name, type(value).__name__))
    return value


def answer(name):
    at = None
    try:
        load()
        timeout = getattr(module, "timeout", None)
        if isinstance(timeout, (int, float)) and not isinstance(timeout, bool) and timeout > 0:
            send({"timeout": min(timeout, LONGEST_TIMEOUT_S)})
        at = name
        value = call(name)
        return {"value": value, "unfinished": unfinished_threads()}
    except Refusal as refusal:
        return {"error": str(refusal), "at": at}
    except SystemExit as error:
        return {"error": "it called sys.exit(%r)" % error.code, "at": at}
    except BaseException as error:
        return {"error": own_frames(error), "at": at}


def unfinished_threads():
    """The threads that do not end in a moment."""
    until = time.monotonic() + SETTLE_S
    while True:
        unfinished = [t.name for t in threading.enumerate() if t is not threading.main_thread() and not t.daemon]
        if not unfinished or time.monotonic() > until:
            return unfinished
        time.sleep(0.01)


def send(message):
    while os.getpid() != PID:  # a fork returned here, too: only the parent answers, and telec finds the child
        time.sleep(1)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, ValueError):  # the migration removed or closed it
            stream.flush()
    os.write(4, (json.dumps(message) + "\n").encode())


def own_frames(error):
    """The traceback with its causes, without the lines of telec and importlib."""
    shown = traceback.TracebackException.from_exception(error)
    parts = [shown]
    for part in parts:
        part.stack[:] = [f for f in part.stack if f.filename != "<string>" and "importlib" not in f.filename]
        parts += [p for p in (part.__cause__, part.__context__, *(getattr(part, "exceptions", None) or ())) if p]
    return "".join(shown.format()).rstrip()


for line in os.fdopen(3, encoding="utf-8"):
    send(answer(line.strip()))
