package drtest

import (
	"fmt"
	"math"
	"time"
)

// Forever is the Hi of an [Interval] whose end was never seen.
const Forever = time.Duration(math.MaxInt64)

// An Interval holds a measured instant or duration: the truth lies between Lo and Hi, both
// included. Instants count from the start of the drill.
type Interval struct {
	Lo time.Duration `json:"lo"`
	Hi time.Duration `json:"hi"`
}

// String gives the strict end first: "2.413s (2.391s..2.413s)".
func (i Interval) String() string {
	if i.Hi == Forever {
		return fmt.Sprintf("more than %s", seconds(i.Lo))
	}
	return fmt.Sprintf("%s (%s..%s)", seconds(i.Hi), seconds(i.Lo), seconds(i.Hi))
}

// since is the duration from the instant t to the instant i. It is never negative: an effect that
// was seen before its cause had certainly happened took no time at all.
func (i Interval) since(t Interval) Interval {
	d := Interval{Lo: max(0, i.Lo-t.Hi), Hi: Forever}
	if i.Hi != Forever {
		d.Hi = max(0, i.Hi-t.Lo)
	}
	return d
}

// judge compares the interval with a limit: pass when even the strict end meets it, fail when not
// even the lenient one does.
func (i Interval) judge(limit time.Duration) Status {
	switch {
	case i.Hi <= limit:
		return Pass
	case i.Lo > limit:
		return Fail
	}
	return Inconclusive
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.3fs", d.Seconds()) }
