package drtest

import (
	"strconv"
	"time"

	"github.com/drtest/suite/internal/announce"
)

// setAttributes sets the attributes of the test that the package comment lists. A drill that broke
// has no figures.
func setAttributes(t TB, r *Report, broken bool) {
	status := r.Status().String()
	if r.Untrusted() {
		status = "untrusted"
	}
	announce.Attr(t, "drtest.id", r.Ledger.Drill.ID)
	announce.Attr(t, "drtest.status", status)
	if broken {
		return
	}
	for _, f := range []struct {
		key string
		Figure
	}{
		{"drtest.detection_seconds", r.Figures.Detection},
		{"drtest.rto_seconds", r.Figures.RTO},
		{"drtest.rpo_seconds", r.Figures.RPO},
	} {
		if f.Known {
			announce.Attr(t, f.key, strictSeconds(f.Hi))
		}
	}
	if r.Figures.RPO.Known {
		announce.Attr(t, "drtest.lost_units", strconv.Itoa(len(r.Figures.Lost)))
	}
}

// strictSeconds is the strict end of a figure as a number: "+Inf" when it was never seen.
func strictSeconds(hi time.Duration) string {
	if hi == Forever {
		return "+Inf"
	}
	return strconv.FormatFloat(hi.Seconds(), 'f', 3, 64)
}
