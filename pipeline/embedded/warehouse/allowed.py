"""
The lists of the gate: what a query from outside may be made of.

Kinds of statements and of nodes, and settings, are lists of what is allowed: what the engine learns tomorrow is
refused until somebody has looked at it. Functions are too many for that; the list of refused ones was read off
`system.functions` of the engine version named here, and a test fails when the engine has others.
"""

# What a statement may be. Everything else (INSERT, CREATE, SYSTEM, SET, BACKUP, KILL, PARALLEL WITH, …) is refused.
STATEMENT_KINDS = frozenset(
    {
        "SelectWithUnionQuery", "Explain", "DescribeQuery", "ShowTables", "ShowColumns", "ShowIndexes",
        "ShowFunctions", "ShowEngineQuery", "ShowSetting", "ShowCreateTableQuery", "ShowCreateViewQuery",
        "ShowCreateDatabaseQuery", "ExistsTableQuery", "ExistsViewQuery", "ExistsDatabaseQuery",
    }
)  # fmt: skip

# What may stand directly below a statement. INTO OUTFILE stands there as a Literal; FORMAT as an Identifier.
OUTPUT_CHILDREN = frozenset({"ExpressionList", "Identifier", "Set", "TableExpression", "SelectWithUnionQuery"})

# What else a tree may hold.
ALLOWED_KINDS = frozenset(
    {
        "ArrayJoin", "Asterisk", "ColumnsApplyTransformer", "ColumnsExceptTransformer", "ColumnsListMatcher",
        "ColumnsRegexpMatcher", "ColumnsReplaceTransformer", "ColumnsReplaceTransformer::Replacement",
        "ColumnsTransformerList", "ExpressionList", "Function", "Identifier", "InterpolateElement", "Literal",
        "OrderByElement", "QualifiedAsterisk", "QualifiedColumnsListMatcher", "QualifiedColumnsRegexpMatcher",
        "SampleRatio", "SelectIntersectExceptQuery", "SelectQuery", "Set", "Subquery", "TableExpression",
        "TableIdentifier", "TableJoin", "TablesInSelectQuery", "TablesInSelectQueryElement", "WindowDefinition",
        "WindowListElement", "WithElement",
    }
)  # fmt: skip

# Functions of rows that share their name with a table function and reach nowhere.
SCALAR_NAMESAKES = frozenset({"format", "fuzzquery"})

FUNCTIONS_READ_OF_VERSION = "26.9.2.1"

# Functions that read files (file, models, dictionaries of regions), look into tables past the tree (joinGet, dict…,
# hasColumnInTable), tell secrets or addresses of the process, use keepers, or only hold a thread (sleep).
DENIED_FUNCTIONS = frozenset(
    {
        "addresstoline", "addresstolinewithinlines", "addresstosymbol", "catboostevaluate", "demangle",
        "evalmlmethod", "file", "filesystemavailable", "filesystemcapacity", "filesystemunreserved",
        "generateserialid", "getclienthttpheader", "getmacro", "hascolumnintable", "joinget", "joingetornull",
        "naivebayesclassifier", "naivebayesclassifierwithallprobs", "naivebayesclassifierwithprob",
        "showcertificate", "sleep", "sleepeachrow", "trap", "zookeepersessionuptime",
    }
)  # fmt: skip
# Whole families: language models over the network, dictionaries, regions from files, the engine's internal ones.
DENIED_PREFIXES = ("ai", "dict", "region", "__", "llm", "executable")

# Tables of `system` that act, or tell of memory and addresses, rather than of data.
DENIED_SYSTEM_TABLES = frozenset(
    {
        "system.stack_trace", "system.zookeeper", "system.symbols", "system.fail_points", "system.certificates",
        "system.jemalloc_profile_text", "system.jemalloc_sampled_allocations", "system.named_collections",
    }
)  # fmt: skip

# Settings that change how a query runs or how its result is written, and neither its bounds nor where it reads.
ALLOWED_SETTINGS = frozenset(
    {
        "max_threads", "max_block_size", "max_result_rows", "max_result_bytes", "result_overflow_mode",
        "max_rows_to_read", "read_overflow_mode", "join_algorithm", "join_use_nulls", "join_default_strictness",
        "final", "distinct_overflow_mode", "group_by_overflow_mode", "group_by_use_nulls", "union_default_mode",
        "intersect_default_mode", "except_default_mode", "transform_null_in", "aggregate_functions_null_for_empty",
        "optimize_read_in_order", "optimize_aggregation_in_order", "optimize_move_to_prewhere", "enable_analyzer",
        "allow_experimental_analyzer", "prefer_column_name_to_alias", "enable_optimize_predicate_expression",
        "session_timezone", "date_time_input_format", "date_time_output_format", "extremes", "limit", "offset",
        "output_format_json_quote_64bit_integers", "output_format_json_quote_64bit_floats",
        "output_format_json_quote_denormals", "output_format_json_quote_decimals",
        "output_format_json_named_tuples_as_objects", "output_format_json_array_of_rows",
        "output_format_csv_crlf_end_of_line", "output_format_tsv_crlf_end_of_line", "format_csv_delimiter",
        "output_format_pretty_max_rows", "output_format_pretty_color", "output_format_pretty_row_numbers",
        "output_format_pretty_max_column_pad_width", "output_format_pretty_grid_charset",
        "output_format_write_statistics", "output_format_arrow_string_as_string",
        "output_format_arrow_low_cardinality_as_dictionary", "output_format_arrow_compression_method",
        "output_format_parquet_string_as_string", "output_format_parquet_compression_method",
        "output_format_parquet_row_group_size", "output_format_native_encode_types_in_binary_format",
        "output_format_native_write_json_as_string", "output_format_decimal_trailing_zeros",
        "low_cardinality_allow_in_native_format", "cast_keep_nullable", "count_distinct_implementation",
        "allow_suspicious_low_cardinality_types", "query_plan_enable_optimizations", "log_comment", "async_insert",
        "wait_for_async_insert", "select_sequential_consistency",
        "cast_string_to_dynamic_use_inference",
    }
)  # fmt: skip

# May be set, but only below the bounds of the server.
CAPPED_SETTINGS = frozenset({"max_execution_time", "max_memory_usage"})

# Settings about the exchange over HTTP, which the server itself heeds or has no use for: never given to the engine.
TRANSPORT_SETTINGS = frozenset(
    {
        "enable_http_compression", "http_zlib_compression_level", "send_progress_in_http_headers",
        "http_headers_progress_interval_ms", "wait_end_of_query", "cancel_http_readonly_queries_on_client_close",
        "http_write_exception_in_output_format", "http_response_buffer_size", "http_wait_end_of_query",
        "add_http_cors_header", "http_max_tries", "http_receive_timeout", "http_send_timeout", "receive_timeout",
        "send_timeout", "connect_timeout", "readonly", "http_native_compression_disable_checksumming_on_decompress",
    }
)  # fmt: skip
