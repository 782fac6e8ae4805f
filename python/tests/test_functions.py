"""The types of functions and the context for their tests, against the runner that the node really uses."""

import ast
import inspect
import os
import unittest
from datetime import datetime, timezone

from rig import root

import brume.functions as functions
from brume.functions import FogError, LocalContext, Request, Response, call

runner = os.path.join(root, "packages", "node", "runners", "runner.py")


def methods_of(tree, name):
    """Public methods and properties of a class of the runner, with what they take."""
    found = next(node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == name)
    signatures = {}
    for node in found.body:
        if isinstance(node, ast.FunctionDef) and (not node.name.startswith("_") or node.name == "__call__"):
            is_property = any(isinstance(one, ast.Name) and one.id == "property" for one in node.decorator_list)
            given = node.args
            names = [one.arg for one in given.args] + ([f"*{given.vararg.arg}"] if given.vararg else [])
            signatures[node.name] = "property" if is_property else (names, [one.arg for one in given.kwonlyargs])
    return signatures


def signature_of(member):
    if isinstance(member, property):
        return "property"
    parameters = inspect.signature(member).parameters.values()
    plain = [one for one in parameters if one.kind != one.KEYWORD_ONLY]
    names = [f"*{one.name}" if one.kind == one.VAR_POSITIONAL else one.name for one in plain]
    return names, [one.name for one in parameters if one.kind == one.KEYWORD_ONLY]


class InStep(unittest.TestCase):
    def setUp(self):
        if not os.path.exists(runner):
            self.skipTest("the node has no Python runner: packages/node/runners/runner.py")
        with open(runner, encoding="utf-8") as file:
            self.tree = ast.parse(file.read())

    def test_types_are_those_of_the_runner(self):
        for name in ("Context", "State", "Secrets", "Log"):
            for method, signature in methods_of(self.tree, name).items():
                with self.subTest(f"{name}.{method}"):
                    self.assertEqual(signature_of(inspect.getattr_static(getattr(functions, name), method)), signature)
        for name in ("Request", "Response"):
            self.assertEqual(
                set(methods_of(self.tree, name)),
                {one for one in vars(getattr(functions, name)) if not one.startswith("_")},
            )

    def test_the_local_context_has_everything_that_the_runner_has(self):
        for of, name in ((LocalContext(), "Context"), (LocalContext().state, "State"), (LocalContext().log, "Log")):
            missing = [method for method in methods_of(self.tree, name) if not hasattr(of, method)]
            self.assertEqual(missing, [])
        # What the runner offers as brume.functions is in this package too.
        for name in ("Context", "AsyncContext", "Request", "Response", "FogError"):
            self.assertTrue(hasattr(functions, name))


def counts(event, ctx):
    count = (ctx.state.get("count") or 0) + event["by"]
    ctx.state.set("count", count)
    ctx.publish("counted", {"count": count}, qos=1)
    ctx.log("Counted", {"count": count})
    return {"count": count, "at": datetime(2025, 1, 1, tzinfo=timezone.utc), "of": {1}}


async def cools(event, ctx):
    rows = await ctx.query("SELECT value FROM latest WHERE device = $1", event["device"])
    outcome = await ctx.command("fan", "start", {"speed": rows[0]["value"]})
    await ctx.state.set("last", outcome["output"])
    return [outcome["state"], await ctx.invoke("other", 1), await ctx.secrets.get("token")]


class Local(unittest.TestCase):
    def test_a_handler_is_called_as_the_node_calls_it(self):
        ctx = LocalContext(state={"count": 2})
        self.assertEqual(call(counts, {"by": 3}, ctx), {"count": 5, "at": "2025-01-01T00:00:00+00:00", "of": [1]})
        self.assertEqual(ctx.state.get("count"), 5)
        self.assertEqual(ctx.published, [("counted", '{"count":5}', 1, False)])
        self.assertEqual(ctx.logged, [("info", "Counted", {"count": 5})])

    def test_a_coroutine_awaits_what_it_asks(self):
        asked = []
        ctx = LocalContext(
            query=lambda sql, parameters: asked.append((sql, parameters)) or [{"value": 7}],
            command=lambda device, name, input: {"running": input["speed"]},
            invoke=lambda name, event: event + 1,
            secrets={"token": "s"},
        )
        self.assertEqual(call(cools, {"device": "room"}, ctx), ["done", 2, "s"])
        self.assertEqual(asked[0][1], ["room"])
        self.assertEqual((ctx.commands[0][:3], ctx.state.get("last")), (("fan", "start", {"speed": 7}), {"running": 7}))
        self.assertEqual(ctx.invoked, [("other", 1)])

    def test_what_the_node_refuses_is_refused(self):
        def fails(device, name, input):
            raise FogError("command_rejected", "no")

        ctx = LocalContext(command=fails)
        self.assertEqual(ctx.command("fan", "start")["error"], {"code": "command_rejected", "message": "no"})
        for asks in (
            lambda: ctx.publish("a/#", 1),
            lambda: ctx.publish("a", 1, qos=3),
            lambda: ctx.query("SELECT 1"),
            lambda: ctx.invoke("other"),
            lambda: ctx.secrets.get("token"),
        ):
            self.assertRaises(FogError, asks)
        self.assertRaises(TypeError, ctx.publish, "a", object())
        self.assertRaises(ValueError, call, lambda event, ctx: float("nan"))

    def test_state_keeps_copies_and_compares(self):
        state = LocalContext(state={"list": [1]}).state
        state.get("list").append(2)
        self.assertEqual(state.get("list"), [1])
        self.assertEqual(
            [state.compare_and_set("list", [2], [3]), state.compare_and_set("list", [1], [3])], [False, True]
        )
        self.assertTrue(state.compare_and_set("new", None, 1))
        state.set("new", None)
        self.assertIsNone(state.get("new"))

    def test_requests_and_responses_are_as_in_the_node(self):
        request = Request("POST", "/a", "x=1&y=", {"Content-Type": "application/json"}, b'{"a":1}')
        self.assertEqual(
            (request.json(), request.query, request.headers["content-type"]),
            ({"a": 1}, {"x": "1", "y": ""}, "application/json"),
        )
        self.assertEqual(Response({"a": 1}).status, 200)


if __name__ == "__main__":
    unittest.main()
