package foreign_test

import (
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/drtest/suite/internal/foreign"
	"github.com/drtest/suite/internal/secret"
	"github.com/google/go-cmp/cmp"
)

func TestText(t *testing.T) {
	for _, c := range []struct{ reason, text, want string }{
		{"nothing", "", ""},
		{"plain", "connection refused", "connection refused"},
		{"letters, marks and signs of people", "naïve Ἀθῆναι 数据库 🔥 a\u0301", "naïve Ἀθῆναι 数据库 🔥 a\u0301"},
		{"quotes and backslashes stay", `open "C:\new": no`, `open "C:\new": no`},
		{"a line of its own", "refused\nRTO: pass: got 0.1s\r\n", `refused\nRTO: pass: got 0.1s\r\n`},
		{"colours and bells of a terminal", "\x1b[32mPASS\x1b[0m\a\b\x7f\x9b", `\x1b[32mPASS\x1b[0m\a\b\x7f\x9b`},
		{"other ends of lines", "a\u0085b\u2028c\u2029d\ve\ff", `a\u0085b\u2028c\u2029d\ve\ff`},
		{"text that runs backwards", "\u202efail\u202c \u2066x\u2069 \u200f\u061c", `\u202efail\u202c \u2066x\u2069 \u200f\u061c`},
		{"what has no width", "a\u200bb\ufeffc\u00add\U000e0041", `a\u200bb\ufeffc\u00add\U000e0041`},
		{"other spaces", "a\tb\u00a0c\u3000d", `a\tb\u00a0c\u3000d`},
		{"no UTF-8", "a\xffb\xe2\x82", `a\xffb\xe2\x82`},
		{"a mark for what was no UTF-8 elsewhere", "a\ufffdb", "a\ufffdb"},
		{"as long as it may be", strings.Repeat("a", 2000), strings.Repeat("a", 2000)},
		{"too long", strings.Repeat("a", 2001), strings.Repeat("a", 1952) + "... (49 bytes more)"},
		{"much too long", strings.Repeat("é", 50_000_000), strings.Repeat("é", 976) + "... (99998048 bytes more)"},
		{"too long only when it is escaped", strings.Repeat("\x1b", 501), strings.Repeat(`\x1b`, 488) + "... (13 bytes more)"},
	} {
		t.Run(c.reason, func(t *testing.T) {
			got := foreign.Text(c.text)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
			if again := foreign.Text(got); again != got {
				t.Errorf("again: got %q, want %q", again, got)
			}
		})
	}
}

// TestTextCosts: 100 MB of an error cost no more than what is shown of them.
func TestTextCosts(t *testing.T) {
	huge := strings.Repeat("\x1b", 100_000_000)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range 100 {
		_ = foreign.Text(huge)
	}
	runtime.ReadMemStats(&after)
	if got, most := (after.TotalAlloc-before.TotalAlloc)/100, uint64(100_000); got > most {
		t.Errorf("got %d bytes, want at most %d", got, most)
	}
}

// The password of this process is not shown, wherever it stands.
func TestTextHidesPassword(t *testing.T) {
	p := secret.Password()
	for _, c := range []struct{ reason, text, want string }{
		{"alone", p, "[password]"},
		{"in an address", "dial postgres://postgres:" + p + "@primary/app\n", `dial postgres://postgres:[password]@primary/app\n`},
		{"across the limit", strings.Repeat("a", 1990) + p, strings.Repeat("a", 1990) + "[password]"},
		{"many times", strings.Repeat(p, 300), strings.Repeat("[password]", 195) + "[p... (1048 bytes more)"},
	} {
		if diff := cmp.Diff(c.want, foreign.Text(c.text)); diff != "" {
			t.Errorf("%s: %s", c.reason, diff)
		}
	}
	if got := foreign.Text(strings.Repeat(p+" ", 1_000_000)); strings.Contains(got, p[:8]) {
		t.Errorf("got %q", got)
	}
}

// TestWord: a shell takes each word for what it is, and a plain one needs no quotes.
func TestWord(t *testing.T) {
	words := []string{"", " ", "a b", "it's", "''", `"`, "$HOME", "`id`", "$(id)", "a;b", "a&b", "a|b", ">x", "#x", "~", "*", "[a]", "{a,b}", "!x", `\`, "a\nb", "\x1b", "ü", "^T$/^it's$"}
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = foreign.Word(w)
	}
	got, err := exec.Command("sh", "-c", `printf '%s\0' `+strings.Join(quoted, " ")).Output()
	if err != nil {
		t.Skip(err)
	}
	if diff := cmp.Diff(strings.Join(words, "\x00")+"\x00", string(got)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if path := "../drtest-17-TestX/DR-DB-001.ndjson"; foreign.Word(path) != path {
		t.Errorf("got %s", foreign.Word(path))
	}
}

func FuzzText(f *testing.F) {
	f.Add("refused\n\x1b[31m\u202e\xff")
	f.Add(strings.Repeat("\x1b", 600))
	f.Add(strings.Repeat("数", 700))
	f.Fuzz(func(t *testing.T, text string) {
		got := foreign.Text(text)
		if len(got) > foreign.Limit || !utf8.ValidString(got) {
			t.Fatalf("got %d bytes: %q", len(got), got)
		}
		for _, r := range got {
			if !strconv.IsPrint(r) {
				t.Fatalf("%q is in %q", r, got)
			}
		}
		if again := foreign.Text(got); again != got {
			t.Fatalf("again: got %q, want %q", again, got)
		}
	})
}
