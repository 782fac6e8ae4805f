import { describeRuntime, javascriptTrials, nullMetrics, SilentLogger } from "@brume/testkit"
import { systemClock } from "../../ambient/system-clock.ts"
import { createRuntimes } from "./runtimes.ts"

describeRuntime(javascriptTrials, () =>
  createRuntimes({ clock: systemClock(), logger: new SilentLogger(), metrics: nullMetrics, hidden: [] }),
)
