"""A node that dies while it is written to and listened to: kill -9, and the same node again."""

import asyncio
import signal
import socket
import threading
import unittest

from rig import Node, NodeTest, until

from brume import AsyncClient, BrumeError, Client


def values(client, device):
    sql = "SELECT value FROM readings WHERE device = $1 ORDER BY epoch, seq"
    return [int(row["value"]) for row in client.query(sql, [device])]


class Killed(NodeTest):
    def setUp(self):
        self.client = Client(self.node.url, self.node.token, timeout=10, max_attempts=20)
        self.addCleanup(self.client.close)

    def kill_and_restart(self, times=1):
        for _ in range(times):
            self.node.end(signal.SIGKILL)
            self.node.start()

    def test_every_write_that_returned_is_there_once(self):
        written, is_over = [], threading.Event()

        def write():
            number = 0
            while not is_over.is_set():
                try:
                    self.client.write([("written", "n", number)])
                    written.append(number)
                except BrumeError as error:
                    # Nobody answered for long: whether it is there is in doubt, and it is not claimed.
                    self.assertEqual(error.code, "node_unreachable")
                number += 1

        writing = threading.Thread(target=write)
        writing.start()
        for _ in range(3):
            before = len(written)
            until("more is written", lambda: len(written) > before + 20)
            self.kill_and_restart()
        is_over.set()
        writing.join(30)
        until("SQL sees them", lambda: set(written) <= set(values(self.client, "written")))
        found = values(self.client, "written")
        self.assertEqual(len(found), len(set(found)))
        self.assertGreater(len(written), 60)

    def test_a_writer_brings_every_reading_once(self):
        errors = []
        with self.client.writer(max_batch=20, max_delay=0.005, on_error=errors.append, close_timeout=60) as writer:
            for number in range(2_000):
                writer.add(("steady", "n", number))
                if number == 1_000:
                    # Batches are on their way.
                    self.kill_and_restart()
            self.node.end(signal.SIGKILL)
            until("it noticed", lambda: errors)
            self.node.start()
        self.assertEqual(writer.stats()[:4], (0, 2_000, 0, 0))
        until("SQL sees them", lambda: len(values(self.client, "steady")) >= 2_000)
        self.assertEqual(sorted(values(self.client, "steady")), list(range(2_000)))

    def test_a_subscription_goes_on_and_what_it_missed_can_be_asked_for(self):
        gaps = []
        with self.client.subscribe(device="heard", on_gap=gaps.append) as live:
            live.wait_open()
            self.client.write(("heard", "n", 1))
            self.assertEqual(live.take(10)["value"], 1)
            self.kill_and_restart()
            # Written before the stream is back, as far as the test can tell.
            self.client.write(("heard", "n", 2))
            until("it is open again", lambda: live.stats().connections == 2)
            self.client.write(("heard", "n", 3))
            heard = []
            while 3 not in heard:
                heard.append(live.take(20)["value"])
        self.assertEqual((gaps[0].reason, gaps[0].after["value"]), ("disconnected", 1))
        missed = "SELECT value FROM readings WHERE device = 'heard' AND epoch = $1 AND seq > $2 ORDER BY seq"
        place = [gaps[0].after["epoch"], gaps[0].after["seq"]]
        until("SQL sees them", lambda: len(self.client.query(missed, place)) == 2)

    def test_an_asyncio_subscription_goes_on(self):
        gaps = []

        async def program():
            loop = asyncio.get_running_loop()
            async with AsyncClient(self.node.url, self.node.token, max_attempts=20) as client:
                async with client.subscribe(device="awaited", on_gap=gaps.append) as live:
                    await live.wait_open()
                    await client.write(("awaited", "n", 1))
                    first = await live.take()
                    await loop.run_in_executor(None, self.kill_and_restart)
                    while live.stats().connections < 2:
                        await asyncio.sleep(0.02)
                    await client.write(("awaited", "n", 2))
                    return first["value"], (await live.take())["value"]

        self.assertEqual(asyncio.run(program()), (1, 2))
        self.assertEqual([gap.reason for gap in gaps], ["disconnected"])

    def test_a_command_whose_node_died_ends_in_doubt_not_without_an_end(self):
        # The device has it, and says nothing.
        with socket.create_connection(("127.0.0.1", self.node.mqtt_port), 10) as device:
            connect = b"\0\4MQTT\4\xc2\0\0\0\4mute" + b"".join(
                len(text).to_bytes(2, "big") + text for text in (b"device", self.node.token.encode())
            )
            device.sendall(bytes([0x10, len(connect)]) + connect)
            filter = b"devices/mute/commands/+"
            device.sendall(bytes([0x82, len(filter) + 5, 0, 1, 0, len(filter)]) + filter + b"\0")
            received = b""
            while len(received) < 9:
                received += device.recv(100)
            outcome = []
            sending = threading.Thread(
                target=lambda: outcome.append(self.client.command("mute", "wait", 1, deadline=4))
            )
            sending.start()
            self.assertIn(b"devices/mute/commands/wait", device.recv(1_000))
        self.kill_and_restart()
        sending.join(60)
        self.assertEqual((outcome[0]["state"], outcome[0]["attempts"]), ("in-doubt", 1))
        self.assertEqual(self.client.get_command(outcome[0]["id"])["state"], "in-doubt")

    def test_attempts_may_be_limited(self):
        node = Node()
        with Client(node.url, node.token).subscribe(max_attempts=2) as live:
            live.wait_open()
            node.close()
            with self.assertRaises(BrumeError) as caught:
                live.take(30)
        self.assertEqual(caught.exception.code, "node_unreachable")


if __name__ == "__main__":
    unittest.main()
