/** Payloads as devices and their gateways send them, through mappings that people would write for them. */
import { expect, test } from "vitest"
import type { MappingSettings } from "./compile-mapping.ts"
import { tryMapping } from "./trial.ts"

const receivedUs = Date.UTC(2026, 2, 1, 13) * 1000

const mapping = (given: Partial<MappingSettings> & { readonly topic: string }): MappingSettings => ({
  name: "m",
  device: undefined,
  property: undefined,
  payload: "auto",
  flatten: "objects",
  select: {},
  time: { member: undefined, unit: "auto", zone: undefined },
  tags: {},
  multiply: 1,
  add: 0,
  ...given,
})

/** Device, time and values of a message. */
function readingsOf(topic: string, payload: string, ...mappings: readonly MappingSettings[]) {
  const { readings, reason } = tryMapping({ mappings, topic, payload: Buffer.from(payload), receivedUs })
  expect(reason).toBeUndefined()
  const values = readings.map(({ property, value, text, json }) => [property, json ?? text ?? value] as const)
  return {
    devices: [...new Set(readings.map(({ device }) => device))],
    times: [...new Set(readings.map(({ time }) => new Date(time / 1000).toISOString()))],
    values: Object.fromEntries(values),
  }
}

test("Tasmota: energy and a temperature sensor, its local time without a zone", () => {
  const sensors = mapping({
    topic: "tele/{device}/SENSOR",
    time: { member: "Time", unit: "iso", zone: "+01:00" },
  })
  const energy =
    '{"Time":"2026-03-01T13:00:37","ENERGY":{"TotalStartTime":"2025-10-31T15:05:00","Total":3.185,"Yesterday":3.058,' +
    '"Today":0.127,"Period":0,"Power":119,"ApparentPower":122,"ReactivePower":29,"Factor":0.97,"Voltage":219,"Current":0.559}}'
  expect(readingsOf("tele/plug/SENSOR", energy, sensors)).toEqual({
    devices: ["plug"],
    times: ["2026-03-01T12:00:37.000Z"],
    values: {
      "ENERGY.TotalStartTime": "2025-10-31T15:05:00",
      "ENERGY.Total": 3.185,
      "ENERGY.Yesterday": 3.058,
      "ENERGY.Today": 0.127,
      "ENERGY.Period": 0,
      "ENERGY.Power": 119,
      "ENERGY.ApparentPower": 122,
      "ENERGY.ReactivePower": 29,
      "ENERGY.Factor": 0.97,
      "ENERGY.Voltage": 219,
      "ENERGY.Current": 0.559,
    },
  })
  const probes =
    '{"Time":"2026-03-01T13:00:37","ANALOG":{"Range":[1,2]},"DS18B20-1":{"Id":"01131B123456","Temperature":20.6},"TempUnit":"C"}'
  const all = mapping({ ...sensors, flatten: "all" })
  expect(readingsOf("tele/plug/SENSOR", probes, all).values).toEqual({
    "ANALOG.Range.0": 1,
    "ANALOG.Range.1": 2,
    "DS18B20-1.Id": "01131B123456",
    "DS18B20-1.Temperature": 20.6,
    TempUnit: "C",
  })
})

test("Zigbee2MQTT: flat members, null where nothing was measured, last_seen in ms, friendly names with levels", () => {
  const payload =
    '{"action":"","battery":87,"humidity":46.6,"last_seen":1772366400123,"linkquality":105,"occupancy":false,' +
    '"pressure":null,"temperature":21.58,"update":{"installed_version":-1,"latest_version":null,"state":"idle"},"voltage":2975}'
  const zigbee = mapping({
    topic: "zigbee2mqtt/{rest}",
    device: "{rest}",
    time: { member: "last_seen", unit: "auto", zone: undefined },
    tags: { source: "zigbee" },
  })
  for (let round = 0; round < 2; round++)
    expect(readingsOf("zigbee2mqtt/kitchen/window", payload, zigbee)).toEqual({
      devices: ["kitchen/window"],
      times: ["2026-03-01T12:00:00.123Z"],
      values: {
        action: "",
        battery: 87,
        humidity: 46.6,
        linkquality: 105,
        occupancy: "false",
        temperature: 21.58,
        "update.installed_version": -1,
        "update.state": "idle",
        voltage: 2975,
      },
    })
})

test("Shelly: plain numbers and words of the first generation, status objects of the second", () => {
  const first = mapping({ topic: "shellies/{device}/relay/{rest}", property: "relay/{rest}" })
  expect(readingsOf("shellies/shelly1pm-84CCA8/relay/0/power", "12.34", first).values).toEqual({
    "relay/0/power": 12.34,
  })
  expect(readingsOf("shellies/shelly1pm-84CCA8/relay/0", "on", first).values).toEqual({ "relay/0": "on" })
  const second = mapping({
    topic: "{device}/status/{component}",
    property: "{component}",
    select: { "/output": "output", "/apower": "power", "/aenergy/total": "energy", "/temperature/tC": "temperature" },
  })
  const status =
    '{"id":0,"source":"init","output":false,"apower":8.9,"voltage":225.9,"current":0.139,' +
    '"aenergy":{"total":11.679,"by_minute":[0,0,0],"minute_ts":1772366399},"temperature":{"tC":53.3,"tF":127.9}}'
  expect(readingsOf("shellyplus1pm-a8032ab1/status/switch:0", status, second)).toEqual({
    devices: ["shellyplus1pm-a8032ab1"],
    times: ["2026-03-01T13:00:00.000Z"],
    values: {
      "switch:0.output": "false",
      "switch:0.power": 8.9,
      "switch:0.energy": 11.679,
      "switch:0.temperature": 53.3,
    },
  })
})

test("Home Assistant statestream: states are bare, attributes are JSON", () => {
  const stream = mapping({
    topic: "homeassistant/{domain}/{entity}/{property}",
    device: "{domain}.{entity}",
  })
  const on = (name: string, payload: string) =>
    readingsOf(`homeassistant/sensor/outdoor/${name}`, payload, stream).values[name]
  expect(on("state", "12.3")).toBe(12.3)
  expect(on("state", "unavailable")).toBe("unavailable")
  expect(on("unit_of_measurement", '"°C"')).toBe("°C")
  expect(on("last_changed", "2026-03-01T12:00:00.123456+00:00")).toBe("2026-03-01T12:00:00.123456+00:00")
  expect(on("options", '["a", "b"]')).toBe('["a","b"]')
})

test("a gateway that stores while it is cut off sends objects with their own times in one array", () => {
  const buffered = '[{"ts":1772366400000,"level":1.5},{"ts":1772366460000,"level":1.6,"alarm":true}]'
  expect(readingsOf("devices/tank-4", buffered)).toEqual({
    devices: ["tank-4"],
    times: ["2026-03-01T12:00:00.000Z", "2026-03-01T12:01:00.000Z"],
    values: { level: 1.6, alarm: "true" },
  })
})
