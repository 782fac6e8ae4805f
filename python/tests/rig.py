"""What the tests need of the world: a real node that can be killed, and servers that say what a test tells them to."""

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from typing import Callable, List, Optional

root = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
sys.path.insert(0, os.path.join(root, "python", "src"))

cli = os.path.join(root, "packages", "cli", "bin", "brume.cjs")
node_program = os.environ.get("BRUME_TEST_NODE", "node")


class Node:
    """A node as a process of its own, with an address that stays over its deaths."""

    def __init__(self, *args: str) -> None:
        self._args = args
        self._folder = tempfile.TemporaryDirectory(prefix="brume-python-")
        self._process: Optional[subprocess.Popen] = None
        self.url = ""
        self.mqtt_port = 0
        self.token = ""
        self.start()

    def start(self) -> None:
        http = self.url[len("http://") :] if self.url else "127.0.0.1:0"
        mqtt = f"127.0.0.1:{self.mqtt_port}"
        command = [node_program, cli, "up", "--data", self._folder.name, "--http", http, "--mqtt", mqtt, *self._args]
        self._log = open(os.path.join(self._folder.name, "stderr.txt"), "ab")
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self._log, cwd=self._folder.name)
        assert self._process.stdout is not None
        for line in self._process.stdout:
            ready = re.match(rb"ready (http://\S+) mqtt://127\.0\.0\.1:(\d+)", line)
            if ready:
                self.url, self.mqtt_port = ready.group(1).decode(), int(ready.group(2))
                break
        else:
            raise RuntimeError(f"the node did not start: {self.log()[-2000:]}")
        # Its pipe must not fill up.
        self._reader = threading.Thread(target=self._process.stdout.read, daemon=True)
        self._reader.start()
        with open(os.path.join(self._folder.name, "admin-token"), encoding="utf-8") as file:
            self.token = file.read().strip()

    def log(self) -> str:
        with open(os.path.join(self._folder.name, "stderr.txt"), encoding="utf-8", errors="replace") as file:
            return file.read()

    def end(self, how: int = signal.SIGKILL) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(30)
            self._reader.join(10)
            self._process.stdout.close()
            self._process = None
            self._log.close()

    def close(self) -> None:
        self.end()
        self._folder.cleanup()


class NodeTest(unittest.TestCase):
    """One node for all tests of a class."""

    node: Node

    @classmethod
    def setUpClass(cls) -> None:
        if not os.path.exists(os.path.join(root, "packages", "cli", "dist")):
            raise unittest.SkipTest("the command is not built: npm run build")
        cls.node = Node()

    @classmethod
    def tearDownClass(cls) -> None:
        cls.node.close()


def until(what: str, holds: Callable[[], object], limit_s: float = 20.0) -> None:
    end = time.monotonic() + limit_s
    while not holds():
        if time.monotonic() > end:
            raise AssertionError(f"not within {limit_s:g} s: {what}")
        time.sleep(0.02)


class ScriptedServer:
    """Answers connections one after the other, each with the next script; remembers what it received.

    A script gets the socket after the head of a request arrived, or at once where ``reads`` is false.
    """

    def __init__(self, *scripts: Callable[[socket.socket], None], reads: bool = True) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._scripts = list(scripts)
        self._reads = reads
        self.requests: List[bytes] = []
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def _serve(self) -> None:
        for script in self._scripts:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(10)
                try:
                    if self._reads:
                        self.requests.append(read_request(connection))
                    script(connection)
                except OSError:
                    continue

    def __enter__(self) -> "ScriptedServer":
        return self

    def __exit__(self, *_error: object) -> None:
        try:
            # Wakes whoever waits for a connection that never comes.
            self._listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._listener.close()
        self._thread.join(15)


def read_request(connection: socket.socket) -> bytes:
    received = b""
    while b"\r\n\r\n" not in received:
        received += _more(connection)
    head, _, body = received.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)content-length: (\d+)", head)
    while length and len(body) < int(length.group(1)):
        body += _more(connection)
    return head + b"\r\n\r\n" + body


def _more(connection: socket.socket) -> bytes:
    data = connection.recv(65_536)
    if data == b"":
        raise ConnectionError("closed")
    return data


def answer(status: int, body: bytes, *headers: str) -> Callable[[socket.socket], None]:
    head = [f"HTTP/1.1 {status} Said", f"content-length: {len(body)}", "connection: close", *headers, "", ""]
    return lambda connection: connection.sendall("\r\n".join(head).encode() + body)
