package pipeline

import "strings"

// descriptions say in an editor what a field is, in a line each: by its path in the
// spec, or by the end of it where several fields are the same. docs/pipeline.md says more.
var descriptions = map[string]string{
	"apiVersion": "Version of the spec: " + APIVersion + ".",
	"name":       "Name of the pipeline: a-z, 0-9 and -, at most 63 characters.",
	"source":     "Where rows come from: one of parquet, range.",
	"stages":     "What happens to the rows, in order. Without stages the run copies.",
	"sink":       "Where rows go.",
	"policies":   "How the run behaves.",

	"source.parquet":             "Reads Parquet files.",
	"source.parquet.uri":         "A file, a directory, a glob, or a list of these: local paths, file:// or s3://bucket/key.",
	"source.parquet.columns":     "Only these columns, in this order; all when left out.",
	"source.parquet.schema":      "When files differ in their columns: strict refuses (the default), first takes the first file's, union all of them.",
	"source.parquet.hive":        "Directories such as day=2026-01-02 become columns: true, or a mapping of column to type.",
	"source.parquet.on_bad_file": "fail (the default) ends the run at a damaged file; skip counts what cannot be read, and goes on.",

	"source.range":        "Gives the whole numbers from 0, without a file.",
	"source.range.rows":   "How many rows.",
	"source.range.column": "Name of the int64 column. Default id.",

	"s3":                "How buckets are reached, beyond the usual environment. Credentials never stand in a spec.",
	"s3.region":         "Region of the bucket. Default the environment's, else us-east-1.",
	"s3.endpoint":       "URL of another store that speaks S3.",
	"s3.path_style":     "The bucket stands in the path, not in the host name. Default true with an endpoint.",
	"s3.requester_pays": "You pay for the requests to somebody else's bucket.",
	"s3.sse":            "Encryption of what is written: AES256 or aws:kms.",
	"s3.kms_key":        "Key of aws:kms, by its id or alias.",
	"s3.read_gap":       "Ranges with less between them are read as one. Default 256KiB.",
	"s3.read_split":     "Bytes of one request at most. Default 8MiB.",
	"s3.read_parallel":  "Requests at once for one row group. Default 8.",

	"stages[].name":      "Stands in subjects, books and statistics: a-z, 0-9 and -; source and sink are reserved.",
	"stages[].transform": "Operators that run together in levada transform, in order.",
	"stages[].external":  "A stage that a process of your own serves.",
	"external.columns":   "What the stage adds or replaces: name to type.",

	"transform[].select": "Keeps the named columns, in that order.",
	"transform[].drop":   "Leaves the named columns out.",
	"transform[].filter": "Keeps the rows for which the expression is true; null counts as not true.",
	"transform[].with":   "Adds computed columns, or replaces those of the same name: name to expression.",
	"transform[].rename": "Old name to new.",
	"transform[].mask":   "Hides the values of a column, in its place. Null stays null.",
	"mask.column":        "The column to mask.",
	"mask.method":        "sha256: a hash of the value; keep_last: only the last n characters stay.",
	"mask.n":             "keep_last: how many characters stay.",
	"mask.with":          "keep_last: the character that stands for each of the others. Default *.",

	"transform[].cast":      "Gives columns another type: column to type, or to { to, on_fail }.",
	"cast.to":               "The type.",
	"cast.on_fail":          "What becomes of a value that has no place in the type: dead_letter takes the row out (the default), null stands for it.",
	"transform[].fill_null": "Puts a value in the place of null: column to value.",
	"transform[].unnest":    "Puts the fields of the named structs in their place.",
	"transform[].flatten":   "As unnest, at every depth, with the struct's name before each field's.",
	"flatten.columns":       "The structs.",
	"flatten.separator":     "What stands between the names. Default _.",
	"transform[].sample":    "Keeps a fraction of the source's rows, the same ones in every run.",
	"sample.fraction":       "From 0 to 1.",
	"sample.seed":           "Another one keeps other rows. Default 0.",
	"transform[].limit":     "Keeps the first rows of the source, in the order of its files.",
	"transform[].assert":    "An expression that must be true for every row.",
	"assert.expr":           "The expression.",
	"assert.on_fail":        "fail ends the run (the default), drop leaves the row out, dead_letter keeps it aside. Each is counted.",

	"sink.parquet":                "Writes Parquet files into a directory.",
	"sink.parquet.uri":            "A directory, made if it is absent, or s3://bucket/prefix.",
	"sink.parquet.partition_by":   "Columns that become Hive directories and are not stored in the files.",
	"sink.parquet.target_file":    "A file is closed at the latest when it is so large. Default 128MiB.",
	"sink.parquet.rows_per_group": "Rows of a row group. Default 1_048_576.",
	"sink.parquet.compression":    "none, snappy, zstd, zstd:LEVEL, or a mapping of codec and level. Default snappy.",
	"compression.codec":           "none, snappy or zstd.",
	"compression.level":           "Level of zstd, 1 to 22.",
	"sink.parquet.mode":           "When there is data: error refuses, append adds, overwrite replaces it when the run is done, ignore does nothing. Default error.",
	"sink.parquet.preserve_order": "Rows keep the source's order inside each file, and files sort by it; not with partition_by.",
	"sink.parquet.empty":          "A run without rows writes one file with the schema (file, the default), or fails (error).",
	"sink.parquet.max_open_files": "Open files of one writer lane. Default 256.",

	"sink.parquet.encodings":      "How columns are written, where the data should not decide: column to plain, dictionary, delta or byte_stream_split.",
	"sink.parquet.bloom_filters":  "Columns that get bloom filters: a list, or { columns, fpp }.",
	"bloom_filters.columns":       "The columns.",
	"bloom_filters.fpp":           "How often a lookup is in vain, 1e-9 to 0.5. Default 0.01.",
	"sink.parquet.sort_within":    "Sorts the rows of each row group by these columns.",
	"sort_within[].column":        "The column.",
	"sort_within[].order":         "asc (the default) or desc.",
	"sort_within[].nulls":         "last (the default) or first.",
	"sort_within.column":          "The column.",
	"sort_within.order":           "asc (the default) or desc.",
	"sort_within.nulls":           "last (the default) or first.",
	"sink.parquet.page_checksums": "Gives each page a CRC-32. Default false.",
	"sink.parquet.file_name":      "How the names of files begin; {pipeline}, {date}, {time} and {codec} have values.",

	"policies.max_dead_rows": "More rows in the dead letters than this fail the run. Default 0.",
	"policies.visibility":    "file: each file shows when it is committed; run: all together at the end.",
	"policies.max_age":       "A writer commits what it holds at the latest after this; 100ms to 1h. Default 30s.",
	"policies.requeue_after": "How long nothing may happen before owed work is queued again. Default 5s.",
	"policies.block_bytes":   "Largest block; never more than half the server's max_payload.",
	"policies.edge_bytes":    "What an edge may hold before its producer waits; at least 16MiB.",
	"policies.carry":         "Which columns travel in blocks: auto, those that are touched, or all.",

	"workers":     "Blocks worked on at once by each process: a number, or { min, max }. Default the cores.",
	"workers.min": "The least. Default 1.",
	"workers.max": "The most, while blocks wait.",
	"fuse":        "auto: without a stream where one process plays the stages on both sides of the edge; never: always through a stream.",
}

// testDescriptions are those of the fields of a file of cases. docs/spec-tools.md says more.
var testDescriptions = map[string]string{
	"pipeline": "The spec that is tested: a path, relative to this file.",
	"set":      "Values of its variables: name to value. --set outdoes them.",
	"columns":  "Columns of the source: name to type. Left out, those that its files have.",
	"cases":    "What must hold, case by case.",

	"cases[].name":    "Says in a few words what must hold; no two are the same.",
	"cases[].stage":   "Runs only this stage: the rows are those that come into it.",
	"cases[].columns": "Replace those of the file, and add to them: name to type.",
	"cases[].in":      "The rows that go in. A column that a row does not name is null.",
	"cases[].out":     "The rows that come out, in their order, and no others. Columns that a row does not name are not compared.",
	"cases[].error":   "Part of what is wrong with the pipeline for these columns, instead of in and out.",

	"cases[].dead":            "Rows that must fail. One that fails and is not named makes the case fail.",
	"cases[].dead[].row":      "Which row of in, from 0.",
	"cases[].dead[].operator": "The operator that fails, such as refine/with[0]. Default any.",
	"cases[].dead[].reason":   "Part of the reason. Default any.",
}

// description is that of the field at a path; "" when nobody has written one.
func description(descriptions map[string]string, path string) string {
	for {
		if text := descriptions[path]; text != "" {
			return text
		}
		_, rest, more := strings.Cut(path, ".")
		if !more {
			return ""
		}
		path = rest
	}
}
