"""What a program may hand over as a reading, and what it is told otherwise."""

import json
import unittest
from datetime import datetime, timedelta, timezone
from decimal import Decimal

from rig import root  # noqa: F401

from brume import BrumeError, parse_time
from brume.parts import Part, sift
from brume.readings import encode_all, encode_reading
from brume.topics import matches_filter


class Encoding(unittest.TestCase):
    def test_dicts_and_tuples_become_lines(self):
        time = datetime(2025, 1, 1, 1, 0, 0, 1, timezone(timedelta(hours=1)))
        table = [
            (("d", "p", 4.2), {"device": "d", "property": "p", "value": 4.2}),
            (
                ("d", "p", 2**70, time),
                {"device": "d", "property": "p", "value": 2**70, "time": "2025-01-01T00:00:00.000001Z"},
            ),
            (
                {"device": "d", "values": {"a": True, "b": "é\n", "c": [1, None]}, "tags": {"hall": "b"}, "quality": 4},
                {"device": "d", "values": {"a": True, "b": "é\n", "c": [1, None]}, "tags": {"hall": "b"}, "quality": 4},
            ),
            ({"device": "d", "property": "p", "value": (1, 2), "time": 1_700_000_000_123}, None),
        ]
        for given, wanted in table:
            line = encode_reading(given)
            self.assertNotIn("\n", line.text)
            if wanted is not None:
                self.assertEqual(json.loads(line.text), wanted)
        text, count = encode_all([("d", "p", 1), {"device": "d", "values": {"a": 1, "b": 2}}])
        self.assertEqual((text.count("\n"), count), (1, 3))
        self.assertEqual(encode_all(("d", "p", 1)), ('{"device":"d","property":"p","value":1}', 1))

    def test_what_no_node_accepts_is_refused_where_it_was_made(self):
        table = [
            (("d", "p", None), "has no value"),
            (("d", "p", float("nan")), "no number"),
            (("d", "p", {"a": float("inf")}), "JSON"),
            (("d", "p", Decimal("1")), "Decimal"),
            (("", "p", 1), "is empty"),
            (("d\n", "p", 1), "control character"),
            (("d", "\ud800", 1), "surrogate"),
            (("d", "p", "\ud800"), "JSON"),
            (("😀" * 257, "p", 1), "longer"),
            (("d", "p", 1, datetime(2025, 1, 1)), "time zone"),
            (("d", "p", 1, object()), "time that is none"),
            ({"device": "d", "value": 1}, "property is missing"),
            ({"device": "d", "values": {}}, "no values"),
            ({"device": "d", "property": "p", "value": 1, "vaule": 2}, "'vaule'"),
            ({"device": "d", "property": "p", "values": {"a": 1}}, "both"),
            (3, "neither"),
        ]
        for given, why in table:
            with self.subTest(why):
                with self.assertRaises(BrumeError) as caught:
                    encode_reading(given)
                self.assertEqual(caught.exception.code, "readings_invalid")
                self.assertIn(why, str(caught.exception))
        with self.assertRaises(BrumeError):
            encode_all([])

    def test_times_of_the_api_are_datetimes_of_utc(self):
        self.assertEqual(parse_time("2025-01-01T00:00:00.000001Z"), datetime(2025, 1, 1, 0, 0, 0, 1, timezone.utc))


class Sifting(unittest.TestCase):
    part = Part("k", ['{"device":"a","value":1}', '{"device":"b","values":{"x":1,"y":2}}', '{"device":"c","value":1}'])

    def test_the_lines_that_a_node_names_are_taken_out(self):
        error = BrumeError("readings_invalid", "no", details={"count": 1, "mistakes": [{"at": "line 2"}]})
        parts, refused = sift(self.part, error)
        self.assertEqual(parts, [Part("kx", [self.part.lines[0], self.part.lines[2]])])
        self.assertEqual([Part.count(line) for line in refused], [2])

    def test_where_none_are_named_both_halves_are_tried(self):
        for details in ({}, {"count": 9, "mistakes": [{"at": "line 2"}]}, {"count": 1, "mistakes": [{"at": "line 7"}]}):
            parts, refused = sift(self.part, BrumeError("readings_invalid", "no", details=details))
            self.assertEqual(([part.key for part in parts], refused), (["k0", "k1"], []))
        self.assertEqual(
            sift(Part("k", self.part.lines[:1]), BrumeError("payload_too_large", "no")), ([], self.part.lines[:1])
        )

    def test_the_device_that_a_token_may_not_touch_is_taken_out(self):
        parts, refused = sift(self.part, BrumeError("forbidden", "no", details={"device": "c"}))
        self.assertEqual((len(parts[0].lines), refused), (2, [self.part.lines[2]]))


class Filters(unittest.TestCase):
    def test_filters_fit_as_in_mqtt(self):
        table = [
            ("#", "a/b", True),
            ("a/#", "a", True),
            ("a/+", "a", False),
            ("a/+", "a/b", True),
            ("+/b", "a/b", True),
            ("a/+/c", "a/b/d", False),
            ("#", "$sys", False),
            ("$sys", "$sys", True),
        ]
        for one, topic, fits in table:
            self.assertEqual(matches_filter(one, topic), fits, (one, topic))


if __name__ == "__main__":
    unittest.main()
