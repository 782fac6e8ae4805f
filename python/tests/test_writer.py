"""The writer against a node that is slow, away, or refuses some readings. The sending is the test's."""

import json
import threading
import unittest

from rig import until

from brume import BrumeError, Writer


class Sender:
    """Takes parts; fails as a test says, by the number of the attempt."""

    def __init__(self, *failures):
        self.failures = list(failures)
        self.parts = []
        self.lock = threading.Lock()
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self, part):
        self.gate.wait(10)
        with self.lock:
            failure = self.failures.pop(0) if self.failures else None
            self.parts.append((part.key, [json.loads(line)["value"] for line in part.lines], failure is None))
        if failure is not None:
            raise failure
        return len(part.lines)

    def stored(self):
        return [value for _, values, is_stored in self.parts if is_stored for value in values]


def reading(value):
    return ("d", "p", value)


away = BrumeError("node_unreachable", "away")


class Writers(unittest.TestCase):
    def test_readings_leave_in_order_in_batches_and_all_are_counted(self):
        sender = Sender()
        with Writer(sender, max_batch=10, max_delay=60) as writer:
            for value in range(25):
                writer.add(reading(value))
            until("two full batches left", lambda: len(sender.stored()) == 20)
        self.assertEqual([len(values) for _, values, _ in sender.parts], [10, 10, 5])
        self.assertEqual(sender.stored(), list(range(25)))
        self.assertEqual(writer.stats()[:4], (0, 25, 0, 0))

    def test_a_batch_that_is_not_full_leaves_after_its_delay(self):
        sender = Sender()
        writer = Writer(sender, max_delay=0.02)
        writer.add(reading(1))
        until("it left", lambda: sender.stored() == [1])
        writer.close()

    def test_every_attempt_of_a_batch_has_the_same_key(self):
        errors = []
        sender = Sender(away, away)
        with Writer(sender, on_error=errors.append) as writer:
            writer.add(reading(1))
            writer.flush()
            writer.add(reading(2))
        self.assertEqual([key == sender.parts[0][0] for key, *_ in sender.parts], [True, True, True, False])
        self.assertEqual((sender.stored(), errors, writer.stats().failures), ([1, 2], [away, away], 2))

    def test_only_what_the_node_refuses_for_good_is_lost(self):
        rejected = []
        refusal = BrumeError("readings_invalid", "no", details={"count": 1, "mistakes": [{"at": "line 2"}]})
        sender = Sender(refusal, away)
        with Writer(sender, on_rejected=lambda error, lines: rejected.extend(lines)) as writer:
            for value in range(4):
                writer.add(reading(value))
        self.assertEqual(sender.stored(), [0, 2, 3])
        self.assertEqual([json.loads(line)["value"] for line in rejected], [1])
        self.assertEqual(writer.stats()[1:3], (3, 1))

    def test_a_fault_of_the_node_that_always_meets_one_reading_costs_that_one(self):
        class Poisoned(Sender):
            def __call__(self, part):
                if any('"value":2' in line for line in part.lines):
                    raise BrumeError("internal", "a fault")
                return super().__call__(part)

        sender = Poisoned()
        writer = Writer(sender, close_timeout=60)
        for value in range(4):
            writer.add(reading(value))
        # Each flush ends a pause between attempts.
        while writer.stats().buffered > 0:
            try:
                writer.flush(0.02)
            except BrumeError:
                continue
        writer.close()
        self.assertEqual((sender.stored(), writer.stats().rejected), ([0, 1, 3], 1))

    def test_a_full_buffer_follows_its_policy(self):
        sender = Sender()
        sender.gate.clear()
        writer = Writer(sender, max_batch=2, max_buffered=4, when_full="reject")
        for value in range(4):
            writer.add(reading(value))
        with self.assertRaises(BrumeError) as caught:
            writer.add(reading(9))
        self.assertEqual(caught.exception.code, "writer_full")
        self.assertEqual(len(writer.unsent()), 4)

        dropping = Writer(sender, max_batch=2, max_buffered=4, when_full="drop-oldest")
        for value in range(20, 30):
            dropping.add(reading(value))
        waiting = Writer(sender, max_batch=2, max_buffered=4, block_timeout=0.05)
        for value in range(40, 44):
            waiting.add(reading(value))
        self.assertFalse(waiting.try_add(reading(9)))
        with self.assertRaises(BrumeError):
            waiting.add(reading(9))
        late = threading.Thread(
            target=Writer.add, args=(blocked := Writer(sender, max_batch=1, max_buffered=2), reading(50))
        )
        late.start()
        late.join(10)
        blocked.add(reading(51))
        third = threading.Thread(target=blocked.add, args=(reading(52),))
        third.start()
        sender.gate.set()
        third.join(10)
        self.assertFalse(third.is_alive())
        for one in (writer, dropping, waiting, blocked):
            one.close()
        stats = dropping.stats()
        self.assertEqual((stats.written + stats.dropped, stats.buffered), (10, 0))
        self.assertGreaterEqual(stats.dropped, 4)
        self.assertIn(29, sender.stored())
        self.assertTrue({0, 1, 2, 3, 40, 41, 42, 43, 50, 51, 52} <= set(sender.stored()))
        self.assertNotIn(9, sender.stored())

    def test_what_cannot_be_sent_in_time_is_told_and_kept(self):
        writer = Writer(Sender(*[away] * 1_000), close_timeout=0.05)
        writer.add(reading(1))
        with self.assertRaises(BrumeError) as caught:
            writer.close()
        self.assertEqual((caught.exception.code, caught.exception.details), ("node_unreachable", {"unsent": 1}))
        self.assertEqual([json.loads(line)["value"] for line in writer.unsent()], [1])
        with self.assertRaises(BrumeError) as caught:
            writer.add(reading(2))
        self.assertEqual(caught.exception.code, "writer_closed")

    def test_a_callback_that_raises_stops_nothing(self):
        def raises(_error):
            raise RuntimeError("mine")

        sender = Sender(away)
        with self.assertLogs("brume", "ERROR"), Writer(sender, on_error=raises) as writer:
            writer.add(reading(1))
        self.assertEqual(sender.stored(), [1])

    def test_a_reading_without_a_time_gets_that_of_add(self):
        lines = []
        with Writer(lambda part: lines.extend(part.lines) or 1) as writer:
            writer.add(reading(1))
        self.assertRegex(json.loads(lines[0])["time"], r"^\d{4}-.*\.\d{6}Z$")


if __name__ == "__main__":
    unittest.main()
