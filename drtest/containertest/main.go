package containertest

import (
	"flag"
	"fmt"
	"strconv"
	"testing"

	"github.com/drtest/suite/internal/capacity"
)

// startsForEach is how many processes a second a machine must be able to start for each test that it runs at the same time. Two
// machines with two processors have shown what it takes. One that started 340 was busy for half of the time with one drill after the
// other, and all 39 passed; with two at a time clusters took a minute to recover, and with four 2 of 39 passed. One that started 1700
// played four at a time, all 39 passed, and none to two of the results were marked as measured on an overloaded machine; with five,
// 16 were. So a test needs more than 170 and at most 340 to pass, and some 400 to pass without marks, for which there is -parallel.
const startsForEach = 250

// Main runs the tests of a package, as m.Run does, and no more of them side by side than the machine can carry: what a machine
// does not get done in time is measured as part of a recovery. It measures the machine for a third of a second, lowers go test's
// -parallel where that asks for more, also where the command line does, and says so, as go test -v and reports show: to one, on
// a machine that cannot be measured. It is about one package: go test runs as many packages at a time as its -p says. It returns the
// exit code. M is a [testing.M], or wraps one.
//
//	func TestMain(m *testing.M) { os.Exit(containertest.Main(m)) }
func Main(m interface{ Run() int }) int {
	if !flag.Parsed() {
		flag.Parse()
	}
	parallel := flag.Lookup("test.parallel").Value
	asked, err := strconv.Atoi(parallel.String())
	if err != nil || asked <= 1 || testing.Short() || flag.Lookup("test.list").Value.String() != "" {
		return m.Run()
	}
	rate, err := capacity.ProcessStarts()
	why := fmt.Sprintf("this machine starts %.0f processes a second and each test needs %d", rate, startsForEach)
	if err != nil {
		why = fmt.Sprintf("this machine cannot be measured: %v", err)
	}
	if most := carried(asked, rate); most < asked {
		fmt.Printf("drtest: note: tests side by side: %d instead of %d, since %s\n", most, asked, why)
		parallel.Set(strconv.Itoa(most))
	}
	return m.Run()
}

// carried returns how many of the tests that are asked for a machine can carry that starts so many processes a second.
func carried(asked int, rate float64) int { return min(asked, max(1, int(rate/startsForEach))) }
