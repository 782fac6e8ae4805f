"""Says when a temperature leaves its usual course, up or down, and when it is back.

A Page-Hinkley test for each device: what is usual follows the readings slowly, and what lies beyond it by more than the usual
scatter adds up. A door that opens for a minute adds little; a compressor that grows weak, or weather that turns, adds up
until it is too much.
"""

# How fast the usual follows: about the last 250 readings.
WEIGHT = 0.004
# Readings that are needed before anything is called a drift.
LEAST = 250
# In units of the usual scatter: what is no news, and what adds up to some.
SLACK, LIMIT = 1.5, 250.0


def step(memory, value):
    """Takes a reading in; returns "up", "down", "over" or None."""
    if memory is None:
        return {"mean": value, "scatter": 0.05, "up": 0.0, "down": 0.0, "count": 1, "drift": None}, None
    away = value - memory["mean"]
    units = away / max(memory["scatter"], 0.02)
    memory["count"] += 1
    memory["mean"] += WEIGHT * away
    # One wild reading must not widen what is usual.
    memory["scatter"] += WEIGHT * (min(abs(away), 4 * memory["scatter"]) - memory["scatter"])
    if memory["count"] < LEAST:
        return memory, None
    memory["up"] = min(2 * LIMIT, max(0.0, memory["up"] + units - SLACK))
    memory["down"] = min(2 * LIMIT, max(0.0, memory["down"] - units - SLACK))
    side = "up" if memory["up"] > LIMIT else "down" if memory["down"] > LIMIT else None
    if side == memory["drift"]:
        return memory, None
    if side is None and max(memory["up"], memory["down"]) > 0:
        return memory, None
    memory["drift"] = side
    return memory, side or "over"


def handler(events, ctx):
    said = 0
    memories = {}
    for event in events:
        device, value = event["device"], event["value"]
        if not isinstance(value, (int, float)):
            continue
        if device not in memories:
            memories[device] = ctx.state.get(device)
        memories[device], news = step(memories[device], value)
        if news is None:
            continue
        said += 1
        usual = round(memories[device]["mean"], 2)
        text = f"{device} is back on its course" if news == "over" else f"{device} drifts {news}: {value} where {usual} is usual"
        ctx.log.info(text) if news == "over" else ctx.log.warn(text)
        ctx.publish(f"drift/{device}", {"device": device, "drift": news, "value": value, "text": text}, qos=1)
    for device, memory in memories.items():
        ctx.state.set(device, memory)
    return {"events": len(events), "said": said}
