import { describeRuntime, nullMetrics, pythonTrials, SilentLogger } from "@brume/testkit"
import { systemClock } from "../../ambient/system-clock.ts"
import { createRuntimes } from "./runtimes.ts"

describeRuntime(pythonTrials, () =>
  createRuntimes({ clock: systemClock(), logger: new SilentLogger(), metrics: nullMetrics, hidden: [] }),
)
