"""A device of the demo in Python: what its sensors say goes to the node over MQTT, with paho.

`brume demo` starts it and writes what was measured to its standard input, one line each:
`{"topic": "...", "payload": "...", "retain": false}`. Commands that it gets are written to its standard output, one line
each, `{"topic": "...", "payload": "..."}`; their answers come in like measurements. It ends when its input ends. Where the
broker is, how to sign in and where commands come stands in the environment: MQTT_HOST, MQTT_PORT, MQTT_CLIENT,
MQTT_USERNAME, MQTT_PASSWORD, MQTT_COMMANDS.
"""

import json
import os
import sys

import paho.mqtt.client as mqtt

# Messages that may wait for their acknowledgement; then it waits.
WINDOW = 100


def client_of(name):
    """paho 2 asks which of its interfaces is meant; paho 1 knows one."""
    versions = getattr(mqtt, "CallbackAPIVersion", None)
    if versions is None:
        return mqtt.Client(client_id=name, protocol=mqtt.MQTTv5)
    return mqtt.Client(versions.VERSION2, client_id=name, protocol=mqtt.MQTTv5)


def told(_client, _userdata, message):
    print(json.dumps({"topic": message.topic, "payload": message.payload.decode()}), flush=True)


def main():
    client = client_of(os.environ["MQTT_CLIENT"])
    client.username_pw_set(os.environ["MQTT_USERNAME"], os.environ["MQTT_PASSWORD"])
    commands = os.environ["MQTT_COMMANDS"]
    client.on_connect = lambda client, *_: client.subscribe(commands, qos=1)
    client.on_message = told
    client.connect(os.environ["MQTT_HOST"], int(os.environ["MQTT_PORT"]))
    client.loop_start()
    waiting = []
    for line in sys.stdin:
        message = json.loads(line)
        waiting.append(client.publish(message["topic"], message["payload"], qos=1, retain=message["retain"]))
        waiting = [sent for sent in waiting if not sent.is_published()]
        if len(waiting) >= WINDOW:
            waiting[0].wait_for_publish()
    client.disconnect()
    client.loop_stop()


if __name__ == "__main__":
    main()
