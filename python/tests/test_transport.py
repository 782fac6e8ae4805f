"""Requests against servers that misbehave as networks, proxies and broken nodes do."""

import json
import time
import unittest

from rig import ScriptedServer, answer, read_request

from brume import BrumeError, Client

ok = answer(200, b'{"accepted":1,"seq":7,"epoch":"e"}', "content-type: application/json")
problem = json.dumps(
    {
        "code": "store_full",
        "status": 507,
        "retry": "later",
        "detail": "The disk is full",
        "hint": "Free some.",
        "details": {"x": 1},
    }
).encode()


def breaks(connection):
    """Ends without an answer."""


def client(server, **more):
    return Client(server.url, "secret", **more)


def code_of(test, call):
    with test.assertRaises(BrumeError) as caught:
        call()
    return caught.exception


class Requests(unittest.TestCase):
    def test_a_write_is_repeated_with_the_same_key_after_a_lost_answer(self):
        with ScriptedServer(breaks, answer(503, b""), ok) as server:
            self.assertEqual(client(server).write(("d", "p", 1))["seq"], 7)
        keys = [head.lower().split(b"idempotency-key: ")[1].split(b"\r\n")[0] for head in server.requests]
        self.assertEqual((len(keys), len(set(keys))), (3, 1))
        self.assertIn(b"authorization: bearer secret\r\n", server.requests[0].lower())

    def test_what_is_not_idempotent_is_sent_once(self):
        with ScriptedServer(breaks, ok) as server:
            error = code_of(self, lambda: client(server).set_twin("d", {}, if_version=1))
        self.assertEqual((error.code, len(server.requests)), ("node_unreachable", 1))

    def test_a_problem_becomes_an_error_with_everything_that_it_says(self):
        with ScriptedServer(answer(507, problem, "content-type: application/problem+json")) as server:
            error = code_of(self, lambda: client(server).write(("d", "p", 1)))
        self.assertEqual(
            (error.code, error.status, error.retry, error.message, error.hint, error.details),
            ("store_full", 507, "later", "The disk is full", "Free some.", {"x": 1}),
        )

    def test_answers_of_others_are_told_as_such(self):
        table = [
            (answer(200, b"<html>", "content-type: text/html"), "node_unreachable"),
            (answer(200, b"[]", "content-type: application/json"), "node_unreachable"),
            (answer(302, b"", "location: http://elsewhere"), "node_unreachable"),
            (answer(418, b"tea"), "request_invalid"),
            (answer(404, b"{broken", "content-type: application/json"), "not_found"),
            (answer(200, b"[" * 100_000, "content-type: application/json"), "node_unreachable"),
            (lambda connection: connection.sendall(b"SSH-2.0\r\n\r\n"), "node_unreachable"),
            (
                lambda connection: connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{"),
                "node_unreachable",
            ),
        ]
        for script, code in table:
            with ScriptedServer(script) as server:
                self.assertEqual(code_of(self, client(server, max_attempts=1).status).code, code)

    def test_a_time_limit_is_for_the_whole_answer_not_for_each_byte(self):
        def trickle(connection):
            connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")
            for _ in range(100):
                connection.sendall(b" ")
                time.sleep(0.02)

        def trickled_head(connection):
            for byte in b"HTTP/1.1 200 OK\r\nx: " + b"x" * 100:
                connection.sendall(bytes([byte]))
                time.sleep(0.02)

        for script in (trickle, trickled_head, lambda connection: time.sleep(2)):
            with ScriptedServer(script) as server:
                error = code_of(self, client(server, max_attempts=1, timeout=0.3).status)
            self.assertIn("did not answer within 0.3 s", error.message)

    def test_an_answer_beyond_the_limit_is_refused(self):
        endless = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + b"1000\r\n" + b"x" * 4096 + b"\r\n"
        for script in (answer(200, b"x" * 5_000), lambda connection: connection.sendall(endless)):
            with ScriptedServer(script) as server:
                error = code_of(self, client(server, max_attempts=1, max_answer_bytes=1_000).status)
            self.assertEqual(error.code, "payload_too_large")

    def test_a_connection_is_used_again_and_one_that_the_node_closed_is_not(self):
        def twice_and_over(connection):
            body = b'{"accepted":1}'
            head = b"HTTP/1.1 200 OK\r\ncontent-length: 14\r\n\r\n"
            connection.sendall(head + body)
            server.requests.append(read_request(connection))
            connection.sendall(head + body)

        with ScriptedServer(twice_and_over, ok) as server:
            one = client(server, max_attempts=1)
            for _ in range(2):
                one.status()
            time.sleep(0.1)
            one.status()
            one.close()
        self.assertEqual(len(server.requests), 3)

    def test_retry_after_is_heeded_up_to_a_limit(self):
        with ScriptedServer(answer(503, b"", "retry-after: 0"), ok) as server:
            client(server).status()
        with ScriptedServer(answer(503, b"", "retry-after: 3600"), ok) as server:
            # It is told instead of waited for.
            error = code_of(self, client(server).status)
            self.assertEqual(error.details["retryAfterS"], 3600)

    def test_what_cannot_be_a_request_is_refused_before_it_is_sent(self):
        table = [
            (lambda: Client("ftp://x"), "request_invalid"),
            (lambda: Client("http://user:pw@x"), "request_invalid"),
            (lambda: Client("http://x:99999"), "request_invalid"),
            (lambda: Client("http://x", "two words"), "usage"),
            (lambda: Client("http://x", "a\r\nb: c"), "usage"),
            (lambda: Client("http://x", "t").write(("d", "p", 1), key="é"), "request_invalid"),
            (lambda: Client("http://x", "t").subscribe(device="a/#/b"), "request_invalid"),
            (lambda: Client("http://x", "t").command("d", "c", object()), "request_invalid"),
        ]
        for call, code in table:
            self.assertEqual(code_of(self, call).code, code)


def rows_answer(*pieces):
    def script(connection):
        head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
        connection.sendall(head)
        for piece in pieces:
            connection.sendall(b"%x\r\n%s\r\n" % (len(piece), piece))
            time.sleep(0.01)
        if pieces[-1].endswith(b"}"):
            connection.sendall(b"0\r\n\r\n")

    return script


head = b'{"id":"q-1","columns":[{"name":"n","type":"HUGEINT"},{"name":"t","type":"VARCHAR"}],"rows":['


class Rows(unittest.TestCase):
    def test_rows_arrive_however_their_bytes_are_split(self):
        rows = [{"n": index, "t": 'é]}",' + "x" * index} for index in range(60)]
        whole = head + ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows).encode() + b'\n],"rowCount":60}'
        for size in (1, 7, 100, 100_000):
            pieces = [whole[at : at + size] for at in range(0, len(whole), size)]
            if size == 1:
                pieces = [whole[:500]] + [bytes([byte]) for byte in whole[500:600]] + [whole[600:]]
            with ScriptedServer(rows_answer(*pieces)) as server:
                self.assertEqual(list(client(server).query("x")), rows)

    def test_big_integers_are_ints(self):
        with ScriptedServer(
            rows_answer(head + b'{"n":"170141183460469231731687303715884105727","t":"5"}],"rowCount":1}')
        ) as server:
            self.assertEqual(client(server).query("x"), [{"n": 2**127 - 1, "t": "5"}])

    def test_an_answer_that_breaks_off_is_an_error_with_the_nodes_last_words(self):
        table = [
            (
                [
                    head
                    + b'{"n":1}\n],"error":{"code":"query_memory","detail":"Too much","status":413,"retry":"never"}}'
                ],
                "query_memory",
            ),
            ([head + b'{"n":1},'], "node_unreachable"),
            ([head + b'{"n":1},{"n"}'], "node_unreachable"),
            ([b'{"other":[]}'], "node_unreachable"),
            ([b"[1,2]}"], "node_unreachable"),
        ]
        for pieces, code in table:
            with ScriptedServer(rows_answer(*pieces)) as server:
                self.assertEqual(code_of(self, lambda: client(server, max_attempts=1).query("x")).code, code)

    def test_a_result_beyond_the_limit_of_memory_is_refused_and_can_be_streamed(self):
        many = [head] + [b'{"n":1},' * 1_000] * 10 + [b'{"n":2}],"rowCount":1}']
        with ScriptedServer(rows_answer(*many), rows_answer(*many)) as server:
            one = client(server, max_answer_bytes=20_000)
            self.assertEqual(code_of(self, lambda: one.query("x")).code, "payload_too_large")
            with one.query_stream("x") as stream:
                self.assertEqual(sum(row["n"] for row in stream), 10_002)


if __name__ == "__main__":
    unittest.main()
