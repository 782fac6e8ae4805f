/** Effects as the configuration wants them: their limits, and who carries which of them out. */
import type { Clock, Executors, Functions, Logger, Random, Store } from "@brume/core"
import type { OpenedAlarms } from "./alarms/alarms.ts"
import type { Config } from "./config/schema.ts"
import type { OpenedCommands } from "./devices/commands/commands.ts"
import { createCommandPlanner, findCommandOutcome } from "./devices/commands/effects.ts"
import { createPublishPlanner } from "./devices/mqtt/effects.ts"
import type { OwnMessages } from "./devices/mqtt/own-messages.ts"
import { type OpenedEffects, openEffects } from "./effects/effects.ts"
import { createFunctionExecutor } from "./effects/function-executor.ts"
import { defaultEffectLimits, type EffectLimits } from "./effects/limits.ts"
import { createWebhookExecutor } from "./effects/webhook/webhook.ts"
import type { Registry } from "./metrics/metrics.ts"

export interface NodeEffectsOptions {
  readonly config: Config
  readonly store: Pick<Store, "put" | "get" | "entries">
  readonly clock: Clock
  readonly random: Random
  readonly metrics: Registry
  /** A logger that names its room. */
  readonly logger: (room: string) => Logger
  readonly version: string
  readonly commands: OpenedCommands
}

/** Throws what the store throws. */
export function openNodeEffects(options: NodeEffectsOptions): Promise<OpenedEffects> {
  const { config, commands, logger } = options
  const { webhooks, functions } = config.effects
  return openEffects({
    ...options,
    logger: logger("effects"),
    limits: limitsOf(config),
    policy: { webhook: webhooks.afterCrash, function: functions.afterCrash },
    // Commands go on over restarts, and their room knows how they end.
    ask: (effect) => (effect.type === "command" ? findCommandOutcome(commands, effect) : undefined),
  })
}

export interface ExecutorsOptions extends Pick<NodeEffectsOptions, "config" | "clock" | "version" | "commands"> {
  readonly alarms: OpenedAlarms
  readonly own: OwnMessages
  readonly functions: Pick<Functions, "invoke">
}

export function executorsOf({ config, commands, alarms, own, functions, ...options }: ExecutorsOptions): Executors {
  const { effects, mqtt } = config
  return {
    publish: createPublishPlanner({ own, limits: mqtt }),
    command: createCommandPlanner(commands),
    alarm: alarms.plan,
    function: createFunctionExecutor(functions, effects.functions.timeoutMs),
    webhook: createWebhookExecutor({ ...options, ...effects.webhooks }),
  }
}

function limitsOf({ effects }: Config): EffectLimits {
  const { webhooks, functions } = effects
  return {
    windowMs: effects.rememberedMs,
    maxKeys: effects.maxRemembered,
    maxPending: {
      ...defaultEffectLimits.maxPending,
      webhook: webhooks.maxPending,
      function: functions.maxPending,
    },
    webhook: {
      ...defaultEffectLimits.webhook,
      maxRunning: webhooks.maxRunning,
      maxRunningPerTarget: webhooks.maxRunningPerHost,
      deadlineMs: webhooks.timeoutMs,
      maxAttempts: webhooks.maxAttempts,
    },
    function: {
      ...defaultEffectLimits.function,
      maxRunning: functions.maxRunning,
      deadlineMs: functions.timeoutMs,
      maxAttempts: functions.maxAttempts,
    },
  }
}
