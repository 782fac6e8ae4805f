/** The few InfluxQL statements that clients send before they write. */
import { FogError } from "@brume/core"

export interface InfluxResults {
  readonly results: readonly Readonly<Record<string, unknown>>[]
}

/** Most statements of one request. */
const maxStatements = 100

/** A quoted or bare name, and whatever follows it: durations and policies mean nothing here. */
const createDatabase = /^create\s+database\s+("(?:[^"\\]|\\.)+"|[^\s;"]+)(\s|$)/i
const showDatabases = /^show\s+databases$/i

/** @param text undefined where the request has no `q` */
export function influxQuery(text: string | undefined): InfluxResults {
  const statements = (text ?? "").split(";").map((statement) => statement.trim())
  const asked = statements.filter((statement) => statement !== "")
  if (asked.length === 0) {
    throw new FogError("request_invalid", { message: 'missing required parameter "q"' })
  }
  if (asked.length > maxStatements) {
    throw new FogError("request_invalid", { message: `more than ${maxStatements} statements in one request` })
  }
  return { results: asked.map((statement, index) => ({ statement_id: index, ...answer(statement) })) }
}

function answer(statement: string): Readonly<Record<string, unknown>> {
  if (createDatabase.test(statement)) return {}
  if (showDatabases.test(statement)) {
    return { series: [{ name: "databases", columns: ["name"], values: [["brume"]] }] }
  }
  throw new FogError("request_invalid", {
    message: `InfluxQL is not spoken here: ${JSON.stringify(statement.slice(0, 120))}`,
    hint: "Send SQL to POST /v1/query. Of InfluxQL only CREATE DATABASE and SHOW DATABASES are answered",
  })
}
