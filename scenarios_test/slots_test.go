package scenarios

import "testing"

// slots bound how many systems of a kind run side by side: with more of these, two processors have no idle moment, and now and
// then a request fails for want of one. A test that waits for a slot occupies one of the places of go test -parallel.
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
