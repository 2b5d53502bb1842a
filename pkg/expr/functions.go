package expr

import (
	"errors"
	"math"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"

	"cel.dev/cel-go/common/operators"
)

// functions is the table of the language. To add a function is to add an entry:
// type checking, compilation, examples as tests and the reference page follow from it.
func functions() []function {
	kinds := func(k ...kind) []kind { return k }
	overflow := []error{ErrOverflow}
	byZero := []error{ErrDivideByZero}
	cast := []error{ErrCast}

	compared := kinds(kindInt, kindDouble, kindString, kindBytes, kindTimestamp, kindDuration)
	anyKind := valueKinds[:]

	// comparison is the signatures of <, <=, > and >=; with bools of == and !=.
	comparison := func(ints, floats, strs, bools kernel, b func([]bounds) bounds) []signature {
		over := compared
		if bools != nil {
			over = append(slices.Clone(over), kindBool)
		}
		return familyOf(over, func(k kind) signature {
			s := signature{args: kinds(k, k), result: kindBool, scalars: true, bounds: b, widen: k == kindDouble}
			s.kernel = byStorage(k, ints, floats, strs, bools)
			return s
		})
	}

	arithmetic := []function{
		{
			name: "+", tree: operators.Add, form: "a + b", in: inArithmetic,
			doc:   "The sum of two numbers; two texts joined; a timestamp or duration moved by a duration. " + decimalDoc,
			fails: "when the sum of two ints, or a time, does not fit 64 bits; when a decimal takes more than 38 digits; when the joined text is longer than 8 MiB",
			signatures: []signature{
				{args: kinds(kindInt, kindInt), result: kindInt, kernel: addIntsKernel(), scalars: true, errs: overflow, bounds: addBounds()},
				{args: kinds(kindDouble, kindDouble), widen: true, result: kindDouble, scalars: true, kernel: floatKernel(addFloats, addFloatsScalar, addScalarFloats), bounds: floatBounds(func(a, b float64) float64 { return a + b })},
				{args: kinds(kindString, kindString), result: kindString, kernel: concat, scalars: true, errs: []error{ErrTooLong}},
				{args: kinds(kindTimestamp, kindDuration), result: kindTimestamp, kernel: addIntsKernel(), scalars: true, errs: overflow, bounds: addBounds()},
				{args: kinds(kindDuration, kindTimestamp), result: kindTimestamp, kernel: addIntsKernel(), scalars: true, errs: overflow, bounds: addBounds()},
				{args: kinds(kindDuration, kindDuration), result: kindDuration, kernel: addIntsKernel(), scalars: true, errs: overflow, bounds: addBounds()},
			},
			examples: []example{
				{"visits + 1", "4"},
				{"visits + 0.5", "3.5"},
				{`country + "-" + string(visits)`, `"PT-3"`},
				{`at + duration("36h")`, `timestamp("2024-03-01T22:30:00Z")`},
				{"9223372036854775806 + visits", "row error: integer overflow"},
			},
		},
		{
			name: "-", tree: operators.Subtract, form: "a - b", in: inArithmetic,
			doc:   "The difference of two numbers; the time between two timestamps; a timestamp or duration moved back. " + decimalDoc,
			fails: "when the difference of two ints, or a time, does not fit 64 bits; when a decimal takes more than 38 digits",
			signatures: []signature{
				{args: kinds(kindInt, kindInt), result: kindInt, kernel: subIntsKernel(), scalars: true, errs: overflow, bounds: subBounds()},
				{args: kinds(kindDouble, kindDouble), widen: true, result: kindDouble, scalars: true, kernel: floatKernel(subFloats, subFloatsScalar, subScalarFloats), bounds: floatBounds(func(a, b float64) float64 { return a - b })},
				{args: kinds(kindTimestamp, kindTimestamp), result: kindDuration, kernel: subIntsKernel(), scalars: true, errs: overflow, bounds: subBounds()},
				{args: kinds(kindTimestamp, kindDuration), result: kindTimestamp, kernel: subIntsKernel(), scalars: true, errs: overflow, bounds: subBounds()},
				{args: kinds(kindDuration, kindDuration), result: kindDuration, kernel: subIntsKernel(), scalars: true, errs: overflow, bounds: subBounds()},
			},
			examples: []example{
				{"amount - visits", "9.5"},
				{`at - timestamp("2024-02-29T10:00:00Z")`, `duration("1800s")`},
			},
		},
		{
			name: "*", tree: operators.Multiply, form: "a * b", in: inArithmetic,
			doc:   "The product of two numbers. " + decimalDoc + " The product has the digits of both behind the point.",
			fails: "when the product of two ints does not fit 64 bits; when a decimal takes more than 38 digits",
			signatures: []signature{
				{args: kinds(kindInt, kindInt), result: kindInt, kernel: intKernel(mulInts, mulIntsScalar, mulScalarInts, mulOverflows), scalars: true, errs: overflow, bounds: intBounds(func(a, b int64) int64 { return a * b }, mulOverflows)},
				{args: kinds(kindDouble, kindDouble), widen: true, result: kindDouble, scalars: true, kernel: floatKernel(mulFloats, mulFloatsScalar, mulScalarFloats), bounds: floatBounds(func(a, b float64) float64 { return a * b })},
			},
			examples: []example{
				{"visits * visits", "9"},
				{"amount * 2", "25.0"},
				{"1e300 * amount * 1e300", "double(\"Infinity\")"},
			},
		},
		{
			name: "/", tree: operators.Divide, form: "a / b", in: inArithmetic,
			doc:   "The quotient of two numbers: always a double, also of two ints; but of a decimal and another, or an int, a decimal with as many digits behind the point as they have, at least 6, the last one rounded. int(a / b) cuts the fraction off.",
			fails: "when b is zero; when a decimal takes more than 38 digits",
			signatures: []signature{
				{args: kinds(kindDouble, kindDouble), widen: true, result: kindDouble, scalars: true, errs: byZero, kernel: checkFloatDivisor(floatKernel(divFloats, divFloatsScalar, divScalarFloats)), bounds: divideBounds},
			},
			examples: []example{
				{"visits / 2", "1.5"},
				{"visits / (visits - 3)", "row error: division by zero"},
				{"visits != 3 ? 1 / (visits - 3) : 0.0", "0.0"},
			},
		},
		{
			name: "%", tree: operators.Modulo, form: "a % b", in: inArithmetic,
			doc:   "The remainder of a division that rounds towards zero: it has the sign of a. " + decimalDoc,
			fails: "when b is zero",
			signatures: []signature{
				{args: kinds(kindInt, kindInt), result: kindInt, kernel: modInts, scalars: true, errs: byZero, bounds: modIntBounds},
				{args: kinds(kindDouble, kindDouble), widen: true, result: kindDouble, scalars: true, errs: byZero, kernel: checkFloatDivisor(floatKernel(modFloats, modFloatsScalar, modScalarFloats)), bounds: modFloatBounds},
			},
			examples: []example{{"visits % 2", "1"}, {"-visits % 2", "-1"}, {"amount % 5", "2.5"}, {`decimal("7.25", 5, 2) % 2`, `decimal("1.25", 5, 2)`}},
		},
		{
			name: "-", tree: operators.Negate, form: "-a", in: inArithmetic,
			doc:   "The negative of a number or a duration.",
			fails: "for the lowest int, which has no negative",
			signatures: []signature{
				{args: kinds(kindInt), result: kindInt, kernel: negateInts, errs: overflow, bounds: negateIntBounds},
				{args: kinds(kindDouble), result: kindDouble, kernel: negateFloats, bounds: negateFloatBounds},
				{args: kinds(kindDuration), result: kindDuration, kernel: negateInts, errs: overflow, bounds: negateIntBounds},
			},
			examples: []example{{"-visits", "-3"}},
		},
	}

	comparisons := []function{
		{
			name: "==", tree: operators.Equals, form: "a == b", in: inComparison,
			doc:        "Whether two values are equal. NaN equals nothing, itself included.",
			nulls:      "null if an operand is null: to ask for null, write isNull(x)",
			signatures: comparison(equalKernel(intsOf), equalKernel(floatsOf), equalKernel(stringsOf), equalBools, comparing(false, true, false, false)),
			examples:   []example{{`country == "PT"`, "true"}, {"visits == 3.0", "true"}, {"note == note", "null"}},
		},
		{
			name: "!=", tree: operators.NotEquals, form: "a != b", in: inComparison,
			doc:        "Whether two values differ. NaN differs from everything.",
			signatures: comparison(unequalKernel(intsOf), unequalKernel(floatsOf), unequalKernel(stringsOf), unequalBools, comparing(true, false, true, true)),
			examples:   []example{{`country != "PT"`, "false"}, {`note != "x"`, "null"}},
		},
		{
			name: "<", tree: operators.Less, form: "a < b", in: inComparison,
			doc:        "Whether a comes before b: numbers by size, texts by their UTF-8 bytes, times by age. With NaN, false.",
			signatures: comparison(lessKernel(intsOf), lessKernel(floatsOf), lessKernel(stringsOf), nil, comparing(true, false, false, false)),
			examples:   []example{{"visits < 3.5", "true"}, {`at < timestamp("2024-01-01T00:00:00Z")`, "false"}},
		},
		{
			name: "<=", tree: operators.LessEquals, form: "a <= b", in: inComparison,
			doc:        "Whether a does not come after b. With NaN, false.",
			signatures: comparison(lessEqualKernel(intsOf), lessEqualKernel(floatsOf), lessEqualKernel(stringsOf), nil, comparing(true, true, false, false)),
			examples:   []example{{"visits <= 3", "true"}},
		},
		{
			name: ">", tree: operators.Greater, form: "a > b", in: inComparison,
			doc:        "Whether a comes after b. With NaN, false.",
			signatures: comparison(greaterKernel(intsOf), greaterKernel(floatsOf), greaterKernel(stringsOf), nil, comparing(false, false, true, false)),
			examples:   []example{{"amount > 20.0", "false"}, {`country > "DE"`, "true"}},
		},
		{
			name: ">=", tree: operators.GreaterEquals, form: "a >= b", in: inComparison,
			doc:        "Whether a does not come before b. With NaN, false.",
			signatures: comparison(greaterEqualKernel(intsOf), greaterEqualKernel(floatsOf), greaterEqualKernel(stringsOf), nil, comparing(false, true, true, false)),
			examples:   []example{{`at - timestamp("2024-02-29T10:00:00Z") >= duration("30m")`, "true"}},
		},
		{
			name: "in", tree: operators.In, form: "a in [x, y]", in: inComparison,
			doc:   "Whether a equals one of the values between the brackets, which are none of them null; or an element of a list that is a column, a field, or made by split; or a key of a map. Constants are looked at first, then the others from the left: those behind the first that a equals are not evaluated, and their errors do not count. Nor is a evaluated where a column's list or map is null or empty.",
			nulls: "null if a is null or the list is, and if a equals none and one of them is null; false of an empty column of lists, whatever a is",
			slow:  "where the list is a column: as exists, a is compared with each element",
			signatures: familyOf(anyKind, func(k kind) signature {
				return signature{args: kinds(k, kindList), result: kindBool, build: buildMember}
			}),
			nested: []string{"T in list(T) -> bool", "K in map(K, V) -> bool"},
			examples: []example{
				{`country in ["PT", "ES"]`, "true"},
				{"visits in [1, 2, 3.5]", "false"},
				{`note in ["x"]`, "null"},
				{"3 in [size(country), visits]", "true"},
				{`"x" in [country, note]`, "null"},
				{`decimal("2.50", 5, 2) in [1, 2.5]`, "true"},
				{"9 in scores", "true"},
				{`"tier" in labels`, "true"},
			},
		},
	}

	logic := []function{
		{
			name: "&&", tree: operators.LogicalAnd, form: "a && b", in: inLogic,
			doc:        "Whether both are true. b is not evaluated in rows in which a is false: an error of b does not count there.",
			nulls:      "null and false is false, null and anything else is null",
			signatures: []signature{{args: kinds(kindBool, kindBool), result: kindBool, build: buildLogic(false)}},
			examples: []example{
				{"active && visits > 2", "true"},
				{`note == "x" && visits > 5`, "false"},
				{`note == "x" && visits > 2`, "null"},
				{"visits != 3 && 1 / (visits - 3) > 0.0", "false"},
			},
		},
		{
			name: "||", tree: operators.LogicalOr, form: "a || b", in: inLogic,
			doc:        "Whether one of them is true. b is not evaluated in rows in which a is true: an error of b does not count there.",
			nulls:      "null or true is true, null or anything else is null",
			signatures: []signature{{args: kinds(kindBool, kindBool), result: kindBool, build: buildLogic(true)}},
			examples:   []example{{"visits > 5 || active", "true"}, {`note == "x" || active`, "true"}, {`note == "x" || !active`, "null"}},
		},
		{
			name: "!", tree: operators.LogicalNot, form: "!a", in: inLogic,
			doc:        "The opposite.",
			signatures: []signature{{args: kinds(kindBool), result: kindBool, kernel: not, scalars: true, bounds: notBounds}},
			examples:   []example{{"!active", "false"}, {`!(note == "x")`, "null"}},
		},
		{
			name: "?:", tree: operators.Conditional, form: "c ? a : b", in: inLogic,
			doc:   "a in rows in which c is true, b in rows in which it is false. What is not chosen is not evaluated: its errors do not count. Either branch, not both, may be the literal null.",
			nulls: "null if c is null",
			signatures: slices.Concat(
				familyOf(anyKind, func(k kind) signature {
					return signature{args: kinds(kindBool, k, k), result: k, widen: k == kindDouble, build: buildChoose}
				}),
				familyOf(anyKind, func(k kind) signature {
					return signature{args: kinds(kindBool, k, kindNull), result: k, build: buildChoose}
				}),
				familyOf(anyKind, func(k kind) signature {
					return signature{args: kinds(kindBool, kindNull, k), result: k, build: buildChoose}
				}),
				withInts(kinds(kindBool), buildChoose),
			),
			fails: fewDigits,
			examples: []example{
				{`visits > 2 ? "often" : "rarely"`, `"often"`},
				{"visits > 5 ? amount : null", "null"},
				{`note == "x" ? 1 : 2`, "null"},
			},
		},
	}

	nulls := []function{
		{
			name: "isNull", form: "isNull(a)", in: inNulls,
			doc:   "Whether a is null. NaN is not null. a may be a struct, a list or a map.",
			nulls: "never null", nested: []string{"isNull(struct) -> bool", "isNull(list(T)) -> bool", "isNull(map(K, V)) -> bool"},
			signatures: familyOf(anyKind, func(k kind) signature {
				return signature{args: kinds(k), result: kindBool, build: buildIsNull}
			}),
			examples: []example{{"isNull(note)", "true"}, {"!isNull(amount)", "true"}},
		},
		{
			name: "coalesce", form: "coalesce(a, b, ...)", in: inNulls, folds: true,
			doc:   "The first that is not null. Those after it are not evaluated: their errors do not count.",
			nulls: "null if all are null",
			fails: fewDigits,
			signatures: append(familyOf(anyKind, func(k kind) signature {
				return signature{args: kinds(k, k), result: k, widen: k == kindDouble, build: buildCoalesce}
			}), withInts(nil, buildCoalesce)...),
			examples: []example{{`coalesce(note, country, "?")`, `"PT"`}, {"coalesce(amount, 0)", "12.5"}, {`coalesce(decimal("2.50", 9, 2), 0)`, `decimal("2.50", 9, 2)`}},
		},
		{
			name: "nullIf", form: "nullIf(a, b)", in: inNulls,
			doc:   "null if a equals b, else a.",
			nulls: "null if a is null; a if b is null",
			fails: fewDigits,
			signatures: append(familyOf(anyKind, func(k kind) signature {
				return signature{args: kinds(k, k), result: k, widen: k == kindDouble, build: buildNullIf}
			}), withInts(nil, buildNullIf)...),
			examples: []example{{`nullIf(country, "PT")`, "null"}, {"amount / nullIf(visits, 0)", "4.166666666666667"}},
		},
	}
	casts := []function{
		{
			name: "int", form: "int(a)", in: inCasts, method: false,
			doc:   "A double without its fraction; a text of decimal digits with an optional sign; true as 1 and false as 0; the seconds from 1970 to a timestamp, rounded down.",
			fails: "when the number does not fit 64 bits or is NaN; when the text is anything else",
			signatures: []signature{
				{args: kinds(kindInt), result: kindInt, identity: true},
				{args: kinds(kindDouble), result: kindInt, kernel: floatsToInts, errs: cast},
				{args: kinds(kindString), result: kindInt, kernel: castStrings(intsOf, parseInt), errs: cast},
				{args: kinds(kindBool), result: kindInt, kernel: boolsToInts, bounds: within(0, 1)},
				{args: kinds(kindTimestamp), result: kindInt, kernel: timeToSeconds, bounds: partBounds(func(t int64) int64 { return floorDiv(t, second) })},
			},
			examples: []example{{"int(amount)", "12"}, {`int("-42")`, "-42"}, {"int(country)", "row error: value cannot be cast"}},
		},
		{
			name: "double", form: "double(a)", in: inCasts,
			doc:   "An int or a decimal as the nearest double; a text in decimal notation, with an optional exponent, or NaN, Infinity, -Infinity.",
			fails: "when the text is anything else, or too large for a double",
			signatures: []signature{
				{args: kinds(kindDouble), result: kindDouble, identity: true},
				{args: kinds(kindInt), result: kindDouble, kernel: widenInts, bounds: widenBounds},
				{args: kinds(kindString), result: kindDouble, kernel: castStrings(floatsOf, parseFloat), errs: cast},
			},
			examples: []example{{"double(visits)", "3.0"}, {`double("-1.5e3")`, "-1500.0"}},
		},
		{
			name: "string", form: "string(a)", in: inCasts,
			doc:   "Digits of an int; the shortest digits that read back as the same double, as in JSON; true or false; a timestamp in RFC 3339, in UTC; a duration in seconds; bytes as the UTF-8 that they are.",
			fails: "for a timestamp outside of the years 0 to 9999; for bytes that are not UTF-8",
			signatures: []signature{
				{args: kinds(kindString), result: kindString, identity: true},
				{args: kinds(kindInt), result: kindString, kernel: formatted(intsOf, formatInt)},
				{args: kinds(kindDouble), result: kindString, kernel: formatted(floatsOf, formatFloat)},
				{args: kinds(kindBytes), result: kindString, kernel: bytesToStrings, errs: cast},
				{args: kinds(kindBool), result: kindString, kernel: boolsToStrings},
				{args: kinds(kindTimestamp), result: kindString, kernel: formatted(intsOf, appendTimestamp), errs: cast},
				{args: kinds(kindDuration), result: kindString, kernel: formatted(intsOf, formatDuration)},
			},
			examples: []example{
				{"string(visits)", `"3"`},
				{"string(amount)", `"12.5"`},
				{"string(at)", `"2024-02-29T10:30:00Z"`},
				{`string(duration("1h") + duration("500ms"))`, `"3600.5s"`},
			},
		},
		{
			name: "bytes", form: "bytes(a)", in: inCasts,
			doc: "The bytes of a text, in UTF-8.",
			signatures: []signature{
				{args: kinds(kindBytes), result: kindBytes, identity: true},
				{args: kinds(kindString), result: kindBytes, kernel: mapStrings(func(_ *frame, s string) string { return s })},
			},
			examples: []example{{`bytes("olá")`, `b"olá"`}},
			slow:     copied,
		},
		{
			name: "bool", form: "bool(a)", in: inCasts,
			doc:   "true, True, TRUE, t, T and 1 are true; false, False, FALSE, f, F and 0 are false.",
			fails: "for any other text",
			signatures: []signature{
				{args: kinds(kindBool), result: kindBool, identity: true},
				{args: kinds(kindString), result: kindBool, kernel: stringsToBools, errs: cast},
			},
			examples: []example{{`bool("true")`, "true"}, {"bool(country)", "row error: value cannot be cast"}},
		},
		{
			name: "timestamp", form: "timestamp(a)", in: inCasts,
			doc:   "A text in RFC 3339, as 2001-01-31T13:45:00Z or 2001-01-31T13:45:00.5+02:00; or the seconds since 1970. Digits below a microsecond are dropped.",
			fails: "when the text is anything else; when the seconds do not fit",
			signatures: []signature{
				{args: kinds(kindTimestamp), result: kindTimestamp, identity: true},
				{args: kinds(kindString), result: kindTimestamp, kernel: castStrings(intsOf, parseTimestamp), errs: cast},
				{args: kinds(kindInt), result: kindTimestamp, kernel: secondsToTime, errs: overflow},
			},
			examples: []example{
				{`timestamp("2001-01-31T13:45:00+02:00")`, `timestamp("2001-01-31T11:45:00Z")`},
				{"timestamp(visits)", `timestamp("1970-01-01T00:00:03Z")`},
			},
		},
		{
			name: "duration", form: "duration(a)", in: inCasts,
			doc:   "A text of numbers with units h, m, s, ms, us, ns, as 1h30m or -1.5s. Digits below a microsecond are dropped.",
			fails: "when the text is anything else, or beyond 292 years",
			signatures: []signature{
				{args: kinds(kindDuration), result: kindDuration, identity: true},
				{args: kinds(kindString), result: kindDuration, kernel: castStrings(intsOf, parseDuration), errs: cast},
			},
			examples: []example{{`duration("1h30m")`, `duration("5400s")`}},
		},
	}

	numbers := []function{
		{
			name: "abs", form: "abs(a)", in: inNumbers,
			doc:   "The number without its sign.",
			fails: "for the lowest int",
			signatures: []signature{
				{args: kinds(kindInt), result: kindInt, kernel: absInts, errs: overflow, bounds: absIntBounds},
				{args: kinds(kindDouble), result: kindDouble, kernel: absFloats, bounds: absFloatBounds},
			},
			examples: []example{{"abs(-visits)", "3"}},
		},
		{
			name: "min", form: "min(a, b, ...)", in: inNumbers, folds: true,
			doc: "The smallest. With NaN, NaN.", fails: fewDigits,
			signatures: familyOf(compared, func(k kind) signature {
				return signature{
					args: kinds(k, k), result: k, widen: k == kindDouble,
					kernel: byStorage(k, minInts, minFloats, minStrings, nil),
					bounds: extremeBounds(func(a, b int64) int64 { return min(a, b) }, func(a, b float64) float64 { return min(a, b) }, func(a, b string) string { return min(a, b) }, false),
				}
			}),
			examples: []example{{"min(amount, 10)", "10.0"}, {"min(3, 1, 2)", "1"}, {`min(decimal("2.50", 9, 2), 3)`, `decimal("2.50", 9, 2)`}},
		},
		{
			name: "max", form: "max(a, b, ...)", in: inNumbers, folds: true,
			doc: "The largest. With NaN, NaN.", fails: fewDigits,
			signatures: familyOf(compared, func(k kind) signature {
				return signature{
					args: kinds(k, k), result: k, widen: k == kindDouble,
					kernel: byStorage(k, maxInts, maxFloats, maxStrings, nil),
					bounds: extremeBounds(func(a, b int64) int64 { return max(a, b) }, func(a, b float64) float64 { return max(a, b) }, func(a, b string) string { return max(a, b) }, true),
				}
			}),
			examples: []example{{"max(visits, 5)", "5"}},
		},
		roundingToDigits(),
		rounding("floor", "The next whole number below.", math.Floor, []example{{"floor(amount)", "12.0"}}),
		rounding("ceil", "The next whole number above.", math.Ceil, []example{{"ceil(amount)", "13.0"}}),
	}

	texts := []function{
		{
			name: "size", form: "size(a)", in: inText, method: true,
			doc:    "The number of Unicode characters (code points) of a text; of bytes, how many there are; of a list or a map, its elements.",
			nested: []string{"size(list(T)) -> int", "size(map(K, V)) -> int"},
			signatures: []signature{
				{args: kinds(kindString), result: kindInt, kernel: sizeOf, bounds: within(0, math.MaxInt64)},
				{args: kinds(kindBytes), result: kindInt, kernel: bytesSizeOf, bounds: within(0, math.MaxInt64)},
			},
			examples: []example{{"size(country)", "2"}, {`"olá".size()`, "3"}, {"size(scores)", "3"}, {"labels.size()", "1"}},
		},
		{
			name: "lower", form: "lower(a)", in: inText, method: true,
			doc:        "In lower case, by Unicode.",
			signatures: []signature{{args: kinds(kindString), result: kindString, kernel: mapStrings(lower)}},
			examples:   []example{{"lower(country)", `"pt"`}, {"country.lower()", `"pt"`}},
		},
		{
			name: "upper", form: "upper(a)", in: inText, method: true,
			doc:        "In upper case, by Unicode.",
			signatures: []signature{{args: kinds(kindString), result: kindString, kernel: mapStrings(upper)}},
			examples:   []example{{`upper("olá")`, `"OLÁ"`}},
		},
		{
			name: "trim", form: "trim(a)", in: inText, method: true,
			doc:        "Without the white space at both ends, by Unicode.",
			signatures: []signature{{args: kinds(kindString), result: kindString, kernel: mapStrings(trim)}},
			examples:   []example{{`trim("  a b ")`, `"a b"`}},
			slow:       copied,
		},
		{
			name: "contains", form: "contains(a, part)", in: inText, method: true,
			doc:        "Whether part occurs in a.",
			signatures: []signature{{args: kinds(kindString, kindString), result: kindBool, kernel: testStrings(strings.Contains), scalars: true}},
			examples:   []example{{`email.contains("@")`, "true"}},
		},
		{
			name: "startsWith", form: "startsWith(a, part)", in: inText, method: true,
			doc:        "Whether a begins with part.",
			signatures: []signature{{args: kinds(kindString, kindString), result: kindBool, kernel: testStrings(strings.HasPrefix), scalars: true, bounds: startsWithBounds}},
			examples:   []example{{`email.startsWith("ana")`, "true"}},
		},
		{
			name: "endsWith", form: "endsWith(a, part)", in: inText, method: true,
			doc:        "Whether a ends with part.",
			signatures: []signature{{args: kinds(kindString, kindString), result: kindBool, kernel: testStrings(strings.HasSuffix), scalars: true}},
			examples:   []example{{`email.endsWith(".org")`, "true"}, {`endsWith(email, ".com")`, "false"}},
		},
		{
			name: "matches", form: "matches(a, pattern)", in: inText, method: true,
			doc:        "Whether the regular expression (RE2 syntax) matches somewhere in a; ^ and $ pin it to the ends. A constant pattern is compiled once, which is much faster.",
			fails:      "when the pattern comes from a column and is malformed, or longer than 1000 bytes",
			signatures: []signature{{args: kinds(kindString, kindString), result: kindBool, prepare: prepareMatches, scalars: true, errs: []error{ErrPattern}}},
			examples:   []example{{`email.matches("^[a-z]+@")`, "true"}, {`matches(country, "^P$")`, "false"}},
		},
		{
			name: "substring", form: "substring(a, start, end)", in: inText, method: true,
			doc: "The characters from number start on, counted from 0, up to number end, which is not included; without end, all the rest. Numbers outside of the text mean its ends, so that there is no error.",
			signatures: []signature{
				{args: kinds(kindString, kindInt), result: kindString, kernel: substringFrom, scalars: true},
				{args: kinds(kindString, kindInt, kindInt), result: kindString, kernel: substringBetween, scalars: true},
			},
			examples: []example{{"email.substring(0, 3)", `"ana"`}, {`substring("olá", 2)`, `"á"`}, {"substring(country, 5, 9)", `""`}},
		},
	}

	times := []function{
		part("year", "The year.", yearOf, partBounds(yearOf), "2024"),
		part("month", "The month, from 1 to 12.", monthOf, within(1, 12), "2"),
		part("day", "The day of the month, from 1 to 31.", dayOf, within(1, 31), "29"),
		part("hour", "The hour, from 0 to 23.", hourOf, within(0, 23), "10"),
		part("minute", "The minute, from 0 to 59.", minuteOf, within(0, 59), "30"),
		part("second", "The second, from 0 to 59.", secondOf, within(0, 59), "0"),
	}
	casts = append(casts, decimalCast())
	numbers = slices.Concat(numbers, numberFunctions())
	for _, table := range [][]function{arithmetic, comparisons, casts, numbers} {
		for i := range table {
			f := &table[i]
			f.signatures = append(f.signatures, decimalSignatures(f.treeName())...)
		}
	}
	casts = slices.Concat(casts, lenientCasts(casts))
	texts = slices.Concat(texts, textFunctions())
	times = slices.Concat(times, moreParts(), timeFunctions())
	return slices.Concat(arithmetic, comparisons, logic, nulls, casts, numbers, texts, times, bitFunctions(), hashFunctions(), accessFunctions(), rowFunctions())
}

const fewDigits = "for decimals that together take more than 38 digits"

const decimalDoc = "With a decimal, an int is one, and a double makes doubles of both."

// byStorage picks the kernel for a kind.
func byStorage(k kind, ints, floats, strs, bools kernel) kernel {
	return map[storage]kernel{storeInts: ints, storeFloats: floats, storeStrings: strs, storeBits: bools}[k.storage()]
}

func addIntsKernel() kernel { return intKernel(addInts, addIntsScalar, addScalarInts, addOverflows) }

func subIntsKernel() kernel { return intKernel(subInts, subIntsScalar, subScalarInts, subOverflows) }

func addBounds() func([]bounds) bounds {
	return intBounds(func(a, b int64) int64 { return a + b }, addOverflows)
}

func subBounds() func([]bounds) bounds {
	return intBounds(func(a, b int64) int64 { return a - b }, subOverflows)
}

// rounding is the entry of a function that makes doubles whole, and leaves ints alone.
func rounding(name, doc string, fn func(float64) float64, examples []example) function {
	return function{
		name: name, form: name + "(a)", in: inNumbers, doc: doc + " An int stays as it is; int(" + name + "(a)) makes an int of the result.",
		signatures: []signature{
			{args: []kind{kindInt}, result: kindInt, identity: true},
			{args: []kind{kindDouble}, result: kindDouble, kernel: mapFloats(fn), bounds: monotonic(fn)},
		},
		examples: examples,
	}
}

// prepareMatches compiles a pattern that is constant.
func prepareMatches(s *signature, args []operand) (prepared, *problem) {
	pattern := args[1].constant
	if pattern == nil {
		return prepared{kernel: matchColumn, args: args, errs: s.errs}, nil
	}
	compiled, p := compilePattern(args[1].at, pattern.vector.strs[0])
	if p != nil {
		return prepared{}, p
	}
	return prepared{kernel: matchConstant(compiled), args: args[:1]}, nil
}

// compilePattern compiles a constant pattern.
func compilePattern(at int64, pattern string) (*regexp.Regexp, *problem) {
	compiled, err := regexp.Compile(pattern)
	if err != nil {
		return nil, &problem{
			at: at, msg: "malformed regular expression: " + patternError(err),
			hint: `the syntax is RE2's; a raw string, r"\d+", keeps backslashes as they are`,
		}
	}
	return compiled, nil
}

// patternError is the error of regexp without its prefix.
func patternError(err error) string {
	if e, ok := errors.AsType[*syntax.Error](err); ok {
		return string(e.Code) + ": " + e.Expr
	}
	return err.Error()
}
