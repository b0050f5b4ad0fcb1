package scenarios

import (
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
)

// slots bound how many systems of a kind run side by side: with more of these, two processors have no idle moment, and now and
// then a request fails for want of one. A drill in its turn has no need to wait for one; a test that does occupies a place of go
// test -parallel.
type slots chan struct{}

var (
	clusterSlots = make(slots, 3)
	restoreSlots = make(slots, 2) // the disk as well
)

// have waits for a slot, which is free again once t and what it has made after the call are gone.
func (s slots) have(t testing.TB) {
	s <- struct{}{}
	t.Cleanup(func() { <-s })
}

// order is that in which drills begin, where several can be played at a time: first what takes longest, beside what leaves the processors
// to the restore whose throughput is compared; clusters, which are busy as they start, one after the other; and in the end what is
// short, or a restore that no other one has to wait for. In go test's own order, which is another one in each run, all take up to an eighth
// longer, and more of their results are marked as measured on an overloaded machine.
var order = []string{
	"TestClusterFailover",
	"TestOutages",
	"TestInstanceCrashes",
	"TestFullRestore",
	"TestIncrementalRestore",
	"TestDNSFailover",
	"TestClusterLease",
	"TestActivePassiveFailover",
	"TestActiveActive",
	"TestSingleServer",
	"TestPointInTime",
	"TestFullRestoreFromS3",
	"TestAsynchronousPrimaryFailover",
	"TestPrimaryFailover",
	"TestNoFaultControl",
}

// drills are the turns of a run without the tests that sabotage a system. In a run with those, go test says who begins.
var drills = turns{order: order}

// inTurn has a drill run in parallel with others, with a slot where it needs one, as t.Parallel does, but when its turn comes. Go test
// counts what it waits in what it takes, so that is logged; when its -timeout is over, it names those that wait as running.
func inTurn(t *testing.T, needs slots) {
	t.Helper()
	begin := drills.enter(t.Name(), needs)
	t.Parallel()
	ready := time.Now()
	end := begin()
	t.Cleanup(end)
	if waited := time.Since(ready); waited > time.Second {
		t.Logf("its turn came after %v", waited.Round(time.Second))
	}
}

// A run is the tests of this package.
type run struct{ *testing.M }

// Run has the turns of drills give the places that go test would give, as many of them.
func (r run) Run() int {
	parallel := flag.Lookup("test.parallel").Value
	places, err := strconv.Atoi(parallel.String())
	if err == nil && places > 1 && slices.Contains(strings.Split(flag.Lookup("test.skip").Value.String(), "|"), sabotages) {
		drills.give(places)
		parallel.Set("1000")
	}
	return r.M.Run()
}

// turns let tests begin in an order. Nobody begins before all have come that have entered: go test lets those that are parallel go
// at the same moment, once it has seen all, in an order of its own.
type turns struct {
	order []string

	mu      sync.Mutex
	given   bool          // places; without, tests begin as they come
	places  int           // that are free
	coming  int           // tests that have entered and not come
	waiting []*turn       // those that have come
	taken   map[slots]int // by those that have begun
}

// give says how many places there are.
func (q *turns) give(places int) { q.given, q.places, q.taken = true, places, map[slots]int{} }

// A turn is that of one test.
type turn struct {
	rank  int
	needs slots
	begun chan struct{}
}

// enter is called by a test before go test stops it. The test calls begin as it goes on, which returns when its turn has come, and
// end at its end.
func (q *turns) enter(name string, needs slots) (begin func() (end func())) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.given {
		return func() func() { return func() {} }
	}
	q.coming++
	me := &turn{slices.Index(q.order, name), needs, make(chan struct{})}
	if me.rank < 0 {
		me.rank = len(q.order)
	}
	return func() func() {
		q.mu.Lock()
		q.coming--
		q.waiting = append(q.waiting, me)
		slices.SortStableFunc(q.waiting, func(a, b *turn) int { return a.rank - b.rank })
		q.admit()
		q.mu.Unlock()
		<-me.begun
		return func() { q.leave(me) }
	}
}

func (q *turns) leave(t *turn) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.places++
	q.taken[t.needs]--
	q.admit()
}

// admit gives free places to those who are first in the order and do not have to wait for a slot.
func (q *turns) admit() {
	for q.coming == 0 && q.places > 0 {
		i := slices.IndexFunc(q.waiting, func(t *turn) bool { return t.needs == nil || q.taken[t.needs] < cap(t.needs) })
		if i < 0 {
			return
		}
		next := q.waiting[i]
		q.waiting = slices.Delete(q.waiting, i, i+1)
		q.places--
		q.taken[next.needs]++
		close(next.begun)
	}
}

// Whoever comes first, tests begin in their order, as many at a time as there are places and slots.
func TestTurnsControl(t *testing.T) {
	type test struct {
		name  string
		needs slots
		takes time.Duration
	}
	restores := make(slots, 1)
	tests := []test{ // as they come
		{"unknown", nil, time.Second},
		{"last", nil, time.Second},
		{"restore 2", restores, time.Second},
		{"restore 1", restores, 4 * time.Second},
		{"first", nil, 2 * time.Second},
	}
	for _, c := range []struct {
		reason string
		places int
		want   []string
	}{
		{"two at a time", 2, []string{"first +0s", "restore 1 +0s", "last +2s", "unknown +3s", "restore 2 +4s"}},
		{"one at a time", 1, []string{"first +0s", "restore 1 +2s", "restore 2 +6s", "last +7s", "unknown +8s"}},
		{"go test's own order", 0, []string{"unknown +0s", "last +1s", "restore 2 +2s", "restore 1 +3s", "first +7s"}},
	} {
		t.Run(c.reason, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q := turns{order: []string{"first", "restore 1", "restore 2", "last"}}
				if c.places > 0 {
					q.give(c.places)
				}
				var mu sync.Mutex
				var began []string
				var begins []func() func()
				for _, test := range tests {
					begins = append(begins, q.enter(test.name, test.needs))
				}
				start := time.Now()
				var running sync.WaitGroup
				play := func(test test, end func()) {
					mu.Lock()
					began = append(began, test.name+" +"+time.Since(start).String())
					mu.Unlock()
					<-time.After(test.takes)
					end()
				}
				for i, test := range tests {
					if c.places == 0 {
						play(test, begins[i]())
						continue
					}
					running.Go(func() { play(test, begins[i]()) })
					synctest.Wait()
				}
				running.Wait()
				if diff := cmp.Diff(c.want, began); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
			})
		})
	}
}

// The order has every drill, and none that is no more. A drill that calls t.Parallel itself would be one too many, and one that does
// neither would be played alone, before all others.
func TestOrderControl(t *testing.T) {
	files, err := filepath.Glob("*_test.go")
	require.NoError(t, err)
	var found []string
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		for _, d := range parsed.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || strings.HasSuffix(f.Name.Name, "Sabotaged") {
				continue
			}
			if name := f.Name.Name; strings.HasPrefix(name, "Test") && !strings.HasSuffix(name, "Control") && name != "TestImages" && name != "TestMain" {
				require.Contains(t, order, name)
			}
			ast.Inspect(f, func(n ast.Node) bool {
				if call, ok := n.(*ast.CallExpr); ok {
					switch types.ExprString(call.Fun) {
					case "t.Parallel":
						require.Equal(t, "inTurn", f.Name.Name, "%s: only inTurn calls t.Parallel", file)
					case "inTurn", "playOneByOne":
						found = append(found, f.Name.Name)
					}
				}
				return true
			})
		}
	}
	require.ElementsMatch(t, append(slices.Clone(order), "playOneByOne"), found)
}

// Make leaves the sabotages out in a way that is seen.
func TestSkipControl(t *testing.T) {
	makefile, err := os.ReadFile("../Makefile")
	require.NoError(t, err)
	require.Contains(t, string(makefile), "\nCHECKS  := "+strings.ReplaceAll(sabotages, "$", "$$")+"|")
}
