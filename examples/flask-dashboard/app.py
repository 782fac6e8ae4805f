"""A dashboard in Flask: shows what a Brume node knows, and takes the webhooks of its rules.

A node may send a webhook twice, when it never heard of the first one's answer; both carry the same Idempotency-Key. So
an event is kept under its key, before it is answered, and what comes again is answered without being kept again.
"""

import hmac
import json
import os
import sqlite3
from contextlib import closing
from datetime import datetime, timedelta, timezone

from flask import Flask, Response, abort, jsonify, render_template, request

from brume import BrumeError, Client
from sparkline import points

#: Longest webhook, bytes.
MAX_WEBHOOK = 65_536
#: Events that are kept, and so how far back a repeated key is recognised.
MAX_EVENTS = 10_000
#: Series with a curve of their last hour; the others show their value.
MAX_CURVES = 60

HISTORY = """
    SELECT device, property, time_bucket(INTERVAL '1 minute', time) AS minute, avg(value) AS value
    FROM readings WHERE time > $1 AND value IS NOT NULL
    GROUP BY ALL ORDER BY ALL LIMIT 5000
"""


def create_app(client=None, database=None, secret=None):
    """Where nothing is given, the environment says it: BRUME_URL, BRUME_TOKEN, EVENTS_DATABASE, WEBHOOK_SECRET."""
    app = Flask(__name__)
    # A page does not wait for a node that is away: it says so.
    brume = client or Client(timeout=5, max_attempts=1)
    path = database or os.environ.get("EVENTS_DATABASE", "events.sqlite3")
    key = secret or os.environ.get("WEBHOOK_SECRET", "")
    with closing(open_events(path)) as events, events:
        events.execute(
            "CREATE TABLE IF NOT EXISTS events (key TEXT PRIMARY KEY, received TEXT NOT NULL, body TEXT NOT NULL)"
        )

    @app.route("/")
    def dashboard():
        return render_template("dashboard.html", node=brume.url, **seen(brume), events=recent_events(path))

    @app.route("/data")
    def data():
        """What the page asks for again and again, as a piece of it."""
        return render_template("data.html", **seen(brume), events=recent_events(path))

    @app.route("/hooks/brume", methods=["POST"])
    def hook():
        if not key:
            abort(Response("WEBHOOK_SECRET is not set, so no webhook can be trusted\n", 503))
        if not hmac.compare_digest(request.headers.get("Authorization", "").encode(), f"Bearer {key}".encode()):
            abort(Response("The webhook's Authorization is not the one that was agreed\n", 401))
        if request.content_length is None or request.content_length > MAX_WEBHOOK:
            abort(Response(f"A webhook says its length, which is at most {MAX_WEBHOOK} bytes\n", 413))
        name = request.headers.get("Idempotency-Key", "")
        if not 1 <= len(name) <= 255:
            abort(Response("A webhook of Brume has an Idempotency-Key\n", 400))
        body = request.get_data(as_text=True)
        is_new = keep_event(path, name, body)
        return jsonify(received=name, new=is_new), 201 if is_new else 200

    @app.after_request
    def protect(response):
        response.headers["Content-Security-Policy"] = "default-src 'self'; frame-ancestors 'none'"
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response

    return app


def open_events(path):
    return sqlite3.connect(path, timeout=10)


def keep_event(path, key, body):
    """True where the key was not there before. It is on disk when this returns."""
    received = datetime.now(timezone.utc).isoformat(timespec="seconds")
    with closing(open_events(path)) as events, events:
        added = events.execute("INSERT OR IGNORE INTO events VALUES (?, ?, ?)", (key, received, body)).rowcount
        events.execute(
            "DELETE FROM events WHERE rowid <= (SELECT max(rowid) FROM events) - ?",
            (MAX_EVENTS,),
        )
    return added == 1


def recent_events(path, count=20):
    with closing(open_events(path)) as events:
        rows = events.execute("SELECT key, received, body FROM events ORDER BY rowid DESC LIMIT ?", (count,)).fetchall()
    return [{"key": key, "received": received, "text": as_text(body)} for key, received, body in rows]


def as_text(body):
    """The message of a rule's body, or the body as it came."""
    try:
        said = json.loads(body)
    except ValueError:
        return body
    return (
        said["text"]
        if isinstance(said, dict) and isinstance(said.get("text"), str)
        else json.dumps(said, ensure_ascii=False)
    )


def seen(brume):
    """What the page shows of the node; where it is away, why."""
    try:
        devices = list(brume.devices())
        curves = history(brume)
    except BrumeError as error:
        return {"devices": [], "problem": error}
    return {"devices": [shown(device, curves) for device in devices], "problem": None}


def history(brume):
    """The last hour of each series that has numbers, as the points of a curve."""
    series = {}
    try:
        rows = brume.query(HISTORY, [datetime.now(timezone.utc) - timedelta(hours=1)])
    except BrumeError as error:
        # A token that is limited to devices may not use SQL: then there are values without curves.
        if error.code == "forbidden":
            return {}
        raise
    for row in rows:
        series.setdefault((row["device"], row["property"]), []).append(row["value"])
    return {name: points(values) for name, values in list(series.items())[:MAX_CURVES]}


def shown(device, curves):
    return {
        "name": device["device"],
        "received": device["received"],
        "series": [
            {
                "property": reading["property"],
                "value": value_of(reading),
                "curve": curves.get((device["device"], reading["property"])),
            }
            for reading in sorted(device["latest"], key=lambda reading: reading["property"])
        ],
    }


def value_of(reading):
    if reading["value"] is not None:
        return f"{reading['value']:.6g}"
    return reading["text"] if reading["text"] is not None else reading["json"]


if __name__ == "__main__":
    # This machine alone. In front of others it belongs behind a server such as gunicorn: gunicorn "app:create_app()"
    create_app().run(host="127.0.0.1", port=int(os.environ.get("PORT", "5000")))
