"""The WebSocket protocol without a network: what RFC 6455 allows a server, and what it does not."""

import base64
import hashlib
import os
import random
import re
import struct
import unittest

from rig import root  # noqa: F401  (finds the package)

from brume.websocket import Binary, Closed, Handshake, Ping, Pong, Protocol, Text, parse_head


def frame(opcode, payload=b"", final=True, reserved=0, masked=False, size=None):
    length = len(payload) if size is None else size
    head = bytes([(0x80 if final else 0) | reserved | opcode])
    bit = 0x80 if masked else 0
    if length < 126:
        head += bytes([bit | length])
    elif length < 65536:
        head += struct.pack("!BH", bit | 126, length)
    else:
        head += struct.pack("!BQ", bit | 127, length)
    return head + (b"\0\0\0\0" if masked else b"") + payload


def unmasked(sent):
    """The frames of a client: (opcode, payload); fails where one is not masked."""
    frames = []
    while sent:
        assert sent[1] & 0x80, "a frame of the client is not masked"
        size, at = sent[1] & 0x7F, 2
        if size == 126:
            size, at = struct.unpack("!H", sent[2:4])[0], 4
        elif size == 127:
            size, at = struct.unpack("!Q", sent[2:10])[0], 10
        mask, payload = sent[at : at + 4], sent[at + 4 : at + 4 + size]
        frames.append((sent[0] & 0x0F, bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))))
        sent = sent[at + 4 + size :]
    return frames


class Frames(unittest.TestCase):
    def test_messages_arrive_however_their_bytes_are_split(self):
        stream = (
            frame(1, b"Hello")
            + frame(1, b"He", final=False)
            + frame(9, b"ping")
            + frame(0, "llö".encode())
            + frame(2, bytes(300))
            + frame(10, b"x")
            + frame(1, b"y" * 70_000)
            + frame(8, struct.pack("!H", 1001) + b"bye")
        )
        wanted = [
            Text("Hello"),
            Ping(b"ping"),
            Text("Hellö"),
            Binary(bytes(300)),
            Pong(b"x"),
            Text("y" * 70_000),
            Closed(1001, "bye"),
        ]
        for seed in range(50):
            randomness = random.Random(seed)
            protocol, events, at = Protocol(100_000), [], 0
            while at < len(stream):
                step = randomness.choice((1, 2, 3, 7, 1_000, 70_000))
                events += protocol.feed(stream[at : at + step])
                at += step
            self.assertEqual(events, wanted, f"seed {seed}")
            self.assertEqual(unmasked(protocol.take_outgoing()), [(10, b"ping"), (8, struct.pack("!H", 1001))])

    def test_what_a_server_may_not_send_ends_the_connection(self):
        table = [
            ("a reserved bit", frame(1, b"x", reserved=0x40), 1002),
            ("an unknown opcode", frame(3, b"x"), 1002),
            ("an unknown control opcode", frame(11), 1002),
            ("a masked frame", frame(1, b"x", masked=True), 1002),
            ("a fragmented ping", frame(9, final=False), 1002),
            ("a long ping", frame(9, b"x" * 126), 1002),
            ("a continuation of nothing", frame(0, b"x"), 1002),
            ("a message within a message", frame(1, b"x", final=False) + frame(1, b"x"), 1002),
            ("a text that is not UTF-8", frame(1, b"\xff"), 1007),
            ("half a code", frame(8, b"\x03"), 1002),
            ("a code that may not be sent", frame(8, struct.pack("!H", 1005)), 1002),
            ("a code that is none", frame(8, struct.pack("!H", 999)), 1002),
            ("a reason that is not UTF-8", frame(8, struct.pack("!H", 1000) + b"\xff"), 1007),
            ("a long length for a short payload", b"\x81\x7e\x00\x05hello", 1002),
            ("a longer length for a short payload", b"\x81\x7f" + struct.pack("!Q", 5) + b"hello", 1002),
            ("a length of 63 bits and more", b"\x82\x7f" + b"\xff" * 8, 1002),
            ("a message that is too long, by its head", frame(2, size=1_001), 1009),
            ("fragments that are too long together", (frame(2, b"x" * 600, False) + frame(0, b"x" * 600)), 1009),
            ("fragments without an end", frame(1, final=False) + frame(0, final=False) * 1_100, 1009),
        ]
        for name, received, code in table:
            with self.subTest(name):
                protocol = Protocol(1_000)
                events = protocol.feed(received)
                self.assertIsInstance(events[-1], Closed)
                self.assertEqual(events[-1].code, code)
                self.assertEqual(unmasked(protocol.take_outgoing())[-1][0], 8)
                self.assertTrue(protocol.is_closed)
                self.assertEqual(protocol.feed(frame(1, b"late")), [])

    def test_random_bytes_never_raise_and_never_hold_more_than_the_limit(self):
        for seed in range(500):
            protocol = Protocol(500)
            randomness = random.Random(seed)
            for _ in range(20):
                protocol.feed(bytes(randomness.getrandbits(8) for _ in range(randomness.randint(1, 60))))
                self.assertLess(len(protocol._received), 700, f"seed {seed}")

    def test_what_the_client_sends_is_masked_with_fresh_bytes(self):
        protocol = Protocol(1_000)
        sent = []
        for _ in range(3):
            protocol.send_text("x" * 200)
            sent.append(protocol.take_outgoing())
        self.assertEqual(len(set(sent)), 3)
        self.assertEqual([unmasked(one) for one in sent], [[(1, b"x" * 200)]] * 3)
        protocol.close(1000, "done")
        protocol.send_text("after")
        self.assertEqual(unmasked(protocol.take_outgoing()), [(8, struct.pack("!H", 1000) + b"done")])


def accepted(request, **changes):
    key = re.search(rb"Sec-WebSocket-Key: (\S+)", request).group(1)
    accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()).decode()
    headers = {
        "Upgrade": "websocket",
        "Connection": "keep-alive, Upgrade",
        "Sec-WebSocket-Accept": accept,
        "Sec-WebSocket-Protocol": "brume.v1",
        **changes,
    }
    lines = [f"{name}: {value}" for name, value in headers.items() if value is not None]
    return ("\r\n".join(["HTTP/1.1 101 Switching Protocols", *lines, "", ""])).encode()


class Handshakes(unittest.TestCase):
    def test_a_handshake_is_accepted_and_what_follows_it_is_kept(self):
        handshake = Handshake("localhost:1", "/v1/live", ["brume.v1"], [("Authorization", "Bearer x")])
        self.assertIn(b"\r\nAuthorization: Bearer x\r\n", handshake.request)
        whole = accepted(handshake.request) + b"rest"
        self.assertIsNone(parse_head(whole[:20]))
        head, rest = parse_head(whole)
        self.assertIsNone(handshake.problem(head))
        self.assertEqual(rest, b"rest")

    def test_an_answer_that_is_wrong_is_refused(self):
        for change in (
            {"Upgrade": "h2c"},
            {"Connection": "close"},
            {"Sec-WebSocket-Accept": base64.b64encode(os.urandom(20)).decode()},
            {"Sec-WebSocket-Accept": None},
            {"Sec-WebSocket-Protocol": "other"},
            {"Sec-WebSocket-Protocol": None},
            {"Sec-WebSocket-Extensions": "permessage-deflate"},
        ):
            with self.subTest(change):
                handshake = Handshake("localhost:1", "/v1/live", ["brume.v1"])
                head, _ = parse_head(accepted(handshake.request, **change))
                self.assertIsNotNone(handshake.problem(head))

    def test_a_head_that_is_none_is_refused(self):
        for received in (
            b"SSH-2.0-OpenSSH\r\n",
            b"HTTP/2 200\r\n\r\n",
            b"HTTP/1.1 abc\r\n\r\n",
            b"HTTP/1.1 101 x\r\nno colon\r\n\r\n",
            b"HTTP/1.1 101 x\r\n" + b"a: b\r\n" * 20_000,
        ):
            with self.subTest(received[:30]):
                self.assertRaises(ValueError, parse_head, received)


if __name__ == "__main__":
    unittest.main()
