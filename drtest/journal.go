package drtest

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
)

// Version is the version of the journal's format. A reader refuses any other.
const Version = 1

// A record is one line of a journal: a JSON object with exactly one field. Durations and instants are
// integers of nanoseconds. A journal is appended to while the drill runs, each line with one write, so it
// survives a crash of the test process.
type record struct {
	Journal   *header    `json:"journal,omitempty"` // the first line
	Op        *opSent    `json:"op,omitempty"`      // written before the request is sent
	Outcome   *opEnded   `json:"outcome,omitempty"`
	Event     *Event     `json:"event,omitempty"`
	Sample    *Sample    `json:"sample,omitempty"`
	Survivors *survivors `json:"survivors,omitempty"`
	End       *ending    `json:"end,omitempty"`
	Verdict   *Verdict   `json:"verdict,omitempty"` // after the end, by Run
}

type header struct {
	Version int   `json:"version"`
	Drill   Drill `json:"drill"`
}

type opSent struct {
	N     int           `json:"n"` // counts from 0, in the order in which ops were due
	ID    string        `json:"id"`
	Due   time.Duration `json:"due"`
	Start time.Duration `json:"start"`
}

type opEnded struct {
	N       int           `json:"n"`
	End     time.Duration `json:"end"`
	Outcome Outcome       `json:"outcome"`
	Err     string        `json:"err,omitempty"`
}

type survivors struct {
	IDs []string `json:"ids"`
}

type ending struct {
	Machine Machine `json:"machine"`
	Broken  string  `json:"broken,omitempty"`
}

// add applies one record: a ledger that is read from a journal is the same as the one that was played.
func (r *Report) add(rec record) error {
	l := r.Ledger
	if rec.Journal == nil && l.Drill.ID == "" {
		return errors.New("the journal does not begin with its header")
	}
	switch {
	case rec.Journal != nil:
		if rec.Journal.Version != Version {
			return fmt.Errorf("the journal has version %d, this program reads version %d", rec.Journal.Version, Version)
		}
		if l.Drill.ID != "" {
			return errors.New("a second header: two drills wrote to one journal")
		}
		if rec.Journal.Drill.ID == "" {
			return errors.New("the header names no scenario")
		}
		l.Drill = rec.Journal.Drill
	case rec.Op != nil:
		if rec.Op.N != len(l.Ops) {
			return fmt.Errorf("op %d where op %d is due", rec.Op.N, len(l.Ops))
		}
		l.Ops = append(l.Ops, Op{ID: rec.Op.ID, Due: rec.Op.Due, Start: rec.Op.Start, End: Forever, Outcome: Unknown})
	case rec.Outcome != nil:
		o := rec.Outcome
		if o.N < 0 || o.N >= len(l.Ops) {
			return fmt.Errorf("an outcome of op %d, which was never sent", o.N)
		}
		if o.Outcome != Acked && o.Outcome != Rejected && o.Outcome != Unknown {
			return fmt.Errorf("unknown outcome %q", o.Outcome)
		}
		op := &l.Ops[o.N]
		op.End, op.Outcome, op.Err = o.End, o.Outcome, o.Err
	case rec.Event != nil:
		l.Events = append(l.Events, *rec.Event)
	case rec.Sample != nil:
		l.Samples = append(l.Samples, *rec.Sample)
	case rec.Survivors != nil:
		l.Survivors = append([]string{}, rec.Survivors.IDs...)
	case rec.End != nil:
		l.Ended, l.Machine, l.Broken = true, rec.End.Machine, rec.End.Broken
	case rec.Verdict != nil:
		r.Verdicts = append(r.Verdicts, *rec.Verdict)
	default:
		return errors.New("an empty record")
	}
	return nil
}

// ReadReport reads the journal that [Run] wrote: the ledger, its figures, and the verdicts as they were
// given. The ledger can be judged again with [Judge]. A damaged or truncated journal gives an error that
// names the line, beside the report of what stood before it.
func ReadReport(r io.Reader) (*Report, error) {
	report := &Report{Ledger: new(Ledger)}
	lines := bufio.NewReader(r)
	for n := 1; ; n++ {
		line, err := lines.ReadBytes('\n')
		if err == io.EOF && len(line) == 0 {
			break
		}
		if err == nil || err == io.EOF {
			err = report.addLine(line, err == io.EOF)
		}
		if err != nil {
			report.Figures = Measure(report.Ledger)
			return report, fmt.Errorf("journal line %d: %w", n, err)
		}
	}
	report.Figures = Measure(report.Ledger)
	if report.Ledger.Drill.ID == "" {
		return report, errors.New("journal line 1: the journal is empty")
	}
	return report, nil
}

func (r *Report) addLine(line []byte, cut bool) error {
	if cut {
		return errors.New("cut off in mid-line: the test process died while it wrote")
	}
	var rec record
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	if err := d.Decode(&rec); err != nil {
		return fmt.Errorf("no record of a journal: %w", err)
	}
	return r.add(rec)
}

// WriteTo writes the ledger as a journal that [ReadReport] reads.
func (l *Ledger) WriteTo(w io.Writer) (int64, error) {
	count := &counter{w: w}
	buf := bufio.NewWriter(count)
	enc := json.NewEncoder(buf)
	put := func(rec record) {
		_ = enc.Encode(rec) // a failed write is kept by buf and returned by Flush
	}
	put(record{Journal: &header{Version: Version, Drill: l.Drill}})
	for n, op := range l.Ops {
		put(record{Op: &opSent{N: n, ID: op.ID, Due: op.Due, Start: op.Start}})
		if op.End != Forever {
			put(record{Outcome: &opEnded{N: n, End: op.End, Outcome: op.Outcome, Err: op.Err}})
		}
	}
	for i := range l.Events {
		put(record{Event: &l.Events[i]})
	}
	for i := range l.Samples {
		put(record{Sample: &l.Samples[i]})
	}
	if l.Survivors != nil {
		put(record{Survivors: &survivors{l.Survivors}})
	}
	if l.Ended {
		put(record{End: &ending{Machine: l.Machine, Broken: l.Broken}})
	}
	err := buf.Flush()
	return count.n, err
}

type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}
