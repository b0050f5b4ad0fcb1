package containertest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A death is dated by how long ago it was when the engine told of it, where the engine can know.
func TestDeadBy(t *testing.T) {
	begin := time.Now()
	news := begin.Add(300 * time.Millisecond)
	engine := time.Date(2020, 1, 1, 12, 0, 0, 0, time.UTC) // no two clocks are compared
	for _, c := range []struct {
		name     string
		finished string
		want     time.Duration // since begin
	}{
		{"told late", "2020-01-01T11:59:59.75Z", 50 * time.Millisecond},
		{"told at once", "2020-01-01T12:00:00Z", 300 * time.Millisecond},
		{"it has died again since", "2020-01-01T12:00:00.001Z", 300 * time.Millisecond},
		{"an earlier death", "2020-01-01T11:59:59.699Z", 300 * time.Millisecond},
		{"never ended", "0001-01-01T00:00:00Z", 300 * time.Millisecond},
		{"no time", "", 300 * time.Millisecond},
	} {
		t.Run(c.name, func(t *testing.T) {
			require.Equal(t, c.want, deadBy(begin, news, engine, c.finished).Sub(begin))
		})
	}
}
