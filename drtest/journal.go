package drtest

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
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
	Reading   *Reading   `json:"machine,omitempty"`
	Survivors *survivors `json:"survivors,omitempty"`
	Bill      *Bill      `json:"bill,omitempty"`
	End       *ending    `json:"end,omitempty"`
	Verdicts  []Verdict  `json:"verdicts,omitempty"` // all of them, after the end
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
	switch {
	case rec.fields() != 1:
		return fmt.Errorf("%d records where one is due", rec.fields())
	case rec.Journal == nil && l.Drill.ID == "":
		return errors.New("the journal does not begin with its header")
	case l.Ended && rec.Verdicts == nil, r.Verdicts != nil:
		return errors.New("the drill has ended already")
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
		if op.End != Forever {
			return fmt.Errorf("a second outcome of op %d", o.N)
		}
		if o.End < op.Start {
			return fmt.Errorf("op %d ends before it starts", o.N)
		}
		op.End, op.Outcome, op.Err = o.End, o.Outcome, o.Err
	case rec.Event != nil:
		if rec.Event.Lo > rec.Event.Hi {
			return fmt.Errorf("%s ends before it begins", rec.Event.Kind)
		}
		if rec.Event.Seen != 0 && rec.Event.Seen < rec.Event.Hi {
			return fmt.Errorf("%s was seen before it was in effect", rec.Event.Kind)
		}
		l.Events = append(l.Events, *rec.Event)
	case rec.Sample != nil:
		if rec.Sample.Lo > rec.Sample.Hi {
			return errors.New("a sample ends before it begins")
		}
		l.Samples = append(l.Samples, *rec.Sample)
	case rec.Reading != nil:
		if err := rec.Reading.follows(l.Readings); err != nil {
			return err
		}
		l.Readings = append(l.Readings, *rec.Reading)
	case rec.Survivors != nil:
		l.Survivors = append([]string{}, rec.Survivors.IDs...)
	case rec.Bill != nil:
		if err := rec.Bill.valid(); err != nil {
			return err
		}
		l.Bill = rec.Bill
	case rec.End != nil:
		if open := slices.IndexFunc(l.Ops, func(op Op) bool { return op.End == Forever }); open >= 0 {
			return fmt.Errorf("the drill ends without an outcome of op %d", open)
		}
		l.Ended, l.Machine, l.Broken = true, rec.End.Machine, rec.End.Broken
	case rec.Verdicts != nil:
		if !l.Ended {
			return errors.New("verdicts before the end of the drill")
		}
		r.Verdicts = rec.Verdicts
	}
	return nil
}

// fields counts the records in a line.
func (rec record) fields() int {
	n := 0
	for _, set := range []bool{rec.Journal != nil, rec.Op != nil, rec.Outcome != nil, rec.Event != nil,
		rec.Sample != nil, rec.Reading != nil, rec.Survivors != nil, rec.Bill != nil, rec.End != nil, rec.Verdicts != nil} {
		if set {
			n++
		}
	}
	return n
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
	if _, err := d.Token(); err != io.EOF {
		return errors.New("more than one record on a line")
	}
	return r.add(rec)
}

// WriteTo writes the ledger and the verdicts as a journal that [ReadReport] reads.
func (r *Report) WriteTo(w io.Writer) (int64, error) {
	l := r.Ledger
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
	for i := range l.Readings {
		put(record{Reading: &l.Readings[i]})
	}
	if l.Survivors != nil {
		put(record{Survivors: &survivors{l.Survivors}})
	}
	if l.Bill != nil {
		put(record{Bill: l.Bill})
	}
	if l.Ended {
		put(record{End: &ending{Machine: l.Machine, Broken: l.Broken}})
	}
	if len(r.Verdicts) > 0 {
		put(record{Verdicts: r.Verdicts})
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
