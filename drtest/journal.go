package drtest

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/drtest/suite/internal/foreign"
)

// journalVersion is that of the journal's format, which JOURNAL.md describes, and oldestVersion the
// first one that is a part of it. A reader refuses any other.
const (
	journalVersion = 4
	oldestVersion  = 3
)

// readable says whether journals of a version are read.
func readable(version int) bool { return version >= oldestVersion && version <= journalVersion }

// A record is what one line of a journal says: a JSON object with exactly one field, which a
// [chain] makes a line. Durations and instants are integers of nanoseconds. A journal is appended
// to while the drill runs, each line with one write, so it survives a crash of the test process. It
// is whole when it ends with its closing record.
type record struct {
	Journal   *header    `json:"journal,omitempty"` // the first line
	Op        *opSent    `json:"op,omitempty"`      // when the request is sent
	Outcome   *opEnded   `json:"outcome,omitempty"`
	Event     *Event     `json:"event,omitempty"`
	Sample    *Sample    `json:"sample,omitempty"`
	Reading   *Reading   `json:"machine,omitempty"`
	Survivors *survivors `json:"survivors,omitempty"`
	Count     *counted   `json:"count,omitempty"`
	End       *ending    `json:"end,omitempty"`
	Closing   *closing   `json:"closing,omitempty"` // the last line
}

type header struct {
	Version  int         `json:"version"`
	Drill    Drill       `json:"drill"`
	Asserted []Assertion `json:"asserted,omitempty"`
}

type opSent struct {
	N     int           `json:"n"` // counts from 0, in the order in which ops were due
	ID    string        `json:"id"`
	Class string        `json:"class,omitempty"`
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
	IDs      []string `json:"ids"`
	Vanished []string `json:"vanished,omitempty"` // held in an earlier reading
}

// counted is what a counter counted in the drill.
type counted struct {
	Counter string `json:"counter"`
	Count
}

type ending struct {
	Machine Machine `json:"machine"`
	Broken  string  `json:"broken,omitempty"`
}

// A closing shows that nothing is missing at the end of a journal.
type closing struct {
	Verdicts []Verdict `json:"verdicts"` // all that were given
}

// ReadReport reads the journal that [Run] wrote: the ledger, its figures, what was asserted, and
// the verdicts as they were given. [Report.Rejudge] repeats the judgement, and [Judge] makes
// another.
//
// The error names the first line that is damaged, or that says what cannot be, and comes beside the
// report of what stood before it. A flipped bit and a line that is missing, doubled or out of place
// are found, since each line is numbered and carries a hash of itself and of the line before it. A
// journal without its closing record, as a test process leaves it that dies, is no error: its
// ledger has not ended, so it cannot pass. Neither can what is read of a damaged one.
//
// The hashes show damage and edits. They are no signature: whoever rewrites the whole journal can
// compute them.
func ReadReport(r io.Reader) (*Report, error) {
	b := newBook()
	if f, ok := r.(*os.File); ok {
		b.reserve(f)
	}
	err := b.read(r)
	if err != nil || !b.closed {
		b.reopen()
	}
	b.Figures = Measure(b.Ledger)
	return b.Report, err
}

// reserve makes room for the requests that a file of this size can hold. To copy a million of them
// each time that there are a quarter more takes longer than to read them.
func (b *book) reserve(f *os.File) {
	const least, most = 200, 4_000_000 // bytes of the lines of a request, and requests
	if info, err := f.Stat(); err == nil {
		b.Ledger.Ops = make([]Op, 0, min(info.Size()/least, most))
	}
}

// read adds all lines of a journal.
func (b *book) read(r io.Reader) error {
	lines := bufio.NewReaderSize(r, 64<<10)
	var links chain
	var long bytes.Buffer
	for n := 1; ; n++ {
		line, err := lines.ReadSlice('\n')
		if err == bufio.ErrBufferFull {
			for long.Reset(); err == bufio.ErrBufferFull; line, err = lines.ReadSlice('\n') {
				long.Write(line)
			}
			long.Write(line)
			line = long.Bytes()
		}
		switch {
		case err == io.EOF && len(line) > 0:
			err = errors.New("cut off in mid-line: the test process died while it wrote")
		case err == io.EOF && n == 1:
			err = errors.New("the journal is empty")
		case err == io.EOF:
			return nil
		case err == nil:
			err = b.addLine(&links, line)
		}
		if err != nil {
			return fmt.Errorf("journal line %d: %w", n, err)
		}
	}
}

// addLine adds the record of one line.
func (b *book) addLine(links *chain, line []byte) error {
	fields, err := links.open(line)
	if err != nil {
		if v := versionOf(line); links.lines == 0 && !readable(v) && v != 0 {
			return wrongVersion(v)
		}
		return err
	}
	if known, err := b.scan(fields); known {
		return err
	}
	return b.decode(fields)
}

// decode adds the record of any line.
func (b *book) decode(fields []byte) error {
	var rec record
	object := bytes.Join([][]byte{[]byte("{"), fields, []byte("}")}, nil)
	d := json.NewDecoder(bytes.NewReader(object))
	d.DisallowUnknownFields()
	if err := d.Decode(&rec); err != nil {
		return errors.New("no record of a journal: " + foreign.Text(err.Error()))
	}
	// There is one way to write a record, so that nothing stands in a line that is not read: a
	// second field of the same name, for instance.
	if written, err := json.Marshal(rec); err != nil || !bytes.Equal(written, object) {
		return errors.New("not written as a journal writes it")
	}
	return b.add(rec)
}

// versionOf is for the first line of a journal of another version, which need not be a line of this
// one.
func versionOf(line []byte) int {
	var rec struct{ Journal struct{ Version int } }
	if json.Unmarshal(line, &rec) != nil {
		return 0
	}
	return rec.Journal.Version
}

func wrongVersion(v int) error {
	return fmt.Errorf("the journal has version %d, this program reads versions %d to %d: read it with the version of drreport that wrote it, or play the drill again", v, oldestVersion, journalVersion)
}

// WriteTo writes the report as a journal that [ReadReport] reads. One whose ledger has not ended is
// cut off there, too.
func (r *Report) WriteTo(w io.Writer) (int64, error) {
	l := r.Ledger
	count := &countingWriter{w: w}
	buf := bufio.NewWriter(count)
	var links chain
	var failure error
	put := func(rec record) {
		line, err := links.seal(rec)
		if failure == nil {
			failure = err
		}
		_, _ = buf.Write(line) // a failed write is kept by buf and returned by Flush
	}
	put(record{Journal: &header{Version: journalVersion, Drill: l.Drill, Asserted: r.Asserted}})
	for n, op := range l.Ops {
		put(record{Op: &opSent{N: n, ID: op.ID, Class: op.Class, Due: op.Due, Start: op.Start}})
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
		put(record{Survivors: &survivors{l.Survivors, l.Vanished}})
	}
	for _, c := range l.Drill.Counters {
		if n, ok := l.Counts[c.Name]; ok {
			put(record{Count: &counted{c.Name, n}})
		}
	}
	if l.Ended {
		put(record{End: &ending{Machine: l.Machine, Broken: l.Broken}})
		put(record{Closing: &closing{r.Verdicts}})
	}
	err := errors.Join(failure, buf.Flush())
	return count.n, err
}

type countingWriter struct {
	w io.Writer
	n int64
}

func (c *countingWriter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}
