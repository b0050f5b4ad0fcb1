package drtest

import (
	"bytes"
	"time"
)

// scan adds the record of a line where it is one of those of which a journal has many, written as a
// journal writes it. All others are left to encoding/json, which takes ten times as long, and so is
// whatever does not look as expected.
func (b *book) scan(fields []byte) (known bool, err error) {
	s := scanner{rest: fields, fits: true}
	switch {
	case s.has(`"op":{"n":`):
		var op opSent
		op.N = s.number()
		op.ID = string(s.after(`,"id":`).text())
		if s.has(`,"class":`) {
			op.Class = b.intern(s.text())
			s.fits = s.fits && op.Class != "" // which is left out
		}
		op.Due = time.Duration(s.after(`,"due":`).number())
		op.Start = time.Duration(s.after(`,"start":`).number())
		if s.after(`}`).done() {
			return true, b.addOp(&op)
		}
	case s.has(`"outcome":{"n":`):
		var o opEnded
		o.N = s.number()
		o.End = time.Duration(s.after(`,"end":`).number())
		o.Outcome = outcome(s.after(`,"outcome":`).text())
		if s.has(`,"err":`) {
			o.Err = b.intern(s.text())
			s.fits = s.fits && o.Err != "" // which is left out
		}
		if s.after(`}`).done() {
			return true, b.addOutcome(&o)
		}
	case s.has(`"sample":{"lo":`):
		var sample Sample
		sample.Lo = time.Duration(s.number())
		sample.Hi = time.Duration(s.after(`,"hi":`).number())
		if s.has(`,"units":{`) {
			sample.Units = s.units()
		}
		if s.after(`}`).done() {
			return true, b.addSample(sample)
		}
	case s.has(`"survivors":{"ids":[`):
		if ids := s.texts(); s.after(`}`).done() {
			return true, b.addSurvivors(survivors{IDs: ids})
		}
	}
	return false, nil
}

// outcome returns the constant of an outcome, which saves memory.
func outcome(text []byte) Outcome {
	for _, o := range []Outcome{Acked, Unknown, Rejected} {
		if string(o) == string(text) {
			return o
		}
	}
	return Outcome(text)
}

// intern returns the same string for the same text, since errors and classes repeat.
func (b *book) intern(text []byte) string {
	if s, known := b.interned[string(text)]; known {
		return s
	}
	s := string(text)
	if len(b.interned) < 1000 {
		b.interned[s] = s
	}
	return s
}

// A scanner reads JSON that has exactly one form. Once something does not fit, nothing more does.
type scanner struct {
	rest []byte
	fits bool
}

// has passes what comes next, if it is this.
func (s *scanner) has(next string) bool {
	if !s.fits || len(s.rest) < len(next) || string(s.rest[:len(next)]) != next {
		return false
	}
	s.rest = s.rest[len(next):]
	return true
}

// after passes what must come next.
func (s *scanner) after(next string) *scanner {
	s.fits = s.has(next)
	return s
}

func (s *scanner) done() bool { return s.fits && len(s.rest) == 0 }

// number reads an integer that is not negative.
func (s *scanner) number() (n int) {
	end := 0
	for end < len(s.rest) && s.rest[end] >= '0' && s.rest[end] <= '9' {
		n = n*10 + int(s.rest[end]-'0')
		end++
	}
	if end == 0 || end > 18 || end > 1 && s.rest[0] == '0' {
		s.fits = false
		return 0
	}
	s.rest = s.rest[end:]
	return n
}

// text reads a string that is written as it is, and returns what is between its quotes.
func (s *scanner) text() []byte {
	if !s.has(`"`) {
		s.fits = false
		return nil
	}
	for i, c := range s.rest {
		switch {
		case c == '"':
			text := s.rest[:i]
			s.rest = s.rest[i+1:]
			return text
		case c < ' ' || c > '~' || c == '\\' || c == '<' || c == '>' || c == '&': // these are written otherwise, or may be
			s.fits = false
			return nil
		}
	}
	s.fits = false
	return nil
}

// texts reads the rest of a list of strings. They share their memory.
func (s *scanner) texts() []string {
	all := string(s.rest)
	ids := make([]string, 0, bytes.Count(s.rest, []byte(`",`))+1)
	for first := true; s.fits && !s.has(`]`); first = false {
		if !first {
			s.after(`,`)
		}
		if text := s.text(); s.fits {
			end := len(all) - len(s.rest) - 1
			ids = append(ids, all[end-len(text):end])
		}
	}
	return ids
}

// units reads the rest of an object of progress by id.
func (s *scanner) units() map[string]Progress {
	units := map[string]Progress{}
	last := ""
	for first := true; s.fits && !s.has(`}`); first = false {
		if !first {
			s.after(`,`)
		}
		id := string(s.text())
		var p Progress
		p.Done = s.after(`:{"done":`).number()
		p.Attempt = s.positive(`,"attempt":`)
		p.From = s.positive(`,"from":`)
		p.Finished = s.has(`,"finished":true`)
		s.after(`}`) // what is wrong with a unit is told seldom
		s.fits = s.fits && (first || id > last)
		units[id], last = p, id
	}
	s.fits = s.fits && len(units) > 0 // which are left out
	return units
}

// positive reads a field that is left out when it is zero.
func (s *scanner) positive(name string) (n int) {
	if s.has(name) {
		n = s.number()
		s.fits = s.fits && n > 0
	}
	return n
}
