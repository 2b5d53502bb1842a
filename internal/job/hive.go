package job

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/scalar"

	"github.com/levada-data/levada/pkg/ledger"
	"github.com/levada-data/levada/pkg/pipeline"
)

// HivePair is a directory of the form name=value.
type HivePair struct{ Column, Value string }

// HivePairs returns the columns in a file's location, in their order. A directory that is
// no pair is passed over.
func HivePairs(uri string) []HivePair {
	if _, rest, ok := strings.Cut(uri, "://"); ok {
		uri = rest
	}
	dirs := strings.Split(strings.ReplaceAll(uri, "\\", "/"), "/")
	var all []HivePair
	for _, d := range dirs[:max(len(dirs)-1, 0)] {
		name, value, ok := strings.Cut(d, "=")
		if !ok || name == "" {
			continue
		}
		all = append(all, HivePair{unescaped(name), unescaped(value)})
	}
	return all
}

func unescaped(s string) string {
	if plain, err := url.PathUnescape(s); err == nil {
		return plain
	}
	return s
}

// hiveTypes are what the names of a spec stand for.
var hiveTypes = map[string]arrow.DataType{
	"bool": arrow.FixedWidthTypes.Boolean, "date": arrow.FixedWidthTypes.Date32, "int32": arrow.PrimitiveTypes.Int32,
	"int64": arrow.PrimitiveTypes.Int64, "string": arrow.BinaryTypes.String,
}

// HiveType returns the type of a declared name.
func HiveType(name string) arrow.DataType { return hiveTypes[name] }

// InferHive returns the narrowest type that all values of a column can be read as: a whole
// number, a date, else a string. Nulls say nothing.
func InferHive(values map[string]bool) arrow.DataType {
	for _, t := range []arrow.DataType{arrow.PrimitiveTypes.Int64, arrow.FixedWidthTypes.Date32} {
		fits, some := true, false
		for v := range values {
			if v == pipeline.HiveNull {
				continue
			}
			some = true
			if _, err := HiveScalar(v, t); err != nil {
				fits = false
				break
			}
		}
		if fits && some {
			return t
		}
	}
	return arrow.BinaryTypes.String
}

// HiveScalar reads a directory's value.
func HiveScalar(value string, t arrow.DataType) (scalar.Scalar, error) {
	if value == pipeline.HiveNull {
		return scalar.MakeNullScalar(t), nil
	}
	switch t.ID() { //nolint:exhaustive // a spec can name no others
	case arrow.STRING:
		return scalar.NewStringScalar(value), nil
	case arrow.INT64:
		n, err := strconv.ParseInt(value, 10, 64)
		return scalar.NewInt64Scalar(n), err
	case arrow.INT32:
		n, err := strconv.ParseInt(value, 10, 32)
		return scalar.NewInt32Scalar(int32(n)), err
	case arrow.BOOL:
		switch value {
		case "true", "false":
			return scalar.NewBooleanScalar(value == "true"), nil
		}
		return nil, fmt.Errorf("it is neither true nor false")
	case arrow.DATE32:
		d, err := time.Parse(time.DateOnly, value)
		return scalar.NewDate32Scalar(arrow.Date32FromTime(d)), err
	}
	return nil, fmt.Errorf("a directory cannot be %s", t)
}

// Hive returns the values of those columns of a schema that stand in a planned file's name.
func Hive(needed *arrow.Schema, f *ledger.PlanFile) (map[string]scalar.Scalar, error) {
	if len(f.Hive) == 0 {
		return nil, nil
	}
	all := map[string]scalar.Scalar{}
	for column, value := range f.Hive {
		at := needed.FieldIndices(column)
		if len(at) != 1 {
			continue
		}
		s, err := HiveScalar(value, needed.Field(at[0]).Type)
		if err != nil {
			return nil, fmt.Errorf("%s: directory of column %q is not %s", f.URI, column, needed.Field(at[0]).Type)
		}
		all[column] = s
	}
	return all, nil
}
