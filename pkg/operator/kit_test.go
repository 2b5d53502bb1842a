package operator_test

import (
	"github.com/apache/arrow-go/v18/arrow"
)

func fieldNames(s *arrow.Schema) []string {
	var all []string
	for _, f := range s.Fields() {
		all = append(all, f.Name)
	}
	return all
}

func shown(a arrow.Array) []string {
	var all []string
	for i := range a.Len() {
		all = append(all, a.ValueStr(i))
	}
	return all
}
