package scenarios

import (
	"fmt"
	"os"
	"testing"
	"time"
)

// A profile says how large a drill is. DRTEST_PROFILE names it.
type profile struct {
	// backup is how many bytes a full backup has in its repository at least, compressed.
	backup int64
	// measured is the same for the drill that compares the throughput of a restore with that of cp:
	// what a restore takes whatever its size, half a second for six hundred small files and a whole
	// one where processes start slowly, must not be most of it.
	measured int64
	// restore is how long the steps of a restore may take, from fetching to verifying.
	restore time.Duration
	// deadline is that of a drill with a restore, and of what comes before it.
	deadline time.Duration
	// checkpoint is how much finished work an orchestrator may have to do again after a crash.
	checkpoint time.Duration
	// ttl is how long caches may keep an address: of the database, or of the service.
	ttl time.Duration
}

// profiles by their names. A restore moves 2.5 bytes of files for each that is compressed, from the
// repository to the disk and from there through pg_amcheck, and replays WAL, up to 90 MB and 520 MB
// in the profiles: at 200 MB/s, which most restores have on the machines seen so far, that is 3 s
// for 100 MB and 9 s for 250 MB, or 11 s of PostgreSQL's own backups, not compressed. Beside that
// it takes 4 s for what does not grow: six hundred small files of the catalogs, the start of the
// server, a second in which a server that has paused at its target looks for orders. The rest is a
// margin for a busy machine. A second is the least that DNS can say.
var profiles = map[string]profile{
	"fast":       {backup: 25e6, measured: 100e6, restore: 10 * time.Second, deadline: time.Minute, checkpoint: 500 * time.Millisecond, ttl: time.Second},
	"production": {backup: 250e6, measured: 250e6, restore: 20 * time.Second, deadline: 3 * time.Minute, checkpoint: 30 * time.Second, ttl: time.Minute},
}

// selected is the profile of this run.
var selected = func() profile {
	name := os.Getenv("DRTEST_PROFILE")
	if name == "" {
		name = "fast"
	}
	return profiles[name]
}()

// TestMain ends at once for a profile that does not exist: a drill that is smaller than asked for
// shows too little.
func TestMain(m *testing.M) {
	if selected == (profile{}) {
		fmt.Fprintf(os.Stderr, "DRTEST_PROFILE=%s: there is no such profile, only fast and production\n", os.Getenv("DRTEST_PROFILE"))
		os.Exit(2)
	}
	leaveOutSabotages()
	os.Exit(m.Run())
}
