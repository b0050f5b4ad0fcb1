package containertest

import (
	"context"
	"flag"
	"fmt"
	"strconv"
	"testing"

	"github.com/drtest/suite/internal/capacity"
)

// startsForEach is how many processes a second a machine must be able to start for each test that it runs at the same time. A
// machine with two processors that started 340 was busy for half of the time with one drill after the other, and all 39 passed; with
// two at a time clusters took a minute to recover, and with four 2 of 39 passed.
const startsForEach = 200

// Main runs the tests of a package, as m.Run does, and no more of them side by side than the machine can carry: what a machine
// does not get done in time is measured as part of a recovery. It measures the machine for a third of a second, lowers go test's
// -parallel where that asks for more, and says so. It returns the exit code.
//
//	func TestMain(m *testing.M) { os.Exit(containertest.Main(m)) }
func Main(m *testing.M) int {
	flag.Parse()
	parallel := flag.Lookup("test.parallel").Value
	asked, err := strconv.Atoi(parallel.String())
	if err != nil || asked <= 1 || testing.Short() || flag.Lookup("test.list").Value.String() != "" {
		return m.Run()
	}
	rate, err := capacity.ProcessStarts(context.Background())
	if most := carries(rate); err == nil && most < asked {
		fmt.Printf("drtest: tests side by side: %d instead of %d, since this machine starts %.0f processes a second and each test needs %d\n",
			most, asked, rate, startsForEach)
		parallel.Set(strconv.Itoa(most))
	}
	return m.Run()
}

// carries returns how many tests a machine can carry that starts so many processes a second.
func carries(rate float64) int { return max(1, int(rate/startsForEach)) }
