package shards

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const s = time.Second

func TestSplit(t *testing.T) {
	tests := []string{"A", "B", "C", "D", "E"}
	for _, c := range []struct {
		reason string
		took   map[string]time.Duration
		n      int
		want   [][]string
	}{
		{"by count", nil, 2, [][]string{{"A", "C", "E"}, {"B", "D"}}},
		{"all on one", nil, 1, [][]string{{"A", "B", "C", "D", "E"}}},
		{"one is as long as the others", map[string]time.Duration{"A": s, "B": s, "C": s, "D": 4 * s, "E": s}, 2, [][]string{{"D"}, {"A", "B", "C", "E"}}},
		{"an unknown one is the median", map[string]time.Duration{"A": 5 * s, "B": s, "C": 5 * s, "D": s}, 2, [][]string{{"A", "E"}, {"B", "C", "D"}}},
		{"none takes time", map[string]time.Duration{"A": 0, "B": 0, "C": 0, "D": 0, "E": 9 * s}, 5, [][]string{{"E"}, {"A"}, {"B"}, {"C"}, {"D"}}},
		{"more than there are", nil, 6, [][]string{{"A"}, {"B"}, {"C"}, {"D"}, {"E"}, nil}},
	} {
		backwards := slices.Clone(tests)
		slices.Reverse(backwards)
		for _, tests := range [][]string{tests, backwards} {
			if diff := cmp.Diff(c.want, Split(tests, c.took, c.n)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", c.reason, diff)
			}
		}
	}
}

// Of several runs the latest tells how long a test took, and parts of tests are in the test.
func TestReadRecord(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"2/gotest.json": `{"Action":"drtest","Value":"X"}
{"Time":"2025-11-14T09:30:00Z","Action":"start","Package":"p"}
{"Time":"2025-11-14T09:30:00Z","Action":"output","Package":"p","Test":"TestA","Output":"{\"Action\":\"pass\",\"Test\":\"TestA\",\"Elapsed\":99}\n"}
not JSON
{"Time":"2025-11-14T09:30:04Z","Action":"pass","Package":"p","Test":"TestA/x","Elapsed":4}
{"Time":"2025-11-14T09:30:04Z","Action":"pass","Package":"p","Test":"TestA","Elapsed":4}
{"Time":"2025-11-14T09:30:04Z","Action":"fail","Package":"p","Test":"TestB","Elapsed":2.5}
{"Time":"2025-11-14T09:30:04Z","Action":"pass","Package":"q","Test":"TestB","Elapsed":1}
{"Time":"2025-11-14T09:30:05Z","Action":"fail","Package":"p","Elapsed":5}
{"Time":"2025-11-14T09:30:05Z","Action":"pass","Package":"p","Test":"TestCut","El`,
		"1/gotest.json":       `{"Time":"2025-11-13T09:30:00Z","Action":"pass","Package":"p","Test":"TestA","Elapsed":7}` + "\n",
		"2/rerun/gotest.json": `{"Time":"2025-11-14T09:31:00Z","Action":"pass","Package":"p","Test":"TestB","Elapsed":2}` + "\n",
		"empty/run.json":      "{}",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("2", filepath.Join(dir, "latest")); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]*Record{
		"":              {map[string]time.Duration{"TestA": 4 * s, "TestB": 3 * s}, 16.5 / 5},
		"latest":        {map[string]time.Duration{"TestA": 4 * s, "TestB": 3 * s}, 9.5 / 5},
		"1/gotest.json": {map[string]time.Duration{"TestA": 7 * s}, 1},
	} {
		got, err := ReadRecord(filepath.Join(dir, path))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", path, diff)
		}
	}
	for path, want := range map[string]string{
		"empty":  "no durations are recorded in " + dir + "/empty: it has no gotest.json in which a test comes to its end",
		"nosuch": "read recorded durations: lstat " + dir + "/nosuch: no such file or directory",
	} {
		if _, err := ReadRecord(filepath.Join(dir, path)); err == nil || err.Error() != want {
			t.Errorf("%s: got %v, want %s", path, err, want)
		}
	}
}
