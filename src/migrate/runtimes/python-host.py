# Runs a Python migration in a process of its own, as telec's node-host.ts runs one in JavaScript (protocol.ts).
import sys

own_folder = sys.path.pop(0) if sys.path[:1] == [""] else None  # a json.py in the checkout is not the one meant here
import importlib.util, inspect, json, os, threading, traceback

os.set_inheritable(3, False)
os.set_inheritable(4, False)
if own_folder is not None:
    sys.path.insert(0, own_folder)
for stream in (sys.stdout, sys.stderr):
    stream.reconfigure(line_buffering=True)  # else what it printed is lost where it hangs or is killed
sys.dont_write_bytecode = True  # a checkout stays as git left it
LONGEST_TIMEOUT_S = 2_147_483  # Node.js keeps time in 32 bits of milliseconds
PATH = sys.argv.pop()
module = None


def load():
    global module
    if module is None:
        spec = importlib.util.spec_from_file_location("migration", PATH)
        loaded = sys.modules["migration"] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(loaded)
        module = loaded


class Refusal(Exception):
    """What is wrong with a migration itself: there are no lines of it to show."""


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
        left = [t.name for t in threading.enumerate() if t is not threading.main_thread() and not t.daemon]
        return {"value": value, "left": left}
    except Refusal as refusal:
        return {"error": str(refusal), "at": at}
    except SystemExit as error:
        return {"error": "it called sys.exit(%r)" % error.code, "at": at}
    except BaseException as error:
        return {"error": own_frames(error), "at": at}


def send(message):
    sys.stdout.flush()
    sys.stderr.flush()
    os.write(4, (json.dumps(message) + "\n").encode())


def own_frames(error):
    frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename != "<string>" and "importlib" not in f.filename]
    lines = traceback.format_list(frames) + traceback.format_exception_only(type(error), error)
    return "".join(["Traceback (most recent call last):\n"] + lines).rstrip()


for line in os.fdopen(3, encoding="utf-8"):
    send(answer(line.strip()))
