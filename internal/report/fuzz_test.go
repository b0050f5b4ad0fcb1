package report

import (
	"bytes"
	"os"
	"regexp"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// printable fails where text has something else than lines of characters that can be seen.
func printable(t *testing.T, text string) {
	t.Helper()
	for _, r := range text {
		if r != '\n' && !unicode.IsPrint(r) {
			t.Fatalf("%q is in %q", r, text)
		}
	}
	if !utf8.ValidString(text) {
		t.Fatalf("%q is no UTF-8", text)
	}
}

// FuzzTranscript: whatever go test says, or seems to say, is read without a panic, each result has
// a name, and what comes of it is harmless and no more than a few times as long.
func FuzzTranscript(f *testing.F) {
	recorded, err := os.ReadFile("testdata/gotest.json")
	if err != nil {
		f.Fatal(err)
	}
	for line := range bytes.Lines(recorded) {
		f.Add(line)
	}
	f.Add([]byte("{}\nnull\n{\"Action\":\"fail\"}\n"))
	f.Add([]byte(ev("output", "p", "T", nasty) + ev("fail", "p", "T", "") + ev("fail", "q", "T", "") + attr("p", "T/x/y", "drtest.journal", "DR-1.ndjson") +
		attr("p", "T", "drtest.phase", nasty) + attr("p", "T", "drtest.kept", "0 DR-1.ndjson") + ev("run", "p", "T", "") + ev("skip", "p", "T/x/y", "")))
	f.Fuzz(func(t *testing.T, data []byte) {
		transcript := NewTranscript()
		var shown strings.Builder
		if err := transcript.Read(bytes.NewReader(data), func(text string) { shown.WriteString(text) }); err != nil {
			t.Fatal(err)
		}
		printable(t, shown.String())
		// A byte is shown as ten at most, once as it comes, and as a part of the reason of a skip.
		// What is said of a test that failed is shown once more for each time that it fails.
		if most := 100*len(data) + 100*len(data)*bytes.Count(data, []byte("fail")) + 10_000; shown.Len() > most {
			t.Fatalf("%d bytes of %d are shown", shown.Len(), len(data))
		}
		results := append(transcript.rows(nil), transcript.missingJournals(".")...)
		r := newReport(nil, nil, results, "", transcript.notes())
		for _, x := range r.Results {
			if x.ID == "" || x.Title == "" || x.Reason == "" {
				t.Fatalf("a result without a name or a reason: %+v", x)
			}
			if x.Status.String() != "inconclusive" {
				t.Fatalf("what left no journal is %v", x.Status)
			}
		}
		table := string(r.Table())
		printable(t, table)
		if got, most := strings.Count(table, "\n"), 4+2*len(results)+len(r.Notes); got > most {
			t.Fatalf("%d lines for %d results:\n%s", got, len(results), table)
		}
		if data, err := r.JSON(); err != nil || !utf8.Valid(data) {
			t.Fatalf("JSON: %v", err)
		}
	})
}

// FuzzRender: a text from outside stays in its cell, its item or its heading, in each form of a
// report.
func FuzzRender(f *testing.F) {
	f.Add(nasty)
	for _, text := range []string{"", "|", "\\", "\\|", "a|b\\", "`", "``` x", "- x", "1. x", "# x", "> x", "---", "<!--", "&lt;", "\r", "\t|", "x\\\\|y"} {
		f.Add(text)
	}
	plain := render(f, hostile("plain text"))
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 10_000 {
			return // what is cut has tests of its own
		}
		got := render(t, hostile(text+"!x")) // which is no text of the report's own, and not empty
		if len(got.markdown) != len(plain.markdown) || len(got.table) != len(plain.table) {
			t.Fatalf("%d and %d lines, want %d and %d", len(got.markdown), len(got.table), len(plain.markdown), len(plain.table))
		}
		for i, line := range got.markdown {
			want := plain.markdown[i]
			if cells(line) != cells(want) {
				t.Fatalf("%d cells, want %d: %s", cells(line), cells(want), line)
			}
			if shape(line) != shape(want) {
				t.Fatalf("it begins as %q, want %q: %s", shape(line), shape(want), line)
			}
			if markup := markup(line); markup != "" {
				t.Fatalf("%q is markup in %s", markup, line)
			}
		}
	})
}

type rendered struct{ markdown, table []string }

func render(t testing.TB, r *Report) rendered {
	t.Helper()
	markdown, err := r.Markdown()
	if err != nil {
		t.Fatal(err)
	}
	data, err := r.JSON()
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{string(markdown), string(data), string(r.Table())} {
		for _, r := range text {
			if r != '\n' && r != '\ufe0f' && !unicode.IsPrint(r) {
				t.Fatalf("%q is in %q", r, text)
			}
		}
	}
	return rendered{strings.Split(string(markdown), "\n"), strings.Split(string(r.Table()), "\n")}
}

// cells counts the cells of a row of a table.
func cells(line string) (n int) {
	if !strings.HasPrefix(line, "|") {
		return 0
	}
	for i := range len(line) {
		if line[i] == '|' && (i == 0 || line[i-1] != '\\') {
			n++
		}
	}
	return n
}

// shape is what makes a line of the document a heading, an item or a row, with what would be one
// within it.
func shape(line string) string { return shapes.FindString(line) }

var shapes = regexp.MustCompile(`^(\| |(#+ |[-+*>] |\d+[.)] )*)`)

// markup returns what a line has of Markdown or HTML beside the report's own: code, and what is
// bold.
func markup(line string) string {
	for rest := line; rest != ""; {
		i := strings.IndexAny(rest, "\\`<[")
		if i < 0 {
			return ""
		}
		switch rest[i] {
		case '\\':
			rest = rest[min(i+2, len(rest)):]
		case '`': // a span of code ends with as many backticks as it begins with
			ticks := rest[i : len(rest)-len(strings.TrimLeft(rest[i:], "`"))]
			after := rest[i+len(ticks):]
			end := -1
			for at := 0; at < len(after); {
				j := strings.IndexByte(after[at:], '`')
				if j < 0 {
					break
				}
				run := len(after[at+j:]) - len(strings.TrimLeft(after[at+j:], "`"))
				if run == len(ticks) {
					end = at + j
					break
				}
				at += j + run
			}
			if end < 0 {
				return ticks
			}
			rest = after[end+len(ticks):]
		default:
			return rest[i:]
		}
	}
	return ""
}
