package expr_test

import (
	"flag"
	"log"
	"os"
	"testing"
)

// The space of expressions is large and one costs little: more than the usual
// 100 draws a property, unless the command line says how many.
func TestMain(m *testing.M) {
	if err := flag.Set("rapid.checks", "1000"); err != nil {
		log.Fatal(err)
	}
	os.Exit(m.Run())
}
