import { afterAll, beforeAll, expect, test } from "vitest"
import { checkOf, failure, openSandbox } from "../../../../../test/rig/query.ts"
import type { Checked } from "./check.ts"

let sandbox: Awaited<ReturnType<typeof openSandbox>>
let check: (sql: string) => Promise<Checked>
/** How often DuckDB parsed a statement. */
let calls = 0
beforeAll(async () => {
  sandbox = await openSandbox()
  check = await checkOf(sandbox.raw, () => void calls++)
})
afterAll(() => {
  sandbox.raw.closeSync()
  sandbox.instance.closeSync()
})

const refusal = (sql: string) => failure(check(sql))

/** Statements that users write: all of them pass, and DuckDB runs them. */
const useful = [
  "SELECT value FROM readings WHERE device = 'x' ORDER BY time DESC LIMIT 1",
  "SELECT time_bucket(INTERVAL '5 minutes', time) AS t, avg(value) FROM readings WHERE time > now() - INTERVAL 1 HOUR GROUP BY t ORDER BY t;",
  "-- a comment\n /* another /* nested */ one */ SELECT 1 -- the end",
  "SELECT device, quantile_cont(value, [0.5, 0.9, 0.99]) FROM readings GROUP BY ALL",
  "SELECT l.device, r.value FROM latest l ASOF JOIN readings r ON l.device = r.device AND l.time >= r.time",
  "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t WHERE n < 10) SELECT * FROM t",
  "WITH RECURSIVE t(n, path) AS (SELECT 1, 'a' UNION ALL SELECT n + 1, path || '/' || n FROM t WHERE n < 10) SELECT * FROM t",
  "WITH a AS (SELECT * FROM readings), b AS MATERIALIZED (SELECT * FROM a) SELECT count(*) FROM b, (SELECT 1)",
  "WITH a AS (SELECT 1 AS x) SELECT * FROM (WITH b AS (SELECT * FROM a) SELECT * FROM b) JOIN a USING (x)",
  "WITH readings AS (SELECT 1 AS mine) SELECT mine FROM readings",
  "SELECT steps.t, count(device) FROM generate_series(TIMESTAMP '2025-01-01', TIMESTAMP '2025-01-02', INTERVAL 1 HOUR) steps(t) LEFT JOIN readings r ON r.time = steps.t GROUP BY ALL",
  "SELECT e.key, e.value FROM readings, json_each(json) e LIMIT 3",
  "DESCRIBE readings",
  "SHOW latest",
  "DESCRIBE SELECT device, avg(value) FROM readings GROUP BY device",
  "SUMMARIZE latest",
  "EXPLAIN SELECT * FROM readings",
  "  explain /* and run */ ANALYZE SELECT 1",
  "PIVOT (SELECT device, property, value FROM latest) ON property IN ('temperature', 'humidity') USING first(value) GROUP BY device",
  "FROM latest PIVOT (first(value) FOR property IN ('temperature') GROUP BY device)",
  "UNPIVOT (SELECT seq, quality::BIGINT AS q FROM readings) ON seq, q",
  "SELECT tags->>'hall', tags->'$.hall', json_extract(json, '$.opened'), json->'opened' FROM readings",
  "SELECT list_transform(list(value), lambda x: x * 2), [x * 2 FOR x IN list(value) IF x > 1], list_filter(list(value), x -> x > 1) FROM readings",
  "SELECT list_reduce([1, 2, 3], lambda a, x: a + x)",
  "SELECT device, value, lag(value) OVER w, avg(value) OVER (w ROWS 5 PRECEDING) FROM readings WINDOW w AS (PARTITION BY device ORDER BY time)",
  "SELECT device FROM readings WHERE device LIKE 'a%b%c' AND device GLOB '*-*-*' AND property ILIKE '%temp%' AND text LIKE 'x' || '%' AND device NOT LIKE '%\\_%' ESCAPE '\\'",
  "SELECT lpad(seq::VARCHAR, 10, '0'), rpad(device, 20, '.'), repeat('#', 10), repeat('#', least(value::INT, 50)), printf('%05.2f', value), format('{:>8}', device) FROM readings",
  "SELECT string_agg(device, ',' ORDER BY device), array_to_string(list(device), ';'), to_json(list(value)), histogram(value) FROM readings",
  "SELECT CASE quality WHEN 0 THEN 'good' WHEN 1 THEN 'clock' ELSE 'doubtful' END FROM readings",
  "SELECT (SELECT max(value) FROM readings r WHERE r.device = l.device) FROM latest l",
  "SELECT * EXCLUDE (tags) REPLACE (round(value, 2) AS value) RENAME (device AS d) FROM readings",
  "SELECT COLUMNS('^(time|value)$'), COLUMNS(c -> c LIKE 'de%') FROM readings",
  "SELECT unnest([1, 2, 3]), unnest(range(10)), generate_series(1, 5)",
  "VALUES (1, 'a'), (2, 'b')",
  "FROM readings LIMIT 1",
  "TABLE latest",
  "SELECT * FROM main.readings",
  "SELECT date_trunc('hour', time) h, count(*) FILTER (WHERE quality = 0) FROM readings GROUP BY h HAVING count(*) > 1 QUALIFY row_number() OVER (ORDER BY h) < 3",
  "SELECT 1 UNION ALL SELECT 2 EXCEPT SELECT 3 INTERSECT SELECT 4 ORDER BY 1 LIMIT 50% OFFSET 1",
  "SELECT regexp_replace(device, '[0-9]+', 'N', 'g'), replace(device, '-', '.'), split_part(device, '-', 1) FROM readings",
  "SELECT 'it''s', E'a\\n\\'', $$it's -- no comment$$, $tag$ $$ $tag$, \"device\" FROM readings",
  "SELECT current_date, current_timestamp, today(), now(), localtimestamp",
  "SELECT epoch_ms(time), strftime(time, '%H:%M'), extract(dow FROM time), time AT TIME ZONE 'Europe/Berlin' FROM readings",
  "SELECT mode() WITHIN GROUP (ORDER BY device), percentile_cont(0.5) WITHIN GROUP (ORDER BY value), arg_max(value, time) FROM readings",
  "SELECT {'a': 1, 'b': [1, 2]}, MAP {'x': 1}, row(1, 2), [1, 2][1], 'abc'[1:2], TRY_CAST('x' AS INT), nullif(1, 2), coalesce(NULL, 1)",
  "SELECT * FROM readings TABLESAMPLE 10%",
  "SELECT DISTINCT ON (device) * FROM readings ORDER BY device, time DESC",
  "SELECT value AS v, v * 2 AS w, w + v FROM readings WHERE v > 1",
  "SELECT count(*) FROM readings GROUP BY GROUPING SETS ((device), (property), ())",
  "SELECT device FROM latest WHERE device IN (SELECT device FROM readings GROUP BY device HAVING avg(value) > 1)",
  "SELECT 'ünï¢ödé — 雾' AS \"名\"",
]

test.each(useful)("offered: %s", async (sql) => {
  const checked = await check(sql)
  const prepared = await sandbox.raw.prepare(checked.sql)
  await prepared.run()
  prepared.destroySync()
})

test("a refusal names what was refused, where it stands, and what there is instead", async () => {
  const error = await refusal("SELECT 'ä',\n  current_setting('threads')\nFROM readings")
  expect(error).toMatchObject({
    code: "query_refused",
    message: "The function current_setting is not offered (line 2, column 3)",
    details: { line: 2, column: 3 },
  })
  expect(await refusal("SELECT * FROM main.hidden")).toMatchObject({
    message: "The table main.hidden is not offered (line 1, column 15)",
    hint: expect.stringContaining("readings and latest"),
  })
  expect(await refusal("DELETE FROM readings")).toMatchObject({
    message: "DELETE is not offered: statements only read",
  })
  expect(await refusal("SELECT avrg(value) FROM readings")).toMatchObject({ hint: "Did you mean avg?" })
})

test("what cannot be parsed says where", async () => {
  expect(await refusal("SELECT 1 FRM\nreadings x y")).toMatchObject({
    code: "query_invalid",
    message: 'The statement cannot be run: syntax error at or near "readings" (line 2, column 1)',
    details: { line: 2, column: 1 },
  })
  for (const nothing of ["", "   ", "-- nothing", ";", "/* nothing */"]) {
    expect(await refusal(nothing)).toMatchObject({ code: "query_invalid", message: expect.stringContaining("empty") })
  }
})

test("comments are blanks, and strings that look like them are not", async () => {
  const { sql } = await check("SELECT '--', \"device\" /* '\n*/, $$/*$$ -- it's over\nFROM readings;  ")
  expect(sql).toBe(`SELECT '--', "device"     \n  , $$/*$$             \nFROM readings`)
})

test("parameters are numbered without gaps", async () => {
  expect((await check("SELECT $1, $2, $1")).parameterCount).toBe(2)
  expect((await check("SELECT ?, ?")).parameterCount).toBe(2)
  expect((await check("SELECT 1 WHERE $1 LIKE $2 || '%'")).patterns).toEqual(new Map([[2, 2]]))
  expect((await check("SELECT 1 WHERE $1 LIKE '%' || $2 || '%'")).patterns).toEqual(new Map([[2, 1]]))
  expect(await refusal("SELECT $2")).toMatchObject({ code: "query_invalid" })
  expect(await refusal("SELECT $name")).toMatchObject({ code: "query_invalid" })
})

test("a statement that was checked is not parsed again", async () => {
  const sql = "SELECT 'only once'"
  await check(sql)
  const before = calls
  await check(sql)
  expect(calls).toBe(before)
})
