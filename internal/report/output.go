package report

import (
	"fmt"
	"strings"

	"github.com/drtest/suite/internal/foreign"
)

// What is kept of the output of a test, in bytes. The transcript has all of it.
const (
	longestLine = 4096      // of a line, which is shown shorter still: see [foreign.Limit]
	mostSaid    = 64 * 1024 // of the beginning, and as much of the end
)

// An outputTail takes in output in parts, and keeps the beginning and the end of it by lines.
type outputTail struct {
	partial  []byte // what stands after the last line break
	more     int    // bytes of that line that were left out
	head     []line
	tail     []line
	headSize int
	tailSize int
	cut      int // lines between the two
}

// A line is one line of output. Its text is harmless.
type line struct {
	text string
	kind kind
}

// A kind says whose a line is.
type kind int

const (
	fromTest      kind = iota // of the test, and of all that it runs
	shownProgress             // of the harness outside of a test; it has been shown
	fromHarness               // of the harness, as it has announced
	fromGoTest                // of go test
)

// lines takes in output and calls each for every line that ends in it.
func (s *outputTail) lines(output string, each func(raw string, more int)) {
	for {
		part, after, whole := strings.Cut(output, "\n")
		kept := min(len(part), longestLine-len(s.partial))
		s.partial = append(s.partial, part[:kept]...)
		s.more += len(part) - kept
		if !whole {
			return
		}
		s.end(each)
		output = after
	}
}

// end ends a line that has begun.
func (s *outputTail) end(each func(raw string, more int)) {
	raw, more := string(s.partial), s.more
	s.partial, s.more = s.partial[:0], 0
	each(strings.TrimSuffix(raw, "\r"), more)
}

// flush ends a line that has begun, if there is one.
func (s *outputTail) flush(each func(raw string, more int)) {
	if len(s.partial) > 0 {
		s.end(each)
	}
}

// keep keeps a line. What is between the beginning and the end is counted.
func (s *outputTail) keep(l line) {
	size := len(l.text) + 16 // empty lines take room as well
	if len(s.tail) == 0 && s.headSize+size <= mostSaid {
		s.head, s.headSize = append(s.head, l), s.headSize+size
		return
	}
	s.tail, s.tailSize = append(s.tail, l), s.tailSize+size
	for s.tailSize > mostSaid {
		s.tailSize -= len(s.tail[0].text) + 16
		s.tail, s.cut = s.tail[1:], s.cut+1
	}
}

// kept returns the lines that are left, with one that says how many are not.
func (s *outputTail) kept() []line {
	all := s.head[:len(s.head):len(s.head)]
	if s.cut > 0 {
		all = append(all, line{text: fmt.Sprintf("... (%d lines left out; %s has them)", s.cut, TranscriptFile), kind: fromGoTest})
	}
	return append(all, s.tail...)
}

// harmless returns a line of output as it can be shown, which says how much of it was left out.
func harmless(raw string, more int) string {
	text := foreign.Text(strings.ReplaceAll(raw, "\t", "    "))
	if more > 0 {
		text += fmt.Sprintf(" ... (%d bytes more)", more)
	}
	return text
}
