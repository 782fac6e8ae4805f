"""The client against a real node: what both sides must agree on."""

import asyncio
import importlib.util
import json
import threading
import time
import unittest
from datetime import datetime, timedelta, timezone

from rig import NodeTest, until

from brume import AsyncClient, BrumeError, Client, parse_time
from brume.calls import json_call


def too_hot(**spec):
    """A rule that raises an alarm for each device whose heat is above 8."""
    alarm = {"name": "hot", "severity": "critical", "message": "{{ device }} at {{ value }}"}
    on = {"device": "oven/+", "property": "heat"}
    document = {"apiVersion": "brume.dev/v1", "kind": "Rule", "metadata": {"name": "too-hot"}}
    return {**document, "spec": {"on": on, "when": "value > 8", "actions": [{"alarm": alarm}], **spec}}


class Agreed(NodeTest):
    def setUp(self):
        self.client = Client(self.node.url, self.node.token)
        self.addCleanup(self.client.close)

    def seen(self, sql, count):
        """Rows of a statement once so many are there: what was just acknowledged is visible to SQL a moment later."""
        until(f"{count} rows of {sql}", lambda: len(self.client.query(sql)) == count)
        return self.client.query(sql)

    def code_of(self, call):
        with self.assertRaises(BrumeError) as caught:
            call()
        return caught.exception.code

    def test_every_kind_of_value_arrives_as_it_is(self):
        time_ = datetime(2025, 1, 1, 0, 0, 0, 1, timezone.utc)
        written = self.client.write(
            [
                ("kinds/1 °", "a", 4.2, time_),
                {"device": "kinds/1 °", "property": "b", "value": 2**63, "tags": {"unit": "C"}, "quality": 4},
                {"device": "kinds/1 °", "values": {"c": {"open": [True]}, "d": "text", "e": False}},
            ]
        )
        self.assertEqual(written["accepted"], 5)
        self.assertRegex(written["epoch"], r"^[0-9a-f]{16}$")
        latest = {one["property"]: one for one in self.client.device("kinds/1 °")["latest"]}
        self.assertEqual((latest["a"]["value"], latest["a"]["time"]), (4.2, "2025-01-01T00:00:00.000001Z"))
        self.assertEqual(
            (latest["b"]["json"], latest["b"]["tags"], latest["b"]["quality"]), (str(2**63), '{"unit":"C"}', 4)
        )
        self.assertEqual(json.loads(latest["c"]["json"]), {"open": [True]})
        self.assertEqual((latest["d"]["text"], latest["e"]["json"]), ("text", "false"))
        rows = self.seen("SELECT value FROM readings WHERE device = 'kinds/1 °' ORDER BY property", 5)
        self.assertEqual(rows[0], {"value": 4.2})

    def test_the_same_key_stores_once_and_another_payload_under_it_is_refused(self):
        first = self.client.write(("keys", "p", 1), key="k")
        self.assertEqual(self.client.write(("keys", "p", 1), key="k"), first)
        self.assertEqual(self.code_of(lambda: self.client.write(("keys", "p", 2), key="k")), "idempotency_conflict")
        self.seen("SELECT value FROM readings WHERE device = 'keys'", 1)

    def test_many_readings_leave_in_several_requests(self):
        written = self.client.write((("many", "p", index) for index in range(25_000)), key="many")
        again = self.client.write((("many", "p", index) for index in range(25_000)), key="many")
        self.assertEqual((written["accepted"], again), (25_000, written))
        self.seen("SELECT 1 FROM readings WHERE device = 'many'", 25_000)

    def test_line_protocol_is_stored(self):
        self.assertEqual(
            self.client.write("room,host=lines t=1 1735689600000000000\n# said\nroom,host=lines u=2"), {"accepted": 2}
        )
        self.assertEqual(self.client.write_lines(b"room,host=lines v=2 1735689600", precision="s"), 1)
        self.assertEqual(len(self.client.device("lines")["latest"]), 3)
        self.assertEqual(self.code_of(lambda: self.client.write("nonsense")), "readings_invalid")

    def test_what_a_node_refuses_is_said_in_its_words(self):
        self.assertEqual(self.code_of(lambda: self.client.query("SELEC 1")), "query_invalid")
        self.assertEqual(self.code_of(lambda: self.client.query("COPY readings TO 'x'")), "query_refused")
        self.assertEqual(
            self.code_of(lambda: self.client.query("SELECT * FROM range(9)", max_rows=3)), "query_too_many_rows"
        )
        self.assertEqual(
            self.code_of(
                lambda: self.client.query("SELECT count(*) FROM range(9000000000) a, range(9000)", timeout=0.1)
            ),
            "query_timeout",
        )
        self.assertEqual(self.code_of(lambda: self.client.device("nowhere")), "device_not_found")
        self.assertEqual(self.code_of(Client(self.node.url, "brume_x_y").status), "unauthenticated")
        with self.assertRaises(BrumeError) as caught:
            self.client.write(("d", "p", "x" * 100_000))
        self.assertEqual((caught.exception.code, caught.exception.retry), ("readings_invalid", "never"))
        self.assertTrue(caught.exception.hint)

    def test_statements_take_parameters_and_stream(self):
        rows = self.client.query(
            "SELECT $1::TIMESTAMP AS t, $2::HUGEINT AS n, $3 AS text",
            [datetime(2025, 1, 1, tzinfo=timezone.utc), 2**70, "é"],
        )
        self.assertEqual(rows, [{"t": "2025-01-01T00:00:00.000000Z", "n": 2**70, "text": "é"}])
        self.assertIs(type(self.client.query("SELECT 6.0::DOUBLE AS v")[0]["v"]), float)
        self.assertEqual(
            [(column.name, column.type) for column in rows.columns][1:], [("n", "HUGEINT"), ("text", "VARCHAR")]
        )
        with self.client.query_stream("SELECT range AS n, 'é\"]}' || range AS text FROM range(90000)") as stream:
            for count, row in enumerate(stream, 1):
                pass
        self.assertEqual((count, row), (90_000, {"n": 89_999, "text": 'é"]}89999'}))
        with self.client.query_stream("SELECT repeat('x', 1000) FROM range(90000)") as stream:
            next(iter(stream))
        running = self.client._object
        until(
            "the statement that was left is stopped", lambda: running(json_call("GET", "v1/queries"))["queries"] == []
        )

    def test_rows_become_a_table_of_pandas(self):
        if importlib.util.find_spec("pandas") is None:
            self.skipTest("pandas is not installed: apt-get install python3-pandas")
        table = self.client.query(
            "SELECT TIMESTAMP '2025-01-01 00:00:00.000001' AS t, 1.5::DOUBLE AS v, 1::BIGINT AS n, NULL::BIGINT AS m, "
            "true AS b, NULL::DOUBLE AS w, NULL::TIMESTAMP AS u, 'x' AS s, DATE '2025-01-02' AS d"
        ).to_pandas()
        types = {name: str(kind) for name, kind in table.dtypes.items()}
        times = "datetime64[ns, UTC]"
        self.assertEqual(
            types,
            {
                "t": times,
                "v": "float64",
                "n": "int64",
                "m": "Int64",
                "b": "bool",
                "w": "float64",
                "u": times,
                "s": "object",
                "d": times,
            },
        )
        self.assertEqual(table["t"][0].isoformat(), "2025-01-01T00:00:00.000001+00:00")
        self.assertTrue(table["m"].isna()[0] and table["u"].isna()[0])
        empty = self.client.query("SELECT time, value FROM readings WHERE device = 'nobody'").to_pandas()
        self.assertEqual([str(kind) for kind in empty.dtypes], [times, "float64"])

    def test_devices_are_listed_over_pages_and_latest_is_filtered(self):
        self.client.write([(f"pages/{index}", name, index) for index in range(5) for name in ("a", "b")])
        self.assertEqual(
            [one["device"] for one in self.client.devices("pages/+", page_size=2)],
            [f"pages/{index}" for index in range(5)],
        )
        latest = self.client.latest(["pages/1", "pages/2"], "b")
        self.assertEqual([(one["device"], one["value"]) for one in latest], [("pages/1", 1), ("pages/2", 2)])

    def test_the_lines_that_a_node_refuses_are_found_by_the_writer(self):
        rejected = []
        with self.client.writer(max_batch=100, on_rejected=lambda _error, lines: rejected.extend(lines)) as writer:
            for index in range(100):
                writer.add(("found", "p", "x" * 100_000 if index % 9 == 0 else index))
        self.assertEqual((writer.stats().written, writer.stats().rejected, len(rejected)), (88, 12, 12))

    def test_commands_are_sent_once_for_each_key_and_listed(self):
        lost = self.client.command("lamp", "on", {"level": 3}, key="lamp-1", deadline=5)
        self.assertEqual(
            (lost["state"], lost["error"]["code"], lost["input"]), ("failed", "command_unreachable", {"level": 3})
        )
        self.assertEqual(self.client.command("lamp", "on", {"level": 3}, key="lamp-1", deadline=5), lost)
        self.assertEqual(self.client.get_command(lost["id"], wait=True), lost)
        self.assertEqual([one["id"] for one in self.client.commands("lamp", state="failed")], [lost["id"]])
        self.assertEqual(self.code_of(lambda: self.client.command("lamp", "on", check=True)), "command_unreachable")
        started = self.client.command("lamp", "off", wait=False, check=True)
        self.assertEqual(self.client.get_command(started["id"], wait=True)["state"], "failed")
        self.assertEqual(
            self.code_of(lambda: self.client.command("lamp", "on", 4, key="lamp-1")), "idempotency_conflict"
        )
        self.assertEqual(self.code_of(lambda: self.client.command("lamp", "a/b")), "command_invalid")
        self.assertEqual(self.code_of(lambda: self.client.get_command("0" * 32)), "command_not_found")

    def test_a_client_may_be_shared_by_threads(self):
        failures = []

        def works(number):
            try:
                for turn in range(20):
                    self.client.write((f"threads/{number}", "n", turn))
                    latest = self.client.latest(f"threads/{number}")
                    assert [one["value"] for one in latest] == [turn], latest
            except Exception as error:
                failures.append(error)

        threads = [threading.Thread(target=works, args=(number,)) for number in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        self.assertEqual(failures, [])

    def test_twins_are_set_and_shown(self):
        self.assertEqual(self.code_of(lambda: self.client.twin("fan")), "twin_not_found")
        twin = self.client.set_twin("fan", {"speed": 3, "mode": "eco"})
        self.assertEqual((twin["desired"]["version"], twin["delta"]), (1, {"speed": 3, "mode": "eco"}))
        self.assertEqual(self.client.set_twin("fan", {"mode": None}, if_version=1)["delta"], {"speed": 3})
        self.assertEqual(self.code_of(lambda: self.client.set_twin("fan", {}, if_version=1)), "twin_conflict")
        self.assertEqual(self.client.twin("fan")["reported"]["values"], {})

    def test_documents_are_checked_applied_listed_and_deleted(self):
        client = self.client
        self.assertEqual(client.apply(too_hot(), dry_run=True)[0]["change"], "created")
        self.assertEqual(self.code_of(lambda: client.document("Rule", "too-hot")), "document_not_found")
        self.assertEqual([one["change"] for one in client.apply([too_hot()])], ["created"])
        # JSON is YAML too.
        self.assertEqual(client.apply(json.dumps(too_hot()))[0]["change"], "unchanged")
        self.assertEqual(client.apply(too_hot(cooldown="5m"))[0]["document"]["status"]["generation"], 2)
        self.assertEqual([one["metadata"]["name"] for one in client.documents("rules")], ["too-hot"])
        with self.assertRaises(BrumeError) as caught:
            client.apply([too_hot(wen="value > 9", cooldown="soon")])
        self.assertEqual(caught.exception.code, "document_invalid")
        self.assertEqual({one["path"] for one in caught.exception.details["mistakes"]}, {"spec.wen", "spec.cooldown"})
        client.delete_document("rule", "too-hot")
        self.assertEqual(list(client.documents()), [])

    def test_alarms_are_listed_acknowledged_silenced_and_cleared(self):
        client = self.client
        client.apply(too_hot())
        self.addCleanup(client.delete_document, "Rule", "too-hot")
        client.write(("oven/1", "heat", 9))
        until("it is raised", lambda: client.alarms("raised"))
        (alarm,) = client.alarms()
        self.assertEqual((alarm["message"], alarm["severity"], alarm["device"]), ("oven/1 at 9", "critical", "oven/1"))
        self.assertEqual(client.acknowledge_alarm(alarm["id"], "on my way")["acknowledged"]["note"], "on my way")
        later = datetime.now(timezone.utc) + timedelta(hours=1)
        self.assertEqual(parse_time(client.silence_alarm(alarm["id"], later)["silenced"]["until"]).hour, later.hour)
        self.assertEqual(client.clear_alarm(alarm["id"])["state"], "cleared")
        self.assertEqual((client.alarms("raised"), len(client.alarms())), ([], 1))
        self.assertEqual(self.code_of(lambda: client.clear_alarm("none@nowhere")), "alarm_not_found")

    def test_functions_are_called_once_for_each_key(self):
        code = """
from brume.functions import Context, FogError, Request, Response

def handler(event: dict, ctx: Context) -> dict:
    if event.get("fails"):
        raise ValueError("as it was told")
    calls = (ctx.state.get("calls") or 0) + 1
    ctx.state.set("calls", calls)
    ctx.publish("devices/told/calls", str(calls), qos=1)
    return {"calls": calls, "event": event, "trigger": ctx.trigger, "has key": ctx.key is not None}
"""
        metadata, spec = {"name": "counting"}, {"runtime": "python", "entry": "main.py"}
        document = {"apiVersion": "brume.dev/v1", "kind": "Function", "metadata": metadata, "spec": spec}
        body = {"document": document, "files": {"main.py": code}, "acceptUnsandboxed": True}
        self.client._object(json_call("POST", "v1/functions/counting/deploy", body))
        first = self.client.invoke("counting", {"x": [1, None]}, key="one", deadline=20)
        self.assertEqual(first, {"calls": 1, "event": {"x": [1, None]}, "trigger": "http", "has key": True})
        self.assertEqual(self.client.invoke("counting", {"x": [1, None]}, key="one", deadline=20), first)
        self.assertEqual(self.client.invoke("counting", {})["calls"], 2)
        until("it has reported", lambda: [one["value"] for one in self.client.latest("told")] == [2])
        with self.assertRaises(BrumeError) as caught:
            self.client.invoke("counting", {"fails": True})
        self.assertEqual(caught.exception.code, "function_failed")
        self.assertIn("as it was told", caught.exception.message)
        self.assertIn("main.py", caught.exception.details["stack"])
        self.assertEqual(self.code_of(lambda: self.client.invoke("nobody")), "function_not_found")

    def test_live_readings_come_through_the_filters(self):
        with self.client.subscribe(device=["cold/+", "other"], property="t") as live:
            live.wait_open()
            for device in ("cold/a", "warm/a", "cold/a/b", "cold/b"):
                self.client.write([(device, "t", 1), (device, "other", 1)])
            heard = [live.take(10) for _ in range(2)]
            self.assertIsNone(live.take(0.2))
        self.assertEqual([(one["device"], one["property"]) for one in heard], [("cold/a", "t"), ("cold/b", "t")])
        self.assertEqual(list(live), [])

    def test_a_slow_reader_keeps_the_newest_and_is_told_of_the_gap(self):
        gaps = []
        with self.client.subscribe(device="slow", on_gap=gaps.append, max_queued=10) as live:
            live.wait_open()
            for start in range(0, 100, 20):
                self.client.write([("slow", "n", start + index) for index in range(20)])
            until("all are heard", lambda: live.stats().received == 100)
            self.assertEqual([live.take(5)["value"] for _ in range(10)], list(range(90, 100)))
        self.assertEqual(sum(gap.count for gap in gaps), 90)
        self.assertEqual({gap.reason for gap in gaps}, {"slow"})

    def test_closing_ends_a_loop_that_waits_in_another_thread(self):
        live = self.client.subscribe(device="nobody")
        live.wait_open()
        loop = threading.Thread(target=lambda: list(live))
        loop.start()
        live.close()
        loop.join(10)
        self.assertFalse(loop.is_alive())

    def test_a_stream_without_a_valid_token_ends_with_the_nodes_reason(self):
        self.assertEqual(self.code_of(lambda: next(Client(self.node.url, "brume_x_y").subscribe())), "unauthenticated")

    def test_asyncio_programs_do_the_same(self):
        async def program():
            async with AsyncClient(self.node.url, self.node.token) as client:
                async with client.subscribe(device="async/#") as live:
                    await live.wait_open()
                    # The loop goes on while requests wait.
                    written, ticks = await asyncio.gather(
                        client.write([("async/a", "p", 1)]), asyncio.sleep(0.01, "ticked")
                    )
                    async for reading in live:
                        break
                async with client.writer(max_batch=10) as writer:
                    for index in range(25):
                        await writer.add(("async/b", "p", index))
                streamed = [row["n"] async for row in client.query_stream("SELECT range AS n FROM range(5)")]
                try:
                    async with client.subscribe(device="nobody") as silent:
                        await asyncio.wait_for(silent.take(), 0.05)
                except asyncio.TimeoutError:
                    self.assertEqual([reading async for reading in silent], [])
                refused = await asyncio.gather(client.device("nowhere"), return_exceptions=True)
                return written["accepted"], ticks, reading["value"], writer.stats().written, streamed, refused[0].code

        self.assertEqual(asyncio.run(program()), (1, "ticked", 1, 25, [0, 1, 2, 3, 4], "device_not_found"))


if __name__ == "__main__":
    unittest.main()
