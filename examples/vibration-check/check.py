"""Looks at each burst of a machine's vibration: how strong it is, how spiky, and whether that is new for this machine.

A burst is a message like {"rate": 2000, "samples": [0.01, -0.02, ...]} on machines/<machine>/vibration, in g. Bearings that
begin to fail hit: the peaks grow long before the whole does, and the crest factor, the peak over the RMS, tells.
"""

import math

# Between bursts: how much the newest one counts in what is usual for a machine.
WEIGHT = 0.1
# Bursts that are needed before anything is called unusual.
LEAST = 5
# Sines have 1.41, healthy machines about 3.
SPIKY = 6.0
# So many times the usual strength is too much.
STRONG = 2.0


def judge(samples, usual):
    """What one burst is, and what is usual after it."""
    mean = sum(samples) / len(samples)
    rms = math.sqrt(sum((sample - mean) ** 2 for sample in samples) / len(samples))
    peak = max(abs(sample - mean) for sample in samples)
    crest = peak / rms if rms > 0 else 0.0
    known = usual["bursts"] >= LEAST
    state = "spiky" if crest > SPIKY else "strong" if known and rms > STRONG * usual["rms"] else "well"
    weight = max(WEIGHT, 1 / (usual["bursts"] + 1))
    # What is not well must not become what is usual.
    rms_after = usual["rms"] + weight * (rms - usual["rms"]) if state == "well" else usual["rms"]
    after = {"rms": rms_after, "bursts": usual["bursts"] + (state == "well")}
    return {"state": state, "rms": round(rms, 4), "crest": round(crest, 2)}, after


def handler(event, ctx):
    machine = event["topic"].split("/")[1]
    samples = event["payload"]["samples"]
    if len(samples) < 16:
        raise ValueError(f"A burst of {machine} has {len(samples)} samples; 16 are the least")
    found, after = judge(samples, ctx.state.get(machine) or {"rms": 0.0, "bursts": 0})
    ctx.state.set(machine, after)
    # As readings of the machine: charts, rules and SQL see them.
    for name in ("rms", "crest", "state"):
        ctx.publish(f"devices/machines/{machine}/{name}", found[name], qos=1)
    if found["state"] != "well":
        ctx.log.warn(f"{machine} is {found['state']}", found)
    return found
