import { afterAll, beforeAll, expect, test } from "vitest"
import { openSandbox } from "../../../../../test/rig/query.ts"
import { macroCopies, offeredFunctions, offeredTableFunctions } from "./functions.ts"

/**
 * Everything that the installed DuckDB has and users do not get, reviewed. A new version's new functions are refused by
 * themselves; this test fails then, so that somebody decides about them.
 */
const reviewedAndLeftOut = new Set(
  `aggregate alias bit_position bitstring bitstring_agg can_cast_implicitly cast_to_type col_description combine
  create_sort_key current_catalog current_connection_id current_database current_query current_query_id current_role
  current_schema current_schemas current_setting current_transaction_id current_user currval damerau_levenshtein
  editdist3 enum_code enum_first enum_last enum_range enum_range_boundary equi_width_bins finalize format_pg_type
  format_type from_binary get_bit get_block_size get_type getvariable hamming icu_sort_key in_search_path
  is_histogram_other_bin jaccard jaro_similarity jaro_winkler_similarity json_deserialize_sql json_serialize_plan
  json_serialize_sql levenshtein make_type map_to_pg_oid md5_number md5_number_lower md5_number_upper mismatches nextval
  obj_description parse_dirname parse_dirpath parse_duckdb_log_message parse_filename parse_path remap_struct
  replace_type session_user set_bit setseed shobj_description sleep_ms stats switch timetz_byte_comparable txid_current
  unbin union_extract union_tag union_value unpivot_list user uuid_extract_timestamp uuid_extract_version
  variant_bytes_to_variant variant_extract variant_normalize variant_to_parquet_variant variant_typeof vector_type
  version write_log`.split(/\s+/),
)
/** Families of which nothing is offered: DuckDB's internals, PostgreSQL's catalog, geometry, collations as functions. */
const familiesLeftOut = /^(icu_collate_.*|__internal_.*|pg_(?!typeof$).*|has_.*_privilege|inet_.*|st_.*|<->)$/

const tableFunctionsLeftOut = new Set(
  `arrow_scan arrow_scan_dumb check_peg_parser checkpoint disable_logging disable_peg_parser disable_profiling
  duckdb_approx_database_count duckdb_columns duckdb_connection_count duckdb_constraints duckdb_coordinate_systems
  duckdb_databases duckdb_dependencies duckdb_extensions duckdb_external_file_cache duckdb_functions duckdb_indexes
  duckdb_keywords duckdb_log_contexts duckdb_logs duckdb_logs_parsed duckdb_memory duckdb_optimizers
  duckdb_prepared_statements duckdb_profiling_settings duckdb_schemas duckdb_secret_types duckdb_secrets
  duckdb_sequences duckdb_settings duckdb_table_sample duckdb_tables duckdb_temporary_files duckdb_types
  duckdb_variables duckdb_views enable_logging enable_peg_parser enable_profiling force_checkpoint glob histogram
  histogram_values icu_calendar_names json_execute_serialized_sql parquet_bloom_probe parquet_file_metadata
  parquet_full_metadata parquet_kv_metadata parquet_metadata parquet_scan parquet_schema pg_timezone_names
  pragma_collations pragma_database_size pragma_metadata_info pragma_platform pragma_show pragma_storage_info
  pragma_table_info pragma_user_agent pragma_version query query_table read_blob read_csv read_csv_auto read_duckdb
  read_json read_json_auto read_json_objects read_json_objects_auto read_ndjson read_ndjson_auto read_ndjson_objects
  read_parquet read_text repeat repeat_row seq_scan sniff_csv sql_auto_complete summary test_all_types
  test_vector_types truncate_duckdb_logs which_secret`.split(/\s+/),
)

let sandbox: Awaited<ReturnType<typeof openSandbox>>
beforeAll(async () => {
  sandbox = await openSandbox()
})
afterAll(() => {
  sandbox.raw.closeSync()
  sandbox.instance.closeSync()
})

async function names(types: readonly string[]): Promise<string[]> {
  const list = types.map((type) => `'${type}'`).join(", ")
  const sql = `SELECT DISTINCT lower(function_name) FROM duckdb_functions() WHERE function_type IN (${list}) ORDER BY 1`
  return (await sandbox.raw.runAndReadAll(sql)).getRows().map(([name]) => String(name))
}

test("every function of the installed DuckDB was reviewed", async () => {
  const all = await names(["scalar", "aggregate", "macro"])
  const unknown = all.filter(
    (name) => !offeredFunctions.has(name) && !reviewedAndLeftOut.has(name) && !familiesLeftOut.test(name),
  )
  expect(unknown).toEqual([])
})

test("every table function of the installed DuckDB was reviewed", async () => {
  const all = await names(["table", "table_macro"])
  expect(all.filter((name) => !offeredTableFunctions.has(name) && !tableFunctionsLeftOut.has(name))).toEqual([])
})

test("nothing is offered that does not exist, or that was left out", async () => {
  const all = new Set(await names(["scalar", "aggregate", "macro"]))
  // `unnest` is part of the language and stands in no catalog.
  expect([...offeredFunctions.keys()].filter((name) => !all.has(name) && name !== "unnest")).toEqual([])
  expect([...offeredFunctions.keys()].filter((name) => reviewedAndLeftOut.has(name))).toEqual([])
})

interface Macro {
  readonly name: string
  readonly parameters: readonly string[]
  readonly definition: string
}

async function offeredMacros(): Promise<Macro[]> {
  const found = await sandbox.raw.runAndReadAll(
    `SELECT function_name, to_json(parameters), macro_definition FROM duckdb_functions() WHERE function_type = 'macro'`,
  )
  return found
    .getRows()
    .map(([name, parameters, definition]) => ({
      name: String(name),
      parameters: JSON.parse(String(parameters)) as string[],
      definition: String(definition),
    }))
    .filter(({ name }) => offeredFunctions.has(name))
}

/** Names of the functions in an expression, and how often each column stands in it. */
async function contents(expression: string): Promise<{ functions: Set<string>; columns: Map<string, number> }> {
  const prepared = await sandbox.raw.prepare("SELECT json_serialize_sql($1::VARCHAR)")
  prepared.bindVarchar(1, `SELECT ${expression}`)
  const tree = JSON.parse(String((await prepared.runAndReadAll()).getRows()[0]![0])) as unknown
  const functions = new Set<string>()
  const columns = new Map<string, number>()
  const visit = (part: unknown): void => {
    if (typeof part !== "object" || part === null) return
    const node = part as Record<string, unknown>
    if (typeof node.function_name === "string") functions.add(node.function_name.toLowerCase())
    if (Array.isArray(node.column_names)) {
      const [name] = node.column_names as string[]
      columns.set(name!, (columns.get(name!) ?? 0) + 1)
    }
    for (const inner of Object.values(node)) visit(inner)
  }
  visit(tree)
  return { functions, columns }
}

test("an offered macro is made of offered functions", async () => {
  for (const { name, definition } of await offeredMacros()) {
    const { functions } = await contents(definition)
    expect([name, [...functions].filter((used) => !offeredFunctions.has(used))]).toEqual([name, []])
  }
})

test("a macro copies its arguments no oftener than is counted", async () => {
  const macros = await offeredMacros()
  const copiesOf = async ({ parameters, definition }: Macro, depth = 0): Promise<number> => {
    const { functions, columns } = await contents(definition)
    const own = Math.max(1, ...parameters.map((parameter) => columns.get(parameter) ?? 0))
    // A macro in a macro multiplies.
    const inner = macros.filter(({ name }) => functions.has(name) && depth < 4)
    return own * Math.max(1, ...(await Promise.all(inner.map((macro) => copiesOf(macro, depth + 1)))))
  }
  for (const macro of macros) {
    const copies = await copiesOf(macro)
    expect([macro.name, copies <= (macroCopies.get(macro.name) ?? 1)], `${copies} copies`).toEqual([macro.name, true])
  }
})
