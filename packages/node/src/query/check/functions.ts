/**
 * Which functions users may call, by how large a value each can make.
 *
 * DuckDB counts tables, sorts and aggregates against its memory limit, but not the values that one call of a scalar
 * function makes, and nothing can interrupt that call: `repeat('x', 4e9)` took 43 s and 7.6 GB. So every function that
 * is offered stands here under the rule that bounds its result; what is not here is refused. A test compares the list
 * with the functions of the installed DuckDB, so that a new version opens nothing by itself.
 *
 * Reviewed and left out: what reads files, settings, the environment, the catalog or other sessions; what changes
 * state (sequences, the random seed, logs); SQL inside strings (`query`, `json_execute_serialized_sql`); DuckDB's own
 * internals; and what can keep a thread busy in one call, whatever its size: edit distances (quadratic),
 * `equi_width_bins` (endless for some arguments), `sleep_ms`.
 */

/**
 * How large a result is, measured in values of ordinary size.
 * - `widest`: as its largest argument, at most a few times.
 * - `swelling`: at most {@link swellFactor} times its arguments together.
 * - `sum`: as its arguments together.
 * - `product`: as its arguments multiplied.
 * - `repeat`: its first argument as often as the second one, a literal, says.
 * - `pad`: as its second argument, a literal, says.
 * - `sequence`: as many as its arguments, literals, count.
 * - `format`: as its arguments together; the first is a literal without large widths.
 * - `lambda`: its first argument, each element as large as the lambda makes it.
 * - `fold`: a lambda on its own result: it must not grow.
 * - `gather`: many rows in one value. DuckDB bounds these by its memory limit.
 */
export type SizeRule =
  | "widest"
  | "swelling"
  | "sum"
  | "product"
  | "repeat"
  | "pad"
  | "sequence"
  | "format"
  | "lambda"
  | "fold"
  | "gather"

/** One byte of text becomes up to this much: an escape in JSON, or an element of a list. */
export const swellFactor = 8

const byRule: Readonly<Record<SizeRule, string>> = {
  widest: `
    + - * / // % ** ^ & | ~ << >> !__postfix @ ->> ~~ !~~ ~~* !~~* ~~~ ^@ && @> <@ <-> <=>
    abs acos acosh add asin asinh atan atan2 atanh bit_count bit_length cbrt ceil ceiling cos cosh cot degrees divide
    even exp factorial fdiv floor fmod gamma gcd greatest greatest_common_divisor isfinite isinf isnan lcm least
    least_common_multiple lgamma ln log log10 log2 mod multiply nextafter pi pow power radians random round round_even
    roundbankers sign signbit sin sinh sqrt subtract tan tanh trunc xor
    age ago century current_date current_localtime current_localtimestamp date_add date_diff date_part date_sub
    date_trunc datediff datepart datesub datetrunc day dayname dayofmonth dayofweek dayofyear days_in_month decade
    epoch epoch_ms epoch_ns epoch_us era get_current_time get_current_timestamp hour isodow isoyear julian last_day
    make_date make_time make_timestamp make_timestamp_ms make_timestamp_ns make_timestamptz microsecond millennium
    millisecond minute month monthname nanosecond normalized_interval now quarter second strptime time_bucket timezone
    timezone_hour timezone_minute to_centuries to_days to_decades to_hours to_microseconds to_millennia
    to_milliseconds to_minutes to_months to_quarters to_seconds to_timestamp to_weeks to_years today
    transaction_timestamp try_strptime week weekday weekofyear year yearweek
    array_length array_position ascii bar char_length character_length chr contains ends_with format_bytes
    formatreadabledecimalsize formatreadablesize from_base64 from_hex gen_random_uuid hash ilike_escape instr lcase left
    left_grapheme len length length_grapheme like_escape lower ltrim md5 nfc_normalize not_ilike_escape not_like_escape
    octet_length ord parse_formatted_bytes position prefix regexp_extract regexp_full_match regexp_matches reverse right
    right_grapheme rtrim sha1 sha256 split_part starts_with strip_accents strlen strpos substr substring
    substring_grapheme suffix translate trim ucase unhex unicode upper url_decode uuid uuidv4 uuidv7
    array_contains array_distance array_distinct array_dot_product array_cosine_distance array_cosine_similarity
    array_cross_product array_extract array_grade_up array_has array_has_all array_has_any array_indexof
    array_inner_product array_intersect array_negative_dot_product array_negative_inner_product array_pop_back
    array_pop_front array_reverse array_reverse_sort array_select array_slice array_sort array_unique array_where
    cardinality element_at flatten generate_subscripts grade_up json_array_length json_contains json_exists json_extract
    json_extract_path json_extract_path_text json_extract_string json_keys json_type json_valid json_value list_any_value
    list_approx_count_distinct list_avg list_bit_and list_bit_or list_bit_xor list_bool_and list_bool_or list_contains
    list_cosine_distance list_cosine_similarity list_count list_distance list_distinct list_dot_product list_element
    list_entropy list_extract list_first list_grade_up list_has list_has_all list_has_any list_indexof
    list_inner_product list_intersect list_kurtosis list_kurtosis_pop list_last list_mad list_max list_median list_min
    list_mode list_negative_dot_product list_negative_inner_product list_position list_product list_reverse
    list_reverse_sort list_select list_sem list_skewness list_slice list_sort list_stddev_pop list_stddev_samp list_sum
    list_unique list_var_pop list_var_samp list_where map_contains map_contains_entry map_contains_value map_extract
    map_extract_value map_keys map_values struct_contains struct_extract struct_extract_at struct_has struct_keys
    struct_indexof struct_position struct_values unnest
    constant_or_null error nullif pg_typeof typeof
    any_value approx_count_distinct approx_quantile arbitrary arg_max arg_max_null arg_max_nulls_last arg_min
    arg_min_null arg_min_nulls_last argmax argmin avg bit_and bit_or bit_xor bool_and bool_or corr count count_if
    count_star countif covar_pop covar_samp cume_dist dense_rank entropy favg fill first first_value fsum geomean
    geometric_mean kahan_sum kurtosis kurtosis_pop lag last last_value lead mad max max_by mean median min min_by mode
    nth_value ntile percent_rank product quantile quantile_cont quantile_disc rank rank_dense regr_avgx regr_avgy
    regr_count regr_intercept regr_r2 regr_slope regr_sxx regr_sxy regr_syy reservoir_quantile row_number sem skewness
    stddev stddev_pop stddev_samp sum sum_no_overflow sumkahan var_pop var_samp variance wavg weighted_avg`,
  swelling: `
    array_aggr array_aggregate array_to_json base64 bin encode decode from_json from_json_strict hex json json_pretty
    json_quote json_structure json_transform json_transform_strict list_aggr list_aggregate list_histogram
    list_string_agg map_entries regexp_escape regexp_extract_all regexp_split_to_array regexp_split_to_table row_to_json
    split str_split str_split_regex strftime string_split string_split_regex string_to_array to_base to_base64 to_binary
    to_hex to_json url_encode`,
  sum: `
    || array_append array_cat array_concat array_prepend array_push_back array_push_front array_value array_zip concat
    concat_ws json_array json_merge_patch json_object list_append list_cat list_concat list_pack list_prepend list_value
    list_zip map map_concat map_from_entries row struct_concat struct_insert struct_pack struct_update`,
  product: "array_to_string array_to_string_comma_default regexp_replace replace",
  repeat: "repeat",
  pad: "array_resize list_resize lpad rpad",
  sequence: "generate_series range",
  format: "format printf",
  lambda: `
    apply array_apply array_filter array_transform filter list_apply list_filter list_transform`,
  fold: "array_reduce list_reduce reduce",
  gather: `
    approx_top_k array_agg group_concat histogram histogram_exact json_group_array json_group_object
    json_group_structure list listagg string_agg`,
}

/** Rules of all offered scalar and aggregate functions, by lower-case name. */
export const offeredFunctions: ReadonlyMap<string, SizeRule> = new Map(
  Object.entries(byRule).flatMap(([rule, names]) => namesOf(names).map((name) => [name, rule as SizeRule] as const)),
)

/** Functions that may stand in FROM. They stream, so that their size does not matter. */
export const offeredTableFunctions: ReadonlySet<string> = new Set(
  namesOf("generate_series json_each json_tree range unnest"),
)

/** Functions that match a text against a pattern by trying: slow beyond measure with many wildcards. */
export const patternFunctions: ReadonlySet<string> = new Set(
  namesOf("~~ !~~ ~~* !~~* ~~~ like_escape not_like_escape ilike_escape not_ilike_escape"),
)

/**
 * Macros write an argument several times, so that nesting them multiplies the statement: how often at most. Macros
 * that write each argument once are not listed.
 */
export const macroCopies: ReadonlyMap<string, number> = new Map([
  ["array_pop_back", 2],
  ["array_to_string", 2],
  ["array_to_string_comma_default", 2],
  ["fmod", 2],
  ["json_group_array", 2],
  ["json_group_object", 2],
  ["json_group_structure", 2],
  ["nullif", 2],
  ["round_even", 4],
  ["roundbankers", 4],
  ["split_part", 2],
  ["wavg", 3],
  ["weighted_avg", 3],
])

function namesOf(text: string): string[] {
  return text.trim().split(/\s+/)
}
