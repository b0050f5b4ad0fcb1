package drift

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/drtest/suite/drtest"
)

// A Sample is one measured time. In a file it is a text such as "1.013s..1.054s, machine 3%".
type Sample struct {
	drtest.Interval
	// Machine is the largest part of it that can have been the machine's doing, from 0 to 1.
	Machine float64
}

// newSample keeps an interval to the microsecond, which a file shows, and no less of it.
func newSample(i drtest.Interval) Sample {
	i.Lo = i.Lo.Truncate(time.Microsecond)
	if i.Hi != drtest.Forever {
		if up := i.Hi.Truncate(time.Microsecond); up < i.Hi {
			i.Hi = up + time.Microsecond
		}
	}
	return Sample{Interval: i}
}

// never is how long a time counts that has no end, in seconds. It is longer than any drill.
const never = 1e9

// value is the middle of the interval, in seconds: of a truth that may lie anywhere in it, the
// middle strays least.
func (s Sample) value() float64 {
	if s.Hi == drtest.Forever {
		return never
	}
	return (s.Lo.Seconds() + s.Hi.Seconds()) / 2
}

// system is what is left of the value without the machine.
func (s Sample) system() float64 {
	if s.Hi == drtest.Forever {
		return never
	}
	return s.value() * (1 - s.Machine)
}

// MarshalText writes the interval, and the machine's part where there is one.
func (s Sample) MarshalText() ([]byte, error) {
	hi := "never"
	if s.Hi != drtest.Forever {
		hi = s.Hi.String()
	}
	text := s.Lo.String() + ".." + hi
	if s.Machine > 0 {
		text += ", machine " + strconv.FormatFloat(math.Round(s.Machine*1e4)/1e2, 'f', -1, 64) + "%"
	}
	return []byte(text), nil
}

// UnmarshalText reads what MarshalText writes.
func (s *Sample) UnmarshalText(text []byte) error {
	times, machine, shared := strings.Cut(string(text), ", machine ")
	lo, hi, _ := strings.Cut(times, "..")
	bad := fmt.Errorf("no sample: %.40q", text)
	var err error
	if s.Lo, err = time.ParseDuration(lo); err != nil || s.Lo < 0 {
		return bad
	}
	if s.Hi = drtest.Forever; hi != "never" {
		if s.Hi, err = time.ParseDuration(hi); err != nil || s.Hi < s.Lo {
			return bad
		}
	}
	if shared {
		percent, is := strings.CutSuffix(machine, "%")
		part, err := strconv.ParseFloat(percent, 64)
		if err != nil || !is || !(part >= 0 && part <= 100) { // which NaN is not
			return bad
		}
		s.Machine = part / 100
	}
	return nil
}
