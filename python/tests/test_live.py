"""Live subscriptions against servers that misbehave as broken nodes, proxies and networks do."""

import json
import struct
import threading
import time
import unittest

from rig import ScriptedServer, answer
from test_websocket import accepted, frame, unmasked

from brume import BrumeError, Client


def message(*values):
    readings = [{"value": value, "received": f"2025-01-01T00:00:0{value}.000000Z"} for value in values]
    return frame(1, json.dumps({"type": "readings", "readings": readings}).encode())


class Streams(unittest.TestCase):
    def setUp(self):
        self.gaps = []

    def stream(self, *turns, **changes):
        """A server whose connections are handshakes, each answered, and then said what its turn says."""

        def script(turn):
            def said(connection):
                connection.sendall(accepted(server.requests[-1], **changes))
                turn(connection)

            return said

        server = ScriptedServer(*(script(turn) for turn in turns))
        self.addCleanup(server.__exit__)
        return server

    def subscribe(self, server, **options):
        live = Client(server.url, "secret").subscribe("cold/+", ["a", "b"], on_gap=self.gaps.append, **options)
        self.addCleanup(live.close)
        return live

    def heard(self, live, count):
        return [live.take(20)["value"] for _ in range(count)]

    def ends_with(self, live):
        with self.assertRaises(BrumeError) as caught:
            while live.take(20) is not None:
                pass
        return caught.exception

    def test_the_handshake_carries_token_and_filters(self):
        server = self.stream(lambda connection: connection.sendall(message(1)))
        self.assertEqual(self.heard(self.subscribe(server), 1), [1])
        head = server.requests[0].decode()
        self.assertIn("GET /v1/live?device=cold%2F%2B&property=a&property=b HTTP/1.1\r\n", head)
        self.assertIn("\r\nAuthorization: Bearer secret\r\n", head)

    def test_a_lost_connection_is_told_as_a_gap_before_what_comes_after_it(self):
        order = []
        closes = frame(8, struct.pack("!H", 1001) + b"the node is stopping")
        server = self.stream(
            lambda connection: connection.sendall(message(1, 2)),
            lambda connection: connection.sendall(message(3) + closes),
            lambda connection: connection.sendall(message(4)),
        )
        live = Client(server.url, "t").subscribe(on_gap=lambda gap: order.append(("gap", gap.after["value"])))
        self.addCleanup(live.close)
        self.assertEqual(self.heard(live, 4), [1, 2, 3, 4])
        self.assertEqual(order[:2], [("gap", 2), ("gap", 3)])

    def test_what_a_node_never_says_ends_the_connection_not_the_subscription(self):
        faults = [
            frame(1, b"x", masked=True),
            frame(2, b"binary"),
            frame(1, b"no JSON"),
            frame(1, b"[1]"),
            frame(2, size=2**40),
        ]
        heartbeat = frame(1, b'{"type":"heartbeat"}')
        turns = [lambda connection, fault=fault: connection.sendall(heartbeat + fault) for fault in faults]
        server = self.stream(*turns, lambda connection: connection.sendall(message(7)))
        self.assertEqual(self.heard(self.subscribe(server), 1), [7])
        self.assertEqual(len(server.requests), len(faults) + 1)
        self.assertEqual([gap.reason for gap in self.gaps], ["disconnected"] * len(faults))

    def test_pings_are_answered_and_what_the_node_left_out_is_told(self):
        answers = []

        def turn(connection):
            connection.sendall(frame(9, b"alive?") + frame(1, b'{"type":"dropped","count":5}') + message(1))
            answers.append(connection.recv(100))

        self.assertEqual(self.heard(self.subscribe(self.stream(turn, turn)), 1), [1])
        self.assertEqual((self.gaps[0].reason, self.gaps[0].count, self.gaps[0].after), ("slow", 5, None))
        while not answers:
            time.sleep(0.01)
        self.assertEqual(unmasked(answers[0])[0], (10, b"alive?"))

    def test_a_silent_link_is_dead(self):
        over = threading.Event()
        self.addCleanup(over.set)
        server = self.stream(lambda connection: over.wait(20), lambda connection: connection.sendall(message(1)))
        live = self.subscribe(server, silence=0.2, max_attempts=3)
        live.wait_open()
        time.sleep(0.3)
        over.set()
        self.assertEqual(self.heard(live, 1), [1])

    def test_a_refusal_for_good_is_final_and_one_that_may_pass_is_not(self):
        problem = {
            "code": "unauthenticated",
            "detail": "No such token",
            "status": 401,
            "retry": "never",
            "hint": "Ask.",
        }
        final = answer(401, json.dumps(problem).encode(), "content-type: application/problem+json")
        with ScriptedServer(answer(503, b"busy"), final) as server:
            error = self.ends_with(self.subscribe(server))
        self.assertEqual(
            (error.code, error.status, error.hint, len(server.requests)), ("unauthenticated", 401, "Ask.", 2)
        )

    def test_answers_that_are_no_handshake_are_told_as_such(self):
        for script in (
            answer(200, b"<html>"),
            answer(302, b"", "location: /elsewhere"),
            lambda connection: connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n"),
            lambda connection: connection.sendall(b"HTTP/1.1 101 x\r\n" + b"a: b\r\n" * 20_000),
            lambda connection: None,
        ):
            with ScriptedServer(script) as server:
                error = self.ends_with(self.subscribe(server, max_attempts=1))
            self.assertEqual((error.code, error.retry), ("node_unreachable", "later"))
        server = self.stream(lambda connection: None, **{"Sec-WebSocket-Accept": "AAAA"})
        self.assertIn("Sec-WebSocket-Accept", self.ends_with(self.subscribe(server, max_attempts=1)).message)

    def test_bytes_behind_the_handshake_are_not_lost(self):
        def at_once(connection):
            connection.sendall(accepted(server.requests[-1]) + message(5))

        with ScriptedServer(at_once) as server:
            self.assertEqual(self.heard(self.subscribe(server), 1), [5])

    def test_closing_says_goodbye(self):
        said = []
        server = self.stream(lambda connection: said.append(connection.recv(100)))
        live = self.subscribe(server)
        live.wait_open()
        live.close()
        while not said:
            time.sleep(0.01)
        self.assertEqual(unmasked(said[0])[0][0], 8)
        self.assertIsNone(live.take(1))

    def test_closing_ends_its_thread_whatever_the_stream_is_doing(self):
        def talks(connection):
            while True:
                connection.sendall(message(1))

        for turn in (talks, lambda connection: None, lambda connection: connection.recv(100)):
            for wait_s in (0, 0.01, 0.3):
                server = self.stream(turn)
                live = self.subscribe(server)
                live.wait_open()
                time.sleep(wait_s)
                live.close()
                self.assertFalse(live._thread.is_alive())

    def test_a_program_may_wait_for_the_stream_to_open_but_not_for_ever(self):
        with ScriptedServer(lambda connection: time.sleep(0.3), reads=False) as server:
            live = self.subscribe(server)
            with self.assertRaises(BrumeError) as caught:
                live.wait_open(0.1)
            self.assertEqual(caught.exception.code, "node_unreachable")
            live.close()


if __name__ == "__main__":
    unittest.main()
