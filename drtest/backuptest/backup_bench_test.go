package backuptest_test

import (
	"testing"

	"github.com/drtest/suite/drtest/backuptest"
	"github.com/drtest/suite/drtest/pgtest"
)

// BenchmarkRestore measures the restore of a server whose full backup has 25 MB, compressed, and
// compares its fetch with cp and one decompression of the same bytes, which are measured in turn
// with it: see [backuptest.Benchmark]. The spares stay until the benchmark ends, so few iterations
// tell more than many: -benchtime=5x.
func BenchmarkRestore(b *testing.B) {
	for _, c := range []struct {
		name       string
		repository func(testing.TB) *backuptest.Repository
	}{
		{"pgBackRest", backuptest.NewRepository}, {"PostgreSQL alone", backuptest.NewBaseBackupRepository},
	} {
		b.Run(c.name, func(b *testing.B) {
			repository := c.repository(b)
			primary := pgtest.StartPrimary(b, pgtest.Config{Archive: repository.Archive()})
			fill(b, primary)
			backup, err := repository.Backup(b.Context(), primary, backuptest.Full)
			if err != nil {
				b.Fatal(err)
			}
			var fetched, replayed, verified, ratio float64
			for b.Loop() {
				spare := backuptest.StartSpare(b, repository, backuptest.SpareConfig{})
				for _, step := range []error{
					spare.Fetch(backup, backuptest.Target{}).Do(b.Context()), spare.Replay().Do(b.Context()), spare.Promote().Do(b.Context()), spare.Verify().Do(b.Context()),
				} {
					if step != nil {
						b.Fatal(step)
					}
				}
				compared, err := spare.Benchmark(b.Context())
				if err != nil {
					b.Fatal(err)
				}
				restore := spare.Restored()
				fetched += float64(restore.Size) / 1e6 / restore.Fetch.Seconds()
				replayed += restore.Replay.Seconds()
				verified += restore.Verify.Seconds()
				ratio += compared.Ratio()
			}
			n := float64(b.N)
			b.ReportMetric(fetched/n, "fetch-MB/s")
			b.ReportMetric(replayed/n, "replay-s/op")
			b.ReportMetric(verified/n, "verify-s/op")
			b.ReportMetric(ratio/n, "x-cp-and-decompression")
		})
	}
}

// fill gives a server a table of 25 MB that cannot be compressed further: half a kilobyte of
// digests in each row, as hexadecimal digits.
func fill(b *testing.B, primary *pgtest.Node) {
	b.Helper()
	conn, err := primary.Connect(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close(b.Context())
	const table = `CREATE TABLE history AS SELECT i, (SELECT string_agg(encode(sha512(format('%s %s', i, j)::bytea), 'hex'), '')
		FROM generate_series(1, 8) j) FROM generate_series(1, 50000) i`
	if _, err := conn.Exec(b.Context(), table); err != nil {
		b.Fatal(err)
	}
}
