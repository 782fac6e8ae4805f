"""A device of the demo in Python: what its sensors say goes to the node over MQTT, with paho.

`brume demo` starts it and writes what was measured to its standard input, one line each:
`{"topic": "...", "payload": "...", "retain": false}`. It ends when its input ends. Where the broker is and how to sign in
stands in the environment: MQTT_HOST, MQTT_PORT, MQTT_CLIENT, MQTT_USERNAME, MQTT_PASSWORD.
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


def main():
    client = client_of(os.environ["MQTT_CLIENT"])
    client.username_pw_set(os.environ["MQTT_USERNAME"], os.environ["MQTT_PASSWORD"])
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
