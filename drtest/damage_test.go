package drtest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/drtest/suite/drtest"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// journalOf plays a scenario and returns the journal that it leaves, and what its test was told.
func journalOf(t *testing.T, scenario func() drtest.Scenario) (journal []byte, said string) {
	t.Helper()
	t.Setenv("TMPDIR", t.TempDir())
	r := &recorder{T: t, failed: true} // so the evidence stays
	synctest.Test(t, func(t *testing.T) {
		r.ctx = t.Context()
		defer func() {
			if got := recover(); got != nil && got != any(r) {
				panic(got)
			}
			for _, f := range r.after {
				f()
			}
		}()
		drtest.Run(r, scenario())
	})
	files, _ := filepath.Glob(filepath.Join(os.Getenv("TMPDIR"), "drtest-*", "*.ndjson"))
	if len(files) != 1 {
		t.Fatalf("got the journals %v, want one", files)
	}
	journal, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	return journal, strings.Join(r.log, "\n")
}

// realJournals returns some that hold every kind of record.
func realJournals(t *testing.T) [][]byte {
	plants := rapid.Custom(func(t *rapid.T) *plant { return anyPlant(t, 60) })
	var journals [][]byte
	for seed := range 3 {
		j, _ := journalOf(t, func() drtest.Scenario { return plants.Example(seed).scenario() })
		journals = append(journals, j)
	}
	for _, s := range []*system{{}, {ackEarly: true}} {
		j, _ := journalOf(t, func() drtest.Scenario {
			return s.scenario(func(sc *drtest.Scenario) {
				sc.Stages = []drtest.Stage{{Name: "redundant", Reached: s.after(2 * time.Second)}}
				sc.Proofs = []drtest.Proof{{Name: "one history", Examine: prove("both end at 0/30001A8", nil)}}
				sc.Model = drtest.Model{{Name: "the cut", Best: 3 * time.Second, Worst: 4 * time.Second, Source: "its length"}}
			})
		})
		journals = append(journals, j)
	}
	return journals
}

// TestNoDamageIsSilent damages real journals in every way that leaves them a file.
func TestNoDamageIsSilent(t *testing.T) {
	random := rand.New(rand.NewPCG(20, 1))
	for _, journal := range realJournals(t) {
		whole, err := drtest.ReadReport(bytes.NewReader(journal))
		if err != nil || len(whole.Verdicts) == 0 {
			t.Fatalf("not damaged: %v, %v", whole.Verdicts, err)
		}
		found := func(what string, damaged []byte) {
			t.Helper()
			r, err := drtest.ReadReport(bytes.NewReader(damaged))
			if err == nil {
				t.Errorf("%s is silent", what)
			}
			passesNothing(t, r)
		}
		for range 1200 {
			at, bit := random.IntN(len(journal)), random.IntN(8)
			flipped := bytes.Clone(journal)
			flipped[at] ^= 1 << bit
			found(fmt.Sprintf("bit %d of byte %d", bit, at), flipped)
		}
		lines := bytes.SplitAfter(journal, []byte("\n"))
		lines = lines[:len(lines)-1] // nothing follows the last one
		for range 150 {
			i, j := random.IntN(len(lines)-1), random.IntN(len(lines))
			found(fmt.Sprintf("without line %d", i+1), bytes.Join(slices.Delete(slices.Clone(lines), i, i+1), nil))
			found(fmt.Sprintf("line %d again after line %d", i+1, j+1), bytes.Join(slices.Insert(slices.Clone(lines), j+1, lines[i]), nil))
			if i != j {
				swapped := slices.Clone(lines)
				swapped[i], swapped[j] = lines[j], lines[i]
				found(fmt.Sprintf("lines %d and %d in each other's place", i+1, j+1), bytes.Join(swapped, nil))
			}
			cut := journal[:random.IntN(len(journal))]
			if len(cut) > 0 && cut[len(cut)-1] != '\n' {
				found(fmt.Sprintf("cut off after %d bytes", len(cut)), cut)
			}
		}
		for i := 1; i < len(lines); i++ { // as a test process leaves it that dies
			r, err := drtest.ReadReport(bytes.NewReader(bytes.Join(lines[:i], nil)))
			if err != nil || r.Ledger.Ended {
				t.Errorf("cut off after line %d: got %v, and ended %v", i, err, r.Ledger.Ended)
			}
			passesNothing(t, r)
		}
	}
}

// unseal returns the records of a journal.
func unseal(journal string) (records string) {
	for line := range strings.Lines(journal) {
		records += "{" + line[strings.Index(line, ",")+1:strings.LastIndex(line, `,"hash"`)] + "}\n"
	}
	return records
}

// TestForgedJournals writes journals anew as a hostile author can, with numbers that cannot be.
// Some are accepted, since a forger can tell a story that is possible. None makes a figure that is
// not.
func TestForgedJournals(t *testing.T) {
	random := rand.New(rand.NewPCG(20, 2))
	numbers := regexp.MustCompile(`-?[0-9]+`)
	values := []string{"-1", "0", "1", "-9223372036854775808", "9223372036854775807", "4611686018427387904", "4611686018427387903", "315360000000000000", "-315360000000000000"}
	accepted, refused := 0, 0
	for _, journal := range realJournals(t) {
		lines := strings.SplitAfter(unseal(string(journal)), "\n")
		lines = lines[:len(lines)-1]
		for range 200 {
			forged := slices.Clone(lines)
			i := random.IntN(len(lines))
			if random.IntN(3) == 0 { // the header and the events tell the most
				i = random.IntN(2) * random.IntN(len(lines))
			}
			at := numbers.FindAllStringIndex(lines[i], -1)
			if len(at) == 0 {
				continue
			}
			n := at[random.IntN(len(at))]
			forged[i] = lines[i][:n[0]] + values[random.IntN(len(values))] + lines[i][n[1]:]
			r, err := drtest.ReadReport(strings.NewReader(seal(strings.Join(forged, ""))))
			f := r.Figures
			for _, fig := range f.Named() {
				if fig.Known && (fig.Lo < 0 || fig.Lo > fig.Hi || fig.Number < 0) {
					t.Errorf("%s is %v with line %d as %s", fig.Name, fig, i+1, forged[i])
				}
			}
			if strain := r.Strain(); strain.Over < 0 || strain.Machine() < 0 {
				t.Errorf("the machine's part is %v of %v with line %d as %s", strain.Machine(), strain.Over, i+1, forged[i])
			}
			_, _, _ = r.Rejudge(), r.Ledger.Timeline(), r.Ledger.Recovery()
			if refused++; err == nil {
				refused, accepted = refused-1, accepted+1
			} else {
				passesNothing(t, r)
			}
		}
	}
	if accepted == 0 || refused == 0 {
		t.Errorf("%d were accepted and %d refused, want some of both", accepted, refused)
	}
	t.Logf("%d were accepted and %d refused", accepted, refused)
}

// TestRewrittenJournals: what is read can be written, byte by byte, where the lines stand in the
// same order.
func TestRewrittenJournals(t *testing.T) {
	for _, journal := range realJournals(t) {
		r, err := drtest.ReadReport(bytes.NewReader(journal))
		if err != nil {
			t.Fatal(err)
		}
		var second, third bytes.Buffer
		if _, err := r.WriteTo(&second); err != nil {
			t.Fatal(err)
		}
		again, err := drtest.ReadReport(bytes.NewReader(second.Bytes()))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(r, again); diff != "" {
			t.Error(diff)
		}
		if n, err := again.WriteTo(&third); err != nil || n != int64(third.Len()) || !bytes.Equal(second.Bytes(), third.Bytes()) {
			t.Errorf("written again: %d bytes, %v, want the same %d", n, err, second.Len())
		}
	}
}

// hostile is all that a terminal, a report and a reader of logs take for more than text.
const hostile = "\x1b[2J\x1b[31m\a\r\nRTO: pass: got 0.001s\u202e\u2066\u0085\u2028\x9b\xff\x00"

// TestForeignText: what the system under test says comes out on one line and in printable
// characters, everywhere.
func TestForeignText(t *testing.T) {
	long := strings.Repeat("x", 1_000_000)
	says := errors.New(hostile + long)
	journal, said := journalOf(t, func() drtest.Scenario {
		s := &system{}
		healthy := s.Health
		return s.scenario(func(sc *drtest.Scenario) {
			sc.Title, sc.Durability = "title "+hostile, "durability "+hostile
			sc.Workload = liar{s.workload(), says}
			sc.Health = func(ctx context.Context) error {
				if healthy(ctx) != nil {
					return says
				}
				return nil
			}
			cut := s.cut()
			sc.Fault = confirmed(cut, drtest.Receipt(hostile+long), nil)
			sc.Fault.Name = "cut " + hostile
			sc.Fault.Inject = func(ctx context.Context) (drtest.Effect, error) {
				effect, err := cut.Inject(ctx)
				effect.Receipt += drtest.Receipt(hostile)
				return effect, err
			}
			sc.Proofs = []drtest.Proof{{Name: "fine", Examine: prove(hostile+long, nil)}, {Name: "foul", Examine: prove("", says)}}
			sc.Objectives = append(sc.Objectives, drtest.Check("sane", func(*drtest.Ledger, drtest.Figures) error { return says }))
		})
	})
	if len(journal) > 500_000 || bytes.Contains(journal, []byte(`\u001b`)) {
		t.Errorf("the journal has %d bytes, or an escape character of a terminal", len(journal))
	}
	r, err := drtest.ReadReport(bytes.NewReader(journal))
	if err != nil {
		t.Fatal(err)
	}
	told := said + r.Ledger.Timeline() + fmt.Sprint(r.Verdicts) + r.Ledger.Drill.Title + r.Ledger.Drill.Fault + r.Ledger.Drill.Durability + string(journal)
	for _, line := range strings.Split(told, "\n") {
		if strings.HasPrefix(line, "RTO: pass: got 0.001s") {
			t.Error("a verdict is forged")
		}
		for _, c := range line {
			if !strconv.IsPrint(c) {
				t.Fatalf("%q is in a line: %.200q", c, line)
			}
		}
	}
	if !strings.Contains(r.Ledger.Timeline(), `\x1b[2J\x1b[31m\a\r\nRTO: pass: got 0.001s\u202e\u2066\u0085\u2028\x9b\xff\x00xxx`) || !strings.Contains(said, " bytes more)") {
		t.Errorf("what the system said is not shown:\n%s", r.Ledger.Timeline())
	}
	// It is the same ledger for who played it.
	if again := r.Rejudge(); again.Status() != r.Status() || !strings.Contains(said, again.Verdicts[0].Why) {
		t.Errorf("got %v again, want %v", again.Verdicts, r.Verdicts)
	}
}

// A liar is a workload whose every error and class says the same, and whose progress has something
// wrong.
type liar struct {
	drtest.Workload
	says error
}

func (l liar) Do(ctx context.Context, id string) error {
	if l.Workload.Do(ctx, id) != nil {
		return l.says
	}
	return nil
}

func (l liar) Progress(ctx context.Context) (map[string]drtest.Progress, error) {
	ids, err := l.Survivors(ctx)
	units := map[string]drtest.Progress{}
	for _, id := range ids {
		units[id] = drtest.Progress{Done: 1, Attempt: 1, Finished: true, Wrong: l.says.Error()}
	}
	return units, err
}

func (l liar) Class(string) string { return l.says.Error() }
