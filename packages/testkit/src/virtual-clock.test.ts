import { expect, test } from "vitest"
import { VirtualClock } from "./virtual-clock.ts"

test("timers fire in order of their time, also those set by timers", () => {
  const clock = new VirtualClock(0)
  const calls: string[] = []
  clock.after(20, () => calls.push(`b@${clock.monotonic()}`))
  clock.after(10, () => {
    calls.push(`a@${clock.monotonic()}`)
    clock.after(5, () => calls.push(`c@${clock.monotonic()}`))
  })
  clock.advance(30)
  expect(calls).toEqual(["a@10", "c@15", "b@20"])
  expect(clock.now()).toBe(30_000)
})

test("a cancelled timer never fires", () => {
  const clock = new VirtualClock()
  let fired = false
  const timer = clock.after(1, () => {
    fired = true
  })
  timer.cancel()
  timer.cancel()
  clock.advance(10)
  expect(fired).toBe(false)
  expect(clock.pending).toBe(0)
})

test("a jump moves the wall clock alone", () => {
  const clock = new VirtualClock(1_000_000)
  clock.jump(5)
  expect([clock.now(), clock.monotonic()]).toEqual([5, 0])
})

test("run lets promises proceed between timers", async () => {
  const clock = new VirtualClock()
  let rounds = 0
  const again = () => {
    void Promise.resolve().then(() => {
      rounds++
      clock.after(10, again)
    })
  }
  again()
  await clock.run(100)
  expect(rounds).toBe(11)
})
