/** The trials of {@link RuntimeTrials} in Python. */
import type { RuntimeTrials } from "./trials.ts"

const trials = String.raw`
import asyncio, os, signal, socket, subprocess, sys, threading, time
from brume.functions import Response

def frame(text):
    data = text.encode()
    os.write(3, len(data).to_bytes(4, "big") + data)

def stay():
    time.sleep(5)

def facts(event, ctx):
    return {"name": ctx.name, "version": ctx.version, "key": ctx.key, "trigger": ctx.trigger, "left": (ctx.deadline - time.time()) * 1000}

def asks(event, ctx):
    return [
        ctx.publish("a/b", {"x": 1}, qos=1), ctx.publish("a/c", bytes([1, 2])),
        ctx.query("SELECT ?", 7), ctx.command("lamp", "on", {"level": 3}, key="k"),
        ctx.invoke("other", [1]), ctx.state.set("k", {"n": 1}), ctx.state.get("k"),
        ctx.state.compare_and_set("k", None, 2), ctx.state.delete("k"), ctx.secrets.get("mail"),
    ]

def refused(event, ctx):
    try:
        ctx.secrets.get("theirs")
    except Exception as error:
        return [error.code, str(error), error.hint]

def many_asks(event, ctx):
    return len([ctx.state.get(str(n)) for n in range(event["count"])])

def throw(event, ctx):
    raise TypeError("thrown on purpose")

def reject(event, ctx):
    async def later():
        await asyncio.sleep(0)
        raise LookupError("rejected on purpose")
    return later()

class Strange(Exception):
    def __str__(self):
        raise ValueError("no")

def throw_strange(event, ctx):
    raise Strange()

def cycle(event, ctx):
    a = []
    a.append(a)
    return a

def deep(event, ctx):
    value = 1
    for _ in range(event["levels"]):
        value = [value]
    return value

def loop(event, ctx):
    while True:
        pass

def sleep(event, ctx):
    time.sleep(event["ms"] / 1000)
    return "slept"

def compute(event, ctx):
    end = time.time() + event["ms"] / 1000
    while time.time() < end:
        pass
    return "computed"

def heap_bomb(event, ctx):
    every = []
    while True:
        every.append({"at": len(every), "text": "x" * len(every)})

def buffer_bomb(event, ctx):
    every = []
    while True:
        every.append(bytearray(1 << 22))

def text_bomb(event, ctx):
    text = "x"
    while True:
        text += text

def flood_output(event, ctx):
    line = "x" * 65535 + "\n"
    for _ in range(16384):
        sys.stdout.write(line)

def flood_log(event, ctx):
    while True:
        ctx.log("x" * 16000)

def lines(event, ctx):
    for n in range(event["count"]):
        print("line", n)
    return event["count"]

def large_ask(event, ctx):
    try:
        ctx.publish("a", "x" * 3_000_000)
    except Exception as error:
        return [error.code, str(error), error.hint]

def say(event, ctx):
    ctx.log.warn("said", {"n": 1})
    ctx.log("x" * 20000)
    print("printed", file=sys.stderr)
    print("no end", end="", flush=True)

def say_and_loop(event, ctx):
    ctx.log("before the loop")
    while True:
        pass

def sending(text):
    def send(event, ctx):
        frame(text)
        stay()
    return send

def garbage(event, ctx):
    os.write(3, b"this is no frame at all, but text")
    stay()

def oversized(event, ctx):
    os.write(3, bytes([0x7F, 255, 255, 255, 0]))
    stay()

def huge_frame(event, ctx):
    frame('["result",1,"' + "x" * 1900000 + '"]')
    stay()

def ask_flood(event, ctx):
    for n in range(3000):
        frame('["ask",%d,1,"query",[]]' % (1000000 + n))
    stay()

def close_channel(event, ctx):
    os.close(3)
    stay()

def kill(event, ctx):
    os.kill(os.getpid(), signal.SIGKILL)

def later(event, ctx):
    threading.Thread(target=lambda: os._exit(4)).start()
    stay()

def fork_bomb(event, ctx):
    made = 0
    for _ in range(500):
        try:
            subprocess.Popen(["/bin/sleep", event["marker"]], start_new_session=True)
            made += 1
        except OSError:
            pass
    return made

def read(event, ctx):
    with open(event["path"], encoding="latin1") as file:
        return file.read()

def write(event, ctx):
    with open(event["path"], "w") as file:
        file.write("x")

def fill(event, ctx):
    for n in range(20):
        with open("/tmp/%d" % n, "wb") as file:
            file.write(bytes(event["bytes"] // 20))
    return "filled"

def connect(event, ctx):
    socket.create_connection(("127.0.0.1", event["port"]), 2)
    return "connected"

actions = {
    "echo": lambda event, ctx: event.get("value"), "pid": lambda event, ctx: os.getpid(), "facts": facts, "asks": asks,
    "refused": refused, "largeAsk": large_ask, "manyAsks": many_asks, "throw": throw, "reject": reject, "throwNothing": lambda event, ctx: 1 / 0,
    "throwStrange": throw_strange, "nothing": lambda event, ctx: None, "cycle": cycle, "noJson": lambda event, ctx: object(),
    "deep": deep, "large": lambda event, ctx: "x" * event["bytes"], "loop": loop, "sleep": sleep, "compute": compute, "heapBomb": heap_bomb,
    "bufferBomb": buffer_bomb, "textBomb": text_bomb, "floodOutput": flood_output, "floodLog": flood_log, "lines": lines,
    "say": say, "sayAndLoop": say_and_loop, "garbage": garbage, "oversized": oversized, "noMessage": sending('{"a":1}'),
    "halfMessage": sending('["result",'), "strangeAnswer": sending('["result",123456,1]'), "strangeKind": sending('["launch",1]'),
    "hugeFrame": huge_frame, "askFlood": ask_flood, "closeChannel": close_channel, "kill": kill,
    "exit": lambda event, ctx: sys.exit(3), "later": later, "forkBomb": fork_bomb, "read": read,
    "list": lambda event, ctx: os.listdir(event["path"]), "write": write, "fill": fill,
    "environment": lambda event, ctx: dict(os.environ), "connect": connect, "signalMain": lambda event, ctx: os.kill(1, 9),
}

def handler(event, ctx):
    return actions[event["do"]](event, ctx)

async def fetch(request, ctx):
    if request.path == "/none":
        return Response(None, status="none")
    if request.path == "/bytes":
        return Response(bytes([0, 255, 128]), headers={"content-type": "application/octet-stream"})
    body = {"method": request.method, "path": request.path, "query": request.query.get("q"), "header": request.headers.get("x-one"), "body": request.text(), "trigger": ctx.trigger}
    return Response(body, 201, {"x-two": "2"})
`

export const pythonTrials: RuntimeTrials = {
  runtime: "python",
  trials: { runtime: "python", entry: "trials.py", files: { "trials.py": trials } },
  syntaxError: code("def handler(event, ctx):\n    return ]\n"),
  throwsAtLoad: code('raise RuntimeError("not today")\n'),
  noHandler: code("answer = 42\n"),
  exitsAtLoad: code("import os\nos._exit(5)\n"),
  slowStart: code('import time\ntime.sleep(0.4)\ndef handler(event, ctx):\n    return event["value"]\n'),
  hangsAtLoad: code("while True: pass\n"),
  thrownAt: /File "trials\.py", line \d+, in throw/,
  syntaxErrorSays: /SyntaxError/,
  isInterleaved: false,
}

function code(text: string): RuntimeTrials["trials"] {
  return { runtime: "python", entry: "main.py", files: { "main.py": text } }
}
