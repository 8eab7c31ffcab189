# Runs Python migrations in a process of its own, as telec's node-host.ts runs JavaScript ones: requests come in at file
# descriptor 3, answers leave by 4, one JSON object a line (protocol.ts).
import sys

own_folder = sys.path.pop(0) if sys.path[:1] == [""] else None  # a json.py in the checkout is not the one meant here
import asyncio, importlib.util, inspect, json, os, threading, traceback

os.set_inheritable(3, False)
os.set_inheritable(4, False)
if own_folder is not None:
    sys.path.insert(0, own_folder)
for stream in (sys.stdout, sys.stderr):
    stream.reconfigure(line_buffering=True)  # else what it printed is lost where it hangs or is killed
sys.dont_write_bytecode = True  # a checkout stays as git left it
FOLDER = os.getcwd()
SURROUNDINGS = {name: value for name, value in os.environ.items() if name.startswith("TELEC_")}
LONGEST_TIMEOUT_S = 2_147_483  # Node.js keeps time in 32 bits of milliseconds
modules = {}


def load(path):
    if path not in modules:
        name = "migration_%d" % len(modules)
        spec = importlib.util.spec_from_file_location(name, path)
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
        modules[path] = module
    return modules[path]


class Refusal(Exception):
    """What is wrong with a migration itself: there are no lines of it to show."""


def call(module, name):
    function = getattr(module, name, None)
    if not callable(function):
        raise Refusal("it has no function %s()" % name)
    value = function()
    if inspect.iscoroutine(value):
        value = asyncio.run(value)
    if not isinstance(value, bool):
        raise Refusal("%s() returned %s; it must return True or False" % (name, type(value).__name__))
    return value


def apply(call):
    if call("check"):
        return "satisfied"
    if not call("migrate"):
        return "refused"
    return "run" if call("check") else "pending"


def answer(request):
    name, at = request["name"], None

    def call_one(one):
        nonlocal at
        at = one
        return call(module, one)

    try:
        os.chdir(FOLDER)  # the one before may have changed it
        os.environ.update(SURROUNDINGS)
        module = load(request["jobs"][0]["file"] if name == "apply" else request["file"])
        timeout = getattr(module, "timeout", None)
        if isinstance(timeout, (int, float)) and not isinstance(timeout, bool) and timeout > 0:
            send({"timeout": min(timeout, LONGEST_TIMEOUT_S)})
        value = apply(call_one) if name == "apply" else call_one(name)
        left = [t.name for t in threading.enumerate() if t is not threading.main_thread() and not t.daemon]
        return {"value": value, "left": left, "spawns": True}
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
    send(answer(json.loads(line)))
