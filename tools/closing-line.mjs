/** Vitest reporter: names every skipped test with its reason, and ends with the one line that CI reads. */
export default class ClosingLine {
  onTestRunEnd(modules, unhandledErrors) {
    const counts = { passed: 0, failed: 0, skipped: 0 }
    for (const module of modules) {
      if (
        module.state() === "failed" &&
        [...module.children.allTests()].every((test) => test.result().state !== "failed")
      ) {
        counts.failed++
      }
      for (const test of module.children.allTests()) {
        const result = test.result()
        counts[result.state === "pending" ? "failed" : result.state]++
        if (result.state === "skipped") console.log(`skipped: ${test.fullName}: ${result.note ?? "no reason given"}`)
      }
    }
    counts.failed += unhandledErrors.length
    console.log(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`)
  }
}
