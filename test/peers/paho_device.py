"""A device on paho-mqtt that does what it is told, and prints a line of JSON for each command. Arguments: port, version, name,
file of its password. With version 5 it answers where the response topic says, with the correlation data that it got; with 4
on its own plain topic, with the command's id."""
import json
import sys

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

port, version, name = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
password = open(sys.argv[4]).read().strip()
is_five = version == 5


def say(**what):
    print(json.dumps(what), flush=True)


def on_connect(client, userdata, flags, code, properties=None):
    client.subscribe("devices/%s/commands/#" % name, qos=2 if is_five else 1)


def on_message(client, userdata, message):
    asked = json.loads(message.payload)
    answer = {"state": "done", "output": {"by": name, "took": asked["input"]}}
    if is_five:
        given = message.properties
        answering = Properties(PacketTypes.PUBLISH)
        answering.CorrelationData = given.CorrelationData
        client.publish(given.ResponseTopic, json.dumps(answer), qos=1, properties=answering)
        say(command=asked["command"], id=asked["id"], input=asked["input"], correlation=given.CorrelationData.decode())
    else:
        client.publish("devices/%s/replies" % name, json.dumps(dict(answer, id=asked["id"])), qos=1)
        say(command=asked["command"], id=asked["id"], input=asked["input"])
    # What it is now is a reading.
    client.publish("devices/%s/active" % name, "1", qos=1)


protocol = mqtt.MQTTv5 if is_five else mqtt.MQTTv311
client = mqtt.Client(name, protocol=protocol, **({} if is_five else {"clean_session": False}))
client.username_pw_set(name, password)
client.on_connect = on_connect
client.on_message = on_message
client.on_subscribe = lambda *_: say(ready=True)
client.connect("127.0.0.1", port, 30)
client.loop_forever()
