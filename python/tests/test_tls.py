"""A node behind TLS: requests and streams over a proxy with a certificate of its own."""

import os
import shutil
import socket
import ssl
import subprocess
import tempfile
import threading
import unittest

from rig import NodeTest

from brume import BrumeError, Client


class TlsProxy:
    """Takes TLS and passes it on in the clear, as a reverse proxy does."""

    def __init__(self, folder: str, target: int) -> None:
        self.certificate = os.path.join(folder, "certificate.pem")
        key = os.path.join(folder, "key.pem")
        subprocess.run(
            "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost"
            " -keyout".split() + [key, "-out", self.certificate],
            check=True,
            capture_output=True,
        )
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(self.certificate, key)
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"https://localhost:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                plain, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(plain,), daemon=True).start()

    def _serve(self, plain: socket.socket) -> None:
        try:
            with self._context.wrap_socket(plain, server_side=True) as near:
                with socket.create_connection(("127.0.0.1", self._target)) as far:
                    back = threading.Thread(target=self._copy, args=(far, near), daemon=True)
                    back.start()
                    self._copy(near, far)
                    back.join(10)
        except OSError:
            # A client that does not trust the certificate goes away.
            plain.close()

    def _copy(self, origin: socket.socket, target: socket.socket) -> None:
        try:
            while True:
                data = origin.recv(65_536)
                if data == b"":
                    break
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            return

    def close(self) -> None:
        try:
            self._listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._listener.close()


@unittest.skipIf(shutil.which("openssl") is None, "openssl is not installed: apt-get install openssl")
class Tls(NodeTest):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.proxy = TlsProxy(folder.name, int(self.node.url.rsplit(":", 1)[1]))
        self.addCleanup(self.proxy.close)

    def test_requests_and_streams_pass_where_the_issuer_is_known(self):
        context = ssl.create_default_context(cafile=self.proxy.certificate)
        client = Client(self.proxy.url, self.node.token, ssl_context=context)
        with client.subscribe(device="tls") as live:
            live.wait_open()
            for turn in range(3):
                client.write(("tls", "n", turn))
            self.assertEqual([live.take(10)["value"] for _ in range(3)], [0, 1, 2])
        self.assertEqual(len(client.query("SELECT range AS n FROM range(50000)")), 50_000)

    def test_a_certificate_that_is_not_trusted_is_told_as_that(self):
        client = Client(self.proxy.url, self.node.token, max_attempts=1)
        for call in (client.status, lambda: client.subscribe(max_attempts=1).take(20)):
            with self.assertRaises(BrumeError) as caught:
                call()
            self.assertIn("certificate is not trusted", caught.exception.message)

    def test_a_node_without_tls_is_told_as_that(self):
        client = Client(self.node.url.replace("http:", "https:"), self.node.token, max_attempts=1)
        with self.assertRaises(BrumeError) as caught:
            client.status()
        self.assertIn("does not speak TLS", caught.exception.message)


if __name__ == "__main__":
    unittest.main()
