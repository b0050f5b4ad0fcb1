package backuptest

import (
	"context"
	"fmt"
	"math"
	"strings"
	"time"
)

// A Benchmark compares fetching a backup with the least that the same machine needs for the same
// files.
type Benchmark struct {
	Restore Restore
	// Fetch is what it takes to fetch the backup.
	Fetch time.Duration
	// Plain is what it takes to copy the files of the backup with cp and flush each of them to the
	// disk, and to decompress them once from Zstandard, with a single process: what the repository
	// has, or the same at pgBackRest's level here, where no single folder has all of it,
	// compressed. One shell times both, so that what the engine takes to start it is no part of
	// either.
	Plain time.Duration
}

const (
	rounds          = 2
	benchmarkFolder = "/var/lib/postgresql/benchmark"
)

// Benchmark fetches the backup of a server that was restored again, into a folder beside the
// server's, and has cp and one decompression of the same bytes follow, twice in turn. The least
// time of either counts: whatever runs on the machine meanwhile can only lengthen it. Flushing is
// no part of cp, and is counted with it because it is one of a restore. It needs three times
// [Restore].Size on the server's disk, for the time that it takes.
func (s *Spare) Benchmark(ctx context.Context) (Benchmark, error) {
	b := Benchmark{s.restore, math.MaxInt64, math.MaxInt64}
	defer s.Service().Exec(context.WithoutCancel(ctx), "rm", "-rf", benchmarkFolder) // what is left of it goes with the server
	for range rounds {
		fetch, plain, err := s.measureFetch(ctx)
		if err != nil {
			return Benchmark{}, fmt.Errorf("benchmark of a restore: %w", err)
		}
		b.Fetch, b.Plain = min(b.Fetch, fetch), min(b.Plain, plain)
	}
	return b, nil
}

func (s *Spare) measureFetch(ctx context.Context) (fetch, plain time.Duration, err error) {
	// Its arguments are the command that fetches. Times are in nanoseconds.
	measure := `set -e -o pipefail; mkdir -p ` + benchmarkFolder + `; cd ` + benchmarkFolder + `; rm -rf data copy; mkdir -m 700 data
a=$(date +%s%N); "$@" >&2; b=$(date +%s%N)
cp -r data copy; find copy -type f -exec sync {} +; c=$(date +%s%N)
[ -e copy.zst ] || (` + s.repository.tool.compressed(s.backup, "copy") + `) >copy.zst; [ "$(zstd -q -dc copy.zst | wc -c)" -ge ` + fmt.Sprint(s.restore.Size) + ` ]
d=$(date +%s%N); zstd -q -dc copy.zst >/dev/null; e=$(date +%s%N)
echo fetch $((b - a)) plain $((c - b + e - d))`
	command := append([]string{"bash", "-c", measure, "bash"}, s.repository.tool.restore(benchmarkFolder+"/data", s.backup, s.target)...)
	out, err := s.Service().Exec(ctx, command...)
	if err != nil {
		return 0, 0, err
	}
	times := out[max(0, strings.LastIndex(out, "fetch ")):] // beside what the command says
	if _, err := fmt.Sscanf(times, "fetch %d plain %d", &fetch, &plain); err != nil {
		return 0, 0, fmt.Errorf("%q: %w", out, err)
	}
	return fetch, plain, nil
}

// Ratio is the throughput of the fetch, in that of cp and one decompression.
func (b Benchmark) Ratio() float64 { return b.Plain.Seconds() / b.Fetch.Seconds() }

// extrapolated is the size for which a benchmark says what it would take, in bytes.
const extrapolated = 100e9

// String tells the ratio, and what it would take for 100 GB: from all of the time growing with the
// size, which is too long, since what hundreds of small files cost does not grow, to that of cp and
// one decompression alone.
func (b Benchmark) String() string {
	scale := extrapolated / float64(b.Restore.Size)
	most, least := b.Fetch.Minutes()*scale, b.Plain.Minutes()*scale
	return fmt.Sprintf("fetched again, it had %.2f times the throughput of cp and one decompression, %.3fs and %.3fs, the least of %d in turn; "+
		"at 100 GB the fetch takes about %.0f min to %.0f min "+
		"on this machine, from a repository that its memory holds, and verifying %.0f min at most; WAL is replayed at %.0f MB/s at least",
		b.Ratio(), b.Fetch.Seconds(), b.Plain.Seconds(), rounds, min(least, most), max(least, most), b.Restore.Verify.Minutes()*scale,
		megabytes(b.Restore.WAL)/b.Restore.Replay.Seconds())
}
