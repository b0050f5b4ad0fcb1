package drtest_test

import (
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/drtest/suite/drtest"
)

// TestEveryFigureIsNamed: reports show what Named returns, so it has each figure, all of them
// differ, and the package comment defines each.
func TestEveryFigureIsNamed(t *testing.T) {
	var f drtest.Figures
	fields := reflect.ValueOf(&f).Elem()
	var times []string
	for i := range fields.NumField() {
		if fig, ok := fields.Field(i).Addr().Interface().(*drtest.Figure); ok {
			fig.Why = fields.Type().Field(i).Name
			times = append(times, fig.Why)
		}
	}
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	names, titles := map[string]bool{}, map[string]bool{}
	for _, fig := range f.Named() {
		if fig.IsTime() {
			i := slices.Index(times, fig.Why)
			if i < 0 {
				t.Fatalf("the figure %q is no field of Figures, or one that is named already", fig.Name)
			}
			times = slices.Delete(times, i, i+1)
		}
		if names[fig.Name] || titles[fig.Title] || fig.Name == "" || fig.Title == "" || !strings.HasSuffix(fig.Meaning, ".") {
			t.Errorf("%q, %q, %q: want a name and a title of its own, and a sentence", fig.Name, fig.Title, fig.Meaning)
		}
		names[fig.Name], titles[fig.Title] = true, true
		if !strings.Contains(strings.ToLower(string(doc)), " "+strings.ToLower(fig.Name)+": ") {
			t.Errorf("the package comment does not define %q", fig.Name)
		}
	}
	if len(times) > 0 {
		t.Errorf("Named does not have the figures %v", times)
	}
}
