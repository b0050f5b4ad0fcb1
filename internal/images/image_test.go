package images

import (
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestContext(t *testing.T) {
	files := func(dockerfile, script string, mode fs.FileMode, age time.Duration) fs.FS {
		when := time.Now().Add(-age)
		return fstest.MapFS{
			"Dockerfile":     {Data: []byte(dockerfile), Mode: mode, ModTime: when},
			"conf/script.sh": {Data: []byte(script), Mode: mode, ModTime: when},
		}
	}
	first := files("FROM scratch", "true", 0o644, time.Hour)
	tests := []struct {
		name   string
		reason string
		files  fs.FS
		same   bool
	}{
		{"again", "the archive of the same files is the same", first, true},
		{"metadata", "neither modes nor times count, since go:embed keeps none", files("FROM scratch", "true", 0o755, 0), true},
		{"dockerfile", "the Dockerfile counts", files("FROM other", "true", 0o644, time.Hour), false},
		{"script", "every file counts", files("FROM scratch", "false", 0o644, time.Hour), false},
		{"boundary", "content does not move between files", files("FROM scratcht", "rue", 0o644, time.Hour), false},
	}
	want := archived(t, first)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := cmp.Equal(want, archived(t, tt.files)); got != tt.same {
				t.Errorf("same archive: %v, want %v: %s", got, tt.same, tt.reason)
			}
		})
	}
}

func TestContextRefused(t *testing.T) {
	for _, c := range []struct {
		files fstest.MapFS
		want  string
	}{
		{fstest.MapFS{"a": {}}, "files have no Dockerfile at their root"},
		{
			fstest.MapFS{"Dockerfile": {}, ".git/index": {}},
			"files hold .git, which changes with each commit: give a folder of the image's own, or leave it out by a .dockerignore",
		},
		{
			fstest.MapFS{"Dockerfile": {}, ".git": {}}, // of a worktree
			"files hold .git, which changes with each commit: give a folder of the image's own, or leave it out by a .dockerignore",
		},
		{fstest.MapFS{"Dockerfile": {}, "run/socket": {Mode: fs.ModeSocket}}, "run/socket is no file: leave it out by a .dockerignore"},
		{fstest.MapFS{"Dockerfile": {}, "latest": {Data: []byte("runs/7"), Mode: fs.ModeSymlink}, "runs/7/report": {}}, "latest is no file: leave it out by a .dockerignore"},
		{
			fstest.MapFS{"Dockerfile": {}, "gone": {Data: []byte("nowhere"), Mode: fs.ModeSymlink}},
			"open gone: file does not exist: leave it out by a .dockerignore",
		},
		{fstest.MapFS{"Dockerfile": {}, ".dockerignore": {Data: []byte("[")}}, ".dockerignore: syntax error in pattern"},
	} {
		_, err := Image{Files: c.files}.files()
		if diff := cmp.Diff(c.want, fmt.Sprint(err)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}

// What a .dockerignore lists is no part of the image, by the rules of docker build, but for the two
// files that the engine's builder reads.
func TestDockerignore(t *testing.T) {
	for _, c := range []struct {
		reason, list string
		want         []string
	}{
		{"no list", "", []string{".dockerignore", "Dockerfile", "cmd/main.go", "cmd/main_test.go", "conf/a.yml", "conf/b.yml", "drills/drill_test.go"}},
		{"tests, at any depth", "# tests\n**/*_test.go\n", []string{".dockerignore", "Dockerfile", "cmd/main.go", "conf/a.yml", "conf/b.yml"}},
		{"folders", "drills/\n/cmd\n", []string{".dockerignore", "Dockerfile", "conf/a.yml", "conf/b.yml"}},
		{"all but what is listed", "*\n!conf\nconf/b.*\n", []string{".dockerignore", "Dockerfile", "conf/a.yml"}},
		{"all", "**", []string{".dockerignore", "Dockerfile"}},
	} {
		t.Run(c.reason, func(t *testing.T) {
			files, err := Image{Files: fstest.MapFS{
				"Dockerfile": {}, ".dockerignore": {Data: []byte(c.list)},
				"cmd/main.go": {}, "cmd/main_test.go": {}, "conf/a.yml": {}, "conf/b.yml": {}, "drills/drill_test.go": {},
			}}.files()
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, slices.Sorted(maps.Keys(files))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestTests: those among the files are counted, since each edit of one makes another image.
func TestTests(t *testing.T) {
	files := map[string][]byte{"Dockerfile": nil, "b/drill_test.go": nil, "a/drill_test.go": nil, "a/drill.go": nil}
	n, first := tests(files)
	if diff := cmp.Diff("2 a/drill_test.go", fmt.Sprint(n, " ", first)); diff != "" {
		t.Error(diff)
	}
}

func archived(t *testing.T, of fs.FS) []byte {
	t.Helper()
	files, err := Image{Files: of}.files()
	if err != nil {
		t.Fatal(err)
	}
	return archive(files)
}
