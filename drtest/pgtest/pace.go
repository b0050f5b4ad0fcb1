package pgtest

import (
	"context"
	"encoding/json"
	"fmt"
	"time"
)

// A Pace compares a restore with the least that the same machine needs for the same files.
type Pace struct {
	Restore Restore
	// Plain is what it takes to copy the files with cp, with each flushed to the disk as a restore does it, and to
	// decompress them once from Zstandard with a single process.
	Plain time.Duration
}

// Pace measures cp and one decompression of the data directory of a server that was restored, without its WAL, and returns
// what that is for as many bytes as were fetched. It needs twice the server's size on its disk, for the time that it takes.
func (s *Spare) Pace(ctx context.Context) (Pace, error) {
	// The server goes on, so files may change or vanish under the copy. Times are in nanoseconds.
	const measure = `set -e; cd /var/lib/postgresql; trap 'rm -rf pace pace.zst' EXIT
a=$(date +%s%N); mkdir pace; cp -r data/base data/global pace; find pace -type f -exec sync {} +; b=$(date +%s%N)
tar -cf - pace | zstd -q -3 -T0 -o pace.zst
c=$(date +%s%N); zstd -q -dc pace.zst >/dev/null; d=$(date +%s%N)
echo "{\"bytes\": $(du -sb pace | cut -f1), \"took\": $((b - a + d - c))}"`
	out, err := s.service.Exec(ctx, "sh", "-c", measure)
	if err != nil {
		return Pace{}, fmt.Errorf("pace of cp: %w", err)
	}
	var plain struct {
		Bytes int64
		Took  time.Duration
	}
	if err := json.Unmarshal([]byte(out), &plain); err != nil {
		return Pace{}, fmt.Errorf("pace of cp: %q: %w", out, err)
	}
	return Pace{s.restore, time.Duration(float64(plain.Took) * float64(s.restore.Size) / float64(plain.Bytes))}, nil
}

// Ratio is the throughput of the fetch, in that of cp and one decompression.
func (p Pace) Ratio() float64 { return p.Plain.Seconds() / p.Restore.Fetch.Seconds() }

// extrapolated is the size for which a pace says what it would take, in bytes.
const extrapolated = 100e9

// String tells the ratio, and what it would take for 100 GB: from all of the time growing with the size,
// which is too long, since what a thousand small files cost does not grow, to that of cp and one decompression alone.
func (p Pace) String() string {
	scale := extrapolated / float64(p.Restore.Size)
	most, least := p.Restore.Fetch.Minutes()*scale, p.Plain.Minutes()*scale
	return fmt.Sprintf("the fetch had %.2f times the throughput of cp and one decompression, %.3fs; at 100 GB the fetch takes about %.0f min to %.0f min "+
		"on this machine, from a repository that its memory holds, and verifying %.0f min at most; WAL is replayed at %.0f MB/s at least",
		p.Ratio(), p.Plain.Seconds(), min(least, most), max(least, most), p.Restore.Verify.Minutes()*scale,
		megabytes(p.Restore.WAL)/p.Restore.Replay.Seconds())
}
