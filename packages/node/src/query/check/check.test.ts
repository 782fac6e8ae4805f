import { isFogError } from "@brume/core"
import fc from "fast-check"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { failure, openSandbox } from "../../../../../test/rig/query.ts"
import { type Checked, createCheck } from "./check.ts"
import { maxExpressions, maxRelations } from "./weight.ts"

let sandbox: Awaited<ReturnType<typeof openSandbox>>
let calls = 0
let check: (sql: string) => Promise<Checked>

beforeAll(async () => {
  sandbox = await openSandbox()
  const prepared = await sandbox.raw.prepare("SELECT json_serialize_sql($1::VARCHAR)")
  const made = createCheck()
  check = (sql) =>
    made(sql, async (text) => {
      calls++
      prepared.bindVarchar(1, text)
      return String((await prepared.runAndReadAll()).getRows()[0]![0])
    })
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
  "SELECT device FROM readings WHERE device LIKE 'a%' AND property ILIKE '%temp%' AND text LIKE 'x' || '%' AND device NOT LIKE '%\\_%' ESCAPE '\\'",
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

const refused: Readonly<Record<string, readonly string[]>> = {
  "statements that do more than read": [
    "INSERT INTO hot_1 SELECT * FROM hot_1",
    "UPDATE hot_1 SET value = 0",
    "DELETE FROM hot_1",
    "DROP TABLE hot_1",
    "CREATE TABLE x AS SELECT 1",
    "CREATE TEMP MACRO readings() AS TABLE SELECT 1",
    "CREATE OR REPLACE VIEW readings AS SELECT 1",
    "ALTER TABLE hot_1 ADD COLUMN x INT",
    "COPY readings TO '/tmp/x.csv'",
    "COPY (SELECT 1) TO '/tmp/x.parquet'",
    "EXPORT DATABASE '/tmp/x'",
    "ATTACH '/tmp/x.db'",
    "DETACH memory",
    "USE memory",
    "INSTALL httpfs",
    "LOAD httpfs",
    "SET memory_limit = '10GB'",
    "SET VARIABLE x = 1",
    "RESET memory_limit",
    "PRAGMA version",
    "PRAGMA table_info('hot_1')",
    "CALL duckdb_functions()",
    "CHECKPOINT",
    "VACUUM",
    "ANALYZE",
    "BEGIN",
    "PREPARE x AS SELECT 1",
    "EXECUTE x",
    "DEALLOCATE x",
    "MERGE INTO hot_1 USING readings ON false WHEN NOT MATCHED THEN INSERT BY NAME",
    "EXPLAIN DELETE FROM hot_1",
    "EXPLAIN ANALYZE INSERT INTO hot_1 SELECT * FROM hot_1",
    "EXPLAIN EXPLAIN SELECT 1",
    "explain/**/analyze/**/drop table hot_1",
    "EXPLAIN (FORMAT JSON) SELECT 1",
    "PIVOT readings ON device USING avg(value)",
  ],
  "more than one statement": [
    "SELECT 1; SELECT 2",
    "SELECT 1; DROP TABLE hot_1",
    "SELECT 1;;SELECT 2",
    "SELECT 1 --\n; SELECT 2",
    "EXPLAIN SELECT 1; SELECT 2",
  ],
  "tables that are not offered": [
    "SELECT * FROM hot_1",
    "SELECT * FROM hidden",
    'SELECT * FROM "HIDDEN"',
    "SELECT * FROM main.hidden",
    "SELECT * FROM memory.main.hidden",
    "SELECT * FROM memory.main.readings",
    "SELECT * FROM memory.readings",
    "SELECT * FROM other.readings",
    "TABLE hidden",
    "FROM hidden",
    "SELECT (SELECT secret FROM hidden)",
    "SELECT 1 WHERE EXISTS (FROM hidden)",
    "SELECT * FROM readings WHERE device IN (FROM hidden)",
    "SELECT * FROM readings ORDER BY (SELECT secret FROM hidden)",
    "SELECT 1 LIMIT (SELECT count(*) FROM hidden)",
    "SELECT count(*) OVER (ORDER BY (SELECT secret FROM hidden))",
    "SELECT count(*) FILTER (WHERE (SELECT true FROM hidden))",
    "SELECT list_transform([1], lambda x: (SELECT secret FROM hidden))",
    "SELECT [x FOR x IN (SELECT list(secret) FROM hidden)]",
    "SELECT ARRAY(SELECT secret FROM hidden)",
    "SELECT 1 UNION ALL (SELECT secret FROM hidden)",
    "WITH a AS (FROM hidden) FROM a",
    "WITH hidden AS (FROM hidden) FROM hidden",
    "FROM hidden, (WITH hidden AS (SELECT 1) FROM hidden)",
    "FROM (WITH hidden AS (SELECT 1) FROM hidden), hidden",
    "SELECT (WITH hidden AS (SELECT 1) SELECT 1), secret FROM hidden",
    "WITH a AS (FROM b), b AS (SELECT 1) FROM a",
    "WITH RECURSIVE hidden AS (FROM hidden) FROM hidden",
    "WITH RECURSIVE hidden(x) AS (SELECT secret FROM hidden UNION ALL SELECT x FROM hidden WHERE false) FROM hidden",
    "WITH hidden AS (SELECT 1) SELECT * FROM main.hidden",
    "WITH hidden AS (SELECT 1) FROM (SUMMARIZE hidden)",
    "WITH hidden AS (SELECT 1) FROM (DESCRIBE hidden)",
    "DESCRIBE hidden",
    "SUMMARIZE hidden",
    "SUMMARIZE SELECT * FROM hidden",
    "SHOW hidden",
    "SHOW TABLES",
    "SHOW ALL TABLES",
    "SHOW DATABASES",
    "SHOW VARIABLES",
    "FROM (SHOW ALL TABLES)",
    "FROM (SHOW TABLES) JOIN readings ON true",
    "PIVOT hidden ON secret IN ('x') USING count(*)",
    "FROM readings PIVOT (count(*) FOR device IN (SELECT secret FROM hidden))",
    "UNPIVOT hidden ON secret",
    "SELECT * FROM readings NATURAL JOIN hidden",
    "SELECT * FROM readings, LATERAL (FROM hidden)",
    "SELECT * FROM readings JOIN latest ON (SELECT true FROM hidden)",
    "SELECT * FROM readings AT (VERSION => 1)",
    "SELECT * FROM sqlite_master",
    "SELECT * FROM duckdb_tables",
    "SELECT * FROM pg_catalog.pg_tables",
    "SELECT * FROM information_schema.tables",
    "EXPLAIN SELECT * FROM hidden",
    "EXPLAIN ANALYZE SELECT * FROM hidden",
    "SELECT * FROM hıdden",
    "SELECT * FROM rea\u212Dings",
    "SELECT * FROM latest\u0000",
  ],
  "files and network": [
    "SELECT * FROM '/etc/passwd'",
    "SELECT * FROM '/etc/passwd.csv'",
    "SELECT * FROM 'https://example.com/x.parquet'",
    'SELECT * FROM "x.parquet"',
    "SELECT * FROM read_csv('/etc/passwd')",
    "SELECT * FROM READ_CSV_AUTO('/etc/passwd')",
    "SELECT * FROM \"read_text\"('/etc/passwd')",
    "SELECT * FROM system.main.read_text('/etc/passwd')",
    "SELECT * FROM main.read_blob('/etc/passwd')",
    "SELECT * FROM read_parquet(['segments/x.parquet'])",
    "SELECT * FROM parquet_metadata('segments/x.parquet')",
    "SELECT * FROM parquet_scan('x')",
    "SELECT * FROM glob('/**')",
    "SELECT * FROM sniff_csv('/etc/passwd')",
    "SELECT * FROM read_json_auto('/etc/passwd')",
    "SELECT * FROM read_duckdb('/tmp/x.db')",
    "SELECT * FROM readings, read_text('/etc/passwd')",
    "SELECT * FROM readings WHERE device IN (SELECT content FROM read_text('/etc/passwd'))",
  ],
  "SQL inside strings": [
    "SELECT * FROM query('SELECT * FROM hidden')",
    "SELECT * FROM query_table('hidden')",
    "SELECT * FROM query_table(['hidden'], true)",
    "SELECT * FROM json_execute_serialized_sql(json_serialize_sql('FROM hidden'))",
    "SELECT json_serialize_plan('FROM hidden')",
    "SELECT json_serialize_sql('FROM hidden')",
    "SELECT json_deserialize_sql('{}')",
    "SELECT * FROM histogram('hidden', 'secret')",
    "SELECT * FROM histogram_values(hidden, secret)",
    "SELECT * FROM seq_scan('hidden')",
    "SELECT * FROM sql_auto_complete('SEL')",
  ],
  "environment, settings, sessions, catalog": [
    "SELECT getenv('HOME')",
    "SELECT current_setting('memory_limit')",
    "SELECT getvariable('x')",
    "SELECT current_query()",
    "SELECT current_database()",
    "SELECT current_schemas(true)",
    "SELECT system.main.current_setting('threads')",
    "SELECT 'threads'.current_setting()",
    "SELECT list_transform(['threads'], lambda x: current_setting(x))",
    "SELECT max(current_setting('threads')) FROM readings",
    "SELECT 1 ORDER BY current_setting('threads')",
    "SELECT {'a': [MAP {'b': current_setting('threads')}]}",
    "SELECT CASE WHEN true THEN current_setting('threads') END",
    "SELECT * REPLACE (current_setting('threads') AS device) FROM readings",
    "SELECT sum(1) OVER (PARTITION BY current_setting('threads'))",
    "VALUES (current_setting('threads'))",
    "SELECT 1 LIMIT current_setting('threads')::INT",
    "SELECT * FROM range(current_setting('threads')::INT)",
    "SELECT COLUMNS(c -> current_setting(c) = 'x') FROM readings",
    "SELECT CURRENT_SETTING /* hello */ ('threads')",
    "SELECT \"current_setting\"('threads')",
    "SELECT nextval('x')",
    "SELECT currval('x')",
    "SELECT txid_current()",
    "SELECT setseed(0.5)",
    "SELECT write_log('x')",
    "SELECT version()",
    "SELECT stats(device) FROM readings",
    "SELECT pg_get_viewdef(1)",
    "SELECT format_type(1, 1)",
    "SELECT get_block_size('memory')",
    "SELECT * FROM duckdb_settings()",
    "SELECT * FROM duckdb_secrets()",
    "SELECT * FROM duckdb_tables()",
    "SELECT * FROM duckdb_views()",
    "SELECT * FROM pragma_table_info('hidden')",
    "SELECT * FROM pragma_storage_info('hot_1')",
    "SELECT * FROM enable_logging()",
    "SELECT * FROM force_checkpoint()",
    "SELECT * FROM test_all_types()",
    "SELECT sleep_ms(60000)",
    "SELECT pg_sleep(60)",
    "SELECT row_number() OVER (), current_setting('threads')",
    "SELECT nosuchfunction(1)",
    "SELECT sum(value) EXPORT_STATE FROM readings",
  ],
  "values without bounds": [
    "SELECT repeat('x', 1000000000)",
    "SELECT repeat(repeat(repeat('x', 1000), 1000), 1000)",
    "SELECT repeat(x, 5000) FROM (SELECT repeat(device, 5000) AS x FROM readings)",
    "WITH a AS (SELECT repeat('x', 5000) AS x) SELECT repeat(b.x, 5000) FROM (SELECT * FROM a) b",
    "SELECT repeat(#1, 5000) FROM (SELECT repeat(device, 5000) FROM readings)",
    "SELECT repeat(COLUMNS(*), 5000) FROM (SELECT repeat(device, 5000) FROM readings)",
    "SELECT repeat(x, 5000) FROM (VALUES (repeat('x', 5000))) t(x)",
    "SELECT repeat(x, 5000) FROM unnest([repeat('x', 5000)]) t(x)",
    "SELECT repeat('x', 5000) AS x, repeat(x, 5000)",
    "SELECT repeat((SELECT repeat('x', 5000)), 5000)",
    "SELECT (SELECT repeat(x, 5000)) FROM (SELECT repeat(device, 5000) AS x FROM readings)",
    "SELECT repeat(x, 5000) FROM (SELECT repeat(device, 5000) AS x FROM readings UNION ALL SELECT 'y')",
    "SELECT repeat(max(x), 5000) FROM (SELECT repeat(device, 5000) AS x FROM readings)",
    "SELECT repeat(CASE WHEN true THEN repeat('x', 5000) END, 5000)",
    "SELECT repeat(first_value(x) OVER (), 5000) FROM (SELECT repeat(device, 5000) AS x FROM readings)",
    "SELECT repeat(x, 5000) FROM readings, LATERAL (SELECT repeat(device, 5000) AS x)",
    "SELECT repeat({'a': repeat('x', 5000)}.a, 5000)",
    "SELECT repeat([repeat('x', 5000)][1], 5000)",
    "SELECT repeat(CAST(repeat('1', 5000) AS VARCHAR), 5000)",
    "FROM (SELECT repeat(device, 5000) AS x FROM readings) SELECT repeat(x, 5000)",
    "SELECT max(repeat(x, 5000)) FROM (PIVOT (SELECT repeat(device, 5000) AS x, property FROM readings) ON property IN ('a') USING max(x) AS x)",
    "SELECT repeat('x', seq::INT) FROM readings",
    "SELECT repeat('x', (SELECT 1000000000))",
    "SELECT repeat('x', $1)",
    "SELECT repeat('x', -(-1000000000))",
    "SELECT 'x'.repeat(1000000000)",
    "SELECT lpad('x', 2000000000, 'y')",
    "SELECT rpad('x', seq::INT, 'y') FROM readings",
    "SELECT range(1000000000)",
    "SELECT range(0, seq) FROM readings",
    "SELECT generate_series(min(time), max(time), INTERVAL 1 SECOND) FROM readings",
    "SELECT range(0, 1, 0)",
    "SELECT list_resize([1], 1000000000)",
    "SELECT array_resize([1], 1000000000, 0)",
    "SELECT printf('%1000000000d', 1)",
    "SELECT printf('%*d', 1000000000, 1)",
    "SELECT format('{:1000000000}', 1)",
    "SELECT format('{:{}}', 'a', 1000000000)",
    "SELECT format(device, 1) FROM readings",
    "SELECT replace(repeat('a', 1000), 'a', repeat('b', 1000))",
    "SELECT list_transform(range(5000), lambda x: range(5000))",
    "SELECT list_transform(range(5000), lambda x: list_transform(range(5000), lambda y: x * y))",
    "SELECT [[y FOR y IN range(5000)] FOR x IN range(5000)]",
    "SELECT list_reduce(range(100)::VARCHAR[], lambda a, x: a || a)",
    "SELECT list_transform(list(device), lambda x: replace(x, 'a', x)) FROM readings",
    `SELECT ${Array.from({ length: 20 }, () => "to_json(").join("")}'"'${")".repeat(20)}`,
    `SELECT x FROM ${Array.from({ length: 20 }).reduce<string>((inner) => `(SELECT x || x AS x FROM ${inner})`, "(SELECT device AS x FROM readings)")}`,
    "WITH RECURSIVE t(s) AS (SELECT 'x' UNION ALL SELECT repeat(s, 10) FROM t) SELECT count(*) FROM t",
    "WITH RECURSIVE t(s) AS (SELECT 'x' UNION ALL SELECT s || s FROM t WHERE length(s) < 100) SELECT repeat(s, 100) FROM t",
  ],
  "patterns that take for ever": [
    "SELECT device LIKE '%a%a%a%a%b' FROM readings",
    "SELECT device ILIKE '%a%a%a%a%b' FROM readings",
    "SELECT device GLOB '*a*a*a*a*b' FROM readings",
    "SELECT device NOT LIKE '%a%a%a%a%b' ESCAPE 'x' FROM readings",
    "SELECT device LIKE text FROM readings",
    "SELECT device LIKE repeat('%a', 10) FROM readings",
    "SELECT device LIKE '%a%a' || '%a%a%b' FROM readings",
    "SELECT levenshtein(device, device) FROM readings",
  ],
}

describe.each(Object.entries(refused))("refused: %s", (_category, statements) => {
  test.each(statements)("%s", async (sql) => {
    const error = await refusal(sql)
    expect(isFogError(error) && ["query_refused", "query_invalid"].includes(error.code), String(error)).toBe(true)
    expect(error.message).not.toBe("")
    expect(error.hint).not.toBe("")
  })
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
  expect((await check("SELECT 1 WHERE $1 LIKE $2 || '%'")).patterns).toEqual(new Set([2]))
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

/** Short texts that DuckDB would plan for minutes or fill its memory with. */
const nested = (text: string, times: number, around: (inner: string, level: number) => string): string =>
  Array.from({ length: times }).reduce<string>((inner, _, level) => around(inner, level), text)
const chain = (length: number, link: (level: number) => string): string =>
  Array.from({ length }, (_, level) => link(level)).join("")

test.each([
  [
    "CASE that copies its operand",
    `SELECT ${nested("seq", 18, (x) => `CASE ${x} WHEN 1 THEN 2 WHEN 3 THEN 4 END`)} FROM readings`,
  ],
  [
    "CASE behind Unicode spaces",
    `SELECT ${nested("seq", 18, (x) => `CASE\u00a0${x}\u2003WHEN 1 THEN 2 WHEN 3 THEN 4\u3000END`)} FROM readings`,
  ],
  ["macros in macros", `SELECT ${nested("seq", 18, (x) => `nullif(${x}, 0)`)} FROM readings`],
  ["stars on stars", `SELECT 1 FROM (${nested("SELECT 1 AS a", 20, (x) => `SELECT *, * FROM (${x})`)})`],
  [
    "CTEs that double",
    `WITH c0 AS (SELECT 1 AS a)${chain(20, (i) => `, c${i + 1} AS NOT MATERIALIZED (SELECT x.a FROM c${i} x, c${i} y)`)} FROM c20`,
  ],
  [
    "scalar CTEs that double",
    `WITH c0 AS (SELECT 1 AS a)${chain(14, (i) => `, c${i + 1} AS (SELECT (SELECT a FROM c${i}) + (SELECT a FROM c${i}) AS a)`)} FROM c14`,
  ],
  ["aliases that double", `SELECT seq AS a0${chain(20, (i) => `, a${i} + a${i} AS a${i + 1}`)} FROM readings`],
  ["lambdas in lambdas", `SELECT ${nested("1", 25, (x) => `list_transform([1], lambda x: ${x})`)}`],
  [
    "correlated subqueries",
    `SELECT 1 FROM readings WHERE ${nested("true", 30, (x) => `EXISTS (SELECT 1 FROM readings WHERE ${x})`)}`,
  ],
  ["scalar subqueries", nested("SELECT 1", 50, (x) => `SELECT (${x})`)],
  ["joins", `SELECT 1 FROM (SELECT 1 AS a) t${chain(60, (i) => ` JOIN (SELECT 1 AS a) t${i} USING (a)`)}`],
  [
    "named windows",
    `SELECT 1${chain(400, () => ", sum(seq) OVER w")} FROM readings WINDOW w AS (PARTITION BY ${chain(400, (i) => `${i > 0 ? "+" : ""}seq`)})`,
  ],
  ["brackets", `SELECT ${"(".repeat(5_000)}1${")".repeat(5_000)}`],
  ["many statements of one", `SELECT 1${chain(3_000, () => " UNION ALL SELECT 1")}`],
  ["a long list", `SELECT seq IN (${chain(20_000, (i) => `${i},`)}0) FROM readings`],
  ["a long text", `SELECT '${"x".repeat(70_000)}'`],
])("too large to plan, and refused at once: %s", async (_what, sql) => {
  expect(await refusal(sql)).toMatchObject({
    code: "query_refused",
    message: expect.stringContaining("too large to be planned"),
  })
})

test("nested comments cost DuckDB nothing", async () => {
  const { sql } = await check(`SELECT ${"/*".repeat(10_000)}${"*/".repeat(10_000)} 1`)
  expect(sql.trim()).toMatch(/^SELECT +1$/)
})

test("what is within the limits of planning is planned", async () => {
  const list = Array.from({ length: 2_000 }, (_, i) => `'device-${i}'`).join(",")
  await check(`SELECT * FROM readings WHERE device IN (${list})`)
  await check(`SELECT 1${" UNION ALL SELECT value FROM latest".repeat(maxRelations - 1)}`)
  expect(maxExpressions).toBeGreaterThan(5_000)
})

/** Queries with a CTE, a table and a view of the same names at many places. */
const queries = fc.letrec<{ query: string; source: string }>((tie) => ({
  query: fc.oneof(
    { maxDepth: 4 },
    tie("source").map((source) => `SELECT * FROM ${source}`),
    fc
      .tuple(fc.constantFrom("hidden", "readings", "other"), tie("query"), tie("query"), fc.boolean())
      .map(([name, cte, query, recursive]) => `WITH ${recursive ? "RECURSIVE " : ""}${name} AS (${cte}) ${query}`),
    fc
      .tuple(fc.constantFrom("hidden", "other"), tie("query"), tie("query"), tie("query"))
      .map(([name, first, round, query]) => `WITH RECURSIVE ${name} AS (${first} UNION ${round}) ${query}`),
    fc.tuple(tie("query"), tie("query")).map(([left, right]) => `(${left}) UNION ALL (${right})`),
    fc.tuple(tie("source"), tie("query")).map(([source, inner]) => `SELECT * FROM ${source} WHERE EXISTS (${inner})`),
    fc
      .tuple(tie("source"), tie("query"))
      .map(([source, inner]) => `SELECT * FROM ${source} LIMIT (SELECT 1 WHERE EXISTS (${inner}))`),
  ),
  source: fc.oneof(
    { maxDepth: 4 },
    fc.constantFrom("readings", "readings", "readings", "readings", "hidden", "other", "HIDDEN", '"Other"'),
    tie("query").map((query) => `(${query})`),
    tie("query").map(
      (query) => `(SELECT * FROM ${query.startsWith("WITH") ? "(DESCRIBE readings)" : `(SUMMARIZE ${query})`})`,
    ),
    fc.tuple(tie("source"), tie("source")).map(([left, right]) => `${left} AS l CROSS JOIN ${right} AS r`),
  ),
}))

test("no accepted statement needs a table that is not offered", async () => {
  // The same names, but no tables: what DuckDB can plan here reads nothing but views and its own CTEs.
  const { DuckDBInstance } = await import("@duckdb/node-api")
  const bare = await (await DuckDBInstance.create(":memory:")).connect()
  await bare.run("CREATE VIEW readings AS SELECT 1 AS x")
  let accepted = 0
  await fc.assert(
    fc.asyncProperty(queries.query, async (sql) => {
      const isAccepted = await check(sql).then(
        () => true,
        () => false,
      )
      if (!isAccepted) return
      accepted++
      const message = await bare.prepare(sql).then(
        (prepared) => prepared.destroySync(),
        (error: Error) => error.message,
      )
      expect(message ?? "", sql).not.toMatch(/Table with name|does not exist|Circular/i)
    }),
    { numRuns: 1_000, seed: 7 },
  )
  bare.closeSync()
  expect(accepted).toBeGreaterThan(40)
})
