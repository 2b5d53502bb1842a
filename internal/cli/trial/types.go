package trial

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"

	"github.com/apache/arrow-go/v18/arrow"
)

// simple are the types that are a word.
var simple = map[string]arrow.DataType{
	"int8": arrow.PrimitiveTypes.Int8, "int16": arrow.PrimitiveTypes.Int16, "int32": arrow.PrimitiveTypes.Int32, "int64": arrow.PrimitiveTypes.Int64,
	"uint8": arrow.PrimitiveTypes.Uint8, "uint16": arrow.PrimitiveTypes.Uint16, "uint32": arrow.PrimitiveTypes.Uint32, "uint64": arrow.PrimitiveTypes.Uint64,
	"float16": arrow.FixedWidthTypes.Float16, "float32": arrow.PrimitiveTypes.Float32, "float64": arrow.PrimitiveTypes.Float64,
	"bool": arrow.FixedWidthTypes.Boolean, "string": arrow.BinaryTypes.String, "utf8": arrow.BinaryTypes.String, "large_string": arrow.BinaryTypes.LargeString,
	"binary": arrow.BinaryTypes.Binary, "large_binary": arrow.BinaryTypes.LargeBinary, "date": arrow.FixedWidthTypes.Date32,
	"timestamp": arrow.FixedWidthTypes.Timestamp_us, "time": arrow.FixedWidthTypes.Time64us, "duration": arrow.FixedWidthTypes.Duration_us,
}

var units = map[string]arrow.TimeUnit{"s": arrow.Second, "ms": arrow.Millisecond, "us": arrow.Microsecond, "ns": arrow.Nanosecond}

// typeForms are the others, for errors.
const typeForms = "bool, int8 to int64, uint8 to uint64, float16, float32, float64, string, large_string, binary, large_binary, date, time, timestamp, " +
	"duration, timestamp[ms, Europe/Lisbon], decimal(10, 2), list<T>, struct<a: T, b: T>; each may end with 'not null'"

// parseField reads the type of a column: "int64", "list<string>", "timestamp[ms, UTC]
// not null". What does not say otherwise is nullable.
func parseField(name, text string) (arrow.Field, error) {
	p := typeParser{rest: text}
	f, err := p.field(name)
	if err == nil && p.space() != "" {
		err = fmt.Errorf("%q follows", p.rest)
	}
	if err != nil {
		return arrow.Field{}, fmt.Errorf("type %q is not understood: %w", text, err)
	}
	return f, nil
}

type typeParser struct {
	rest  string
	depth int
}

// maxNesting bounds the depth of types.
const maxNesting = 20

func (p *typeParser) space() string {
	p.rest = strings.TrimSpace(p.rest)
	return p.rest
}

func (p *typeParser) word() string {
	p.space()
	i := strings.IndexFunc(p.rest, func(r rune) bool {
		return r != '_' && r != '-' && !unicode.IsLetter(r) && !unicode.IsDigit(r)
	})
	if i < 0 {
		i = len(p.rest)
	}
	w := p.rest[:i]
	p.rest = p.rest[i:]
	return w
}

func (p *typeParser) takes(sign string) bool {
	rest, ok := strings.CutPrefix(p.space(), sign)
	if ok {
		p.rest = rest
	}
	return ok
}

func (p *typeParser) want(sign string) error {
	if !p.takes(sign) {
		return fmt.Errorf("%q is missing", sign)
	}
	return nil
}

func (p *typeParser) field(name string) (arrow.Field, error) {
	t, err := p.typ()
	if err != nil {
		return arrow.Field{}, err
	}
	return arrow.Field{Name: name, Type: t, Nullable: !p.takes("not null")}, nil
}

func (p *typeParser) typ() (arrow.DataType, error) {
	if p.depth++; p.depth > maxNesting {
		return nil, fmt.Errorf("it nests deeper than %d", maxNesting)
	}
	defer func() { p.depth-- }()
	name := strings.ToLower(p.word())
	switch name {
	case "list":
		if err := p.want("<"); err != nil {
			return nil, err
		}
		item, err := p.field("item")
		if err != nil {
			return nil, err
		}
		return arrow.ListOfField(item), p.want(">")
	case "struct":
		return p.structure()
	case "decimal":
		return p.decimal()
	case "timestamp", "time", "duration":
		if p.takes("[") {
			return p.time(name)
		}
	}
	if t := simple[name]; t != nil {
		return t, nil
	}
	return nil, fmt.Errorf("there is no type %q", name)
}

func (p *typeParser) structure() (arrow.DataType, error) {
	if err := p.want("<"); err != nil {
		return nil, err
	}
	var fields []arrow.Field
	for {
		name := p.word()
		if err := p.want(":"); err != nil {
			return nil, err
		}
		f, err := p.field(name)
		if err != nil {
			return nil, err
		}
		if fields = append(fields, f); !p.takes(",") {
			return arrow.StructOf(fields...), p.want(">")
		}
	}
}

func (p *typeParser) decimal() (arrow.DataType, error) {
	var n [2]int32
	if err := p.want("("); err != nil {
		return nil, err
	}
	for i, sign := range []string{",", ")"} {
		v, err := strconv.ParseInt(p.word(), 10, 32)
		if err != nil {
			return nil, fmt.Errorf("a decimal has precision and scale, as in decimal(10, 2)")
		}
		n[i] = int32(v)
		if err := p.want(sign); err != nil {
			return nil, err
		}
	}
	if n[0] <= 38 {
		return arrow.NewDecimalType(arrow.DECIMAL128, n[0], n[1])
	}
	return arrow.NewDecimalType(arrow.DECIMAL256, n[0], n[1])
}

func (p *typeParser) time(name string) (arrow.DataType, error) {
	unit, ok := units[p.word()]
	if !ok {
		return nil, fmt.Errorf("the units are s, ms, us and ns")
	}
	zone := ""
	if name == "timestamp" && p.takes(",") {
		end := max(strings.IndexByte(p.rest, ']'), 0)
		zone, p.rest = strings.TrimSpace(p.rest[:end]), p.rest[end:]
		if _, err := (&arrow.TimestampType{Unit: unit, TimeZone: zone}).GetZone(); err != nil || zone == "" {
			return nil, fmt.Errorf("there is no time zone %q", zone)
		}
	}
	if err := p.want("]"); err != nil {
		return nil, err
	}
	switch {
	case name == "timestamp":
		return &arrow.TimestampType{Unit: unit, TimeZone: zone}, nil
	case name == "duration":
		return &arrow.DurationType{Unit: unit}, nil
	case unit == arrow.Second || unit == arrow.Millisecond:
		return &arrow.Time32Type{Unit: unit}, nil
	default:
		return &arrow.Time64Type{Unit: unit}, nil
	}
}
