// Package formats writes reports for tools: JUnit XML, which Jenkins, GitLab and others read, the
// text format of Prometheus, the JSON of OpenTelemetry, and what GitHub shows of a step. In all of
// them only pass passes: what is inconclusive or untrusted is an error there, and never skipped.
package formats

import (
	"strconv"
	"time"

	"github.com/drtest/suite/drtest"
)

// status is how a result ended, in one word.
func status(s drtest.Status, untrusted bool) string {
	if untrusted {
		return "untrusted"
	}
	return s.String()
}

// number prints seconds, with the infinity of a time that never ended.
func number(d time.Duration) string { return strconv.FormatFloat(seconds(d), 'f', -1, 64) }
