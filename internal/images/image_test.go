package images

import (
	"io/fs"
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

func TestContextWithoutDockerfile(t *testing.T) {
	_, err := Image{Files: fstest.MapFS{"a": {}}}.files()
	if err == nil || err.Error() != "files have no Dockerfile at their root" {
		t.Errorf("error is %v", err)
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
