"""What paho-mqtt makes of a broker: runs its scenes and prints one JSON object. Arguments: port, version, user, password."""
import json
import sys
import threading
import time

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

port, version = int(sys.argv[1]), int(sys.argv[2])
user, password = (sys.argv[3:5] + [None, None])[:2]
is_five = version == 5
base = "peers/paho/%d" % version
limit_s = 15


class Peer:
    """A client that remembers what it hears."""

    def __init__(self, client_id, clean=True, will=None):
        protocol = mqtt.MQTTv5 if is_five else mqtt.MQTTv311
        session = {} if is_five else {"clean_session": clean}
        self.client = mqtt.Client(client_id, protocol=protocol, **session)
        self.messages, self.changed = [], threading.Condition()
        self.connected, self.is_present, self.acknowledged = False, None, set()
        if user:
            self.client.username_pw_set(user, password)
        if will:
            self.client.will_set(will, "gone", qos=1)
        self.client.on_connect = self._on_connect
        self.client.on_message = self._on_message
        self.client.on_subscribe = lambda *args: self._note(args[2])
        options = {}
        if is_five:
            properties = Properties(PacketTypes.CONNECT)
            properties.SessionExpiryInterval = 0 if clean else 60
            options = {"clean_start": clean, "properties": properties}
        self.client.connect("127.0.0.1", port, 30, **options)
        self.client.loop_start()
        self.wait(lambda: self.connected, "CONNACK")

    def _on_connect(self, client, data, flags, code, properties=None):
        with self.changed:
            self.connected, self.is_present = True, flags["session present"]
            self.changed.notify_all()

    def _on_message(self, client, data, message):
        with self.changed:
            self.messages.append(message)
            self.changed.notify_all()

    def _note(self, mid):
        with self.changed:
            self.acknowledged.add(mid)
            self.changed.notify_all()

    def wait(self, check, what):
        with self.changed:
            if not self.changed.wait_for(check, limit_s):
                raise RuntimeError("no %s within %d s" % (what, limit_s))

    def subscribe(self, topic, qos):
        mid = self.client.subscribe(topic, qos)[1]
        self.wait(lambda: mid in self.acknowledged, "SUBACK")

    def publish(self, topic, payload, **more):
        self.client.publish(topic, payload, **more).wait_for_publish(limit_s)

    def take(self, count):
        self.wait(lambda: len(self.messages) >= count, "%d messages" % count)
        return [[m.payload.decode(), m.qos, bool(m.retain)] for m in self.messages]

    def end(self):
        self.client.disconnect()
        self.client.loop_stop()


result = {}
publisher = Peer("paho-publisher-%d" % version)

for qos in (0, 1, 2):
    subscriber = Peer("paho-subscriber-%d-%d" % (version, qos))
    topic = "%s/qos%d" % (base, qos)
    subscriber.subscribe(topic, qos)
    for turn in range(50):
        publisher.publish(topic, str(turn), qos=qos)
    result["qos%d" % qos] = [payload for payload, *_ in subscriber.take(50)]
    subscriber.end()

publisher.publish(base + "/retained", "kept", qos=1, retain=True)
reader = Peer("paho-reader-%d" % version)
reader.subscribe(base + "/retained", 1)
result["retained"] = reader.take(1)
publisher.publish(base + "/retained", "", qos=1, retain=True)
reader.end()

watcher = Peer("paho-watcher-%d" % version)
watcher.subscribe(base + "/will", 1)
dying = Peer("paho-dying-%d" % version, will=base + "/will")
# Breaks the connection without DISCONNECT.
dying.client.loop_stop()
dying.client._sock.close()
result["will"] = watcher.take(1)
watcher.end()

away = Peer("paho-away-%d" % version, clean=False)
away.subscribe(base + "/away", 2)
away.end()
for turn in range(10):
    publisher.publish(base + "/away", str(turn), qos=2)
back = Peer("paho-away-%d" % version, clean=False)
result["session"] = [bool(back.is_present), [payload for payload, *_ in back.take(10)]]
back.end()

if is_five:
    listener = Peer("paho-properties")
    listener.subscribe(base + "/properties", 1)
    properties = Properties(PacketTypes.PUBLISH)
    properties.ContentType = "text/plain"
    properties.ResponseTopic = "answers"
    properties.CorrelationData = b"\x00\xff"
    properties.UserProperty = [("b", "1"), ("a", "2"), ("b", "3")]
    publisher.publish(base + "/properties", "text", qos=1, properties=properties)
    listener.take(1)
    found = listener.messages[0].properties
    result["properties"] = [found.ContentType, found.ResponseTopic, found.CorrelationData.hex(), found.UserProperty]
    listener.end()

publisher.end()
time.sleep(0.05)
print(json.dumps(result))
