package evidence

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// The files of a bundle. Those of the run lie below runDir, as they lay in its directory.
const (
	manifestFile = "manifest.json"
	recordFile   = "evidence.md"
	dataFile     = "evidence.json"
	statedFile   = "stated.json"
	runDir       = "run"
	lastReport   = "last/report.json"
	lastManifest = "last/manifest.json"
	reportFile   = "report.json" // of a run
)

// version is that of the form of a bundle.
const version = 1

// A manifest lists the files of a bundle but itself.
type manifest struct {
	Version int    `json:"version"`
	Run     string `json:"run"`  // the name of its directory, such as 20261129T155817.123Z
	Tool    string `json:"tool"` // the drreport that made the bundle
	Go      string `json:"go"`   // that drreport was built with, on which the packing depends
	Files   []file `json:"files"`
}

type file struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

// An entry is a file that a bundle is to have: of a path, or else its data.
type entry struct {
	name, path string
	data       []byte
}

func (e entry) open() (io.ReadCloser, error) {
	if e.path == "" {
		return io.NopCloser(bytes.NewReader(e.data)), nil
	}
	return os.Open(e.path)
}

// sum returns what a manifest says of a file.
func (e entry) sum() (file, error) {
	r, err := e.open()
	if err != nil {
		return file{}, err
	}
	defer r.Close()
	hash := sha256.New()
	n, err := io.Copy(hash, r)
	return file{e.name, n, hex.EncodeToString(hash.Sum(nil))}, err
}

// newManifest lists entries by their names.
func newManifest(run, tool string, entries []entry) (manifest, error) {
	m := manifest{Version: version, Run: run, Tool: tool, Go: runtime.Version(), Files: []file{}}
	for _, e := range entries {
		f, err := e.sum()
		if err != nil {
			return manifest{}, fmt.Errorf("hash %s: %w", e.name, err)
		}
		m.Files = append(m.Files, f)
	}
	slices.SortFunc(m.Files, func(a, b file) int { return strings.Compare(a.Name, b.Name) })
	return m, nil
}

// find returns what is said of a file.
func (m manifest) find(name string) (file, bool) {
	i := slices.IndexFunc(m.Files, func(f file) bool { return f.Name == name })
	if i < 0 {
		return file{}, false
	}
	return m.Files[i], true
}

// readManifest refuses what drreport does not write.
func readManifest(data []byte) (m manifest, err error) {
	if err := strict(data, &m); err != nil {
		return m, err
	}
	if m.Version != version {
		return m, fmt.Errorf("it has version %d, this program reads version %d", m.Version, version)
	}
	if again, err := encode(m); err != nil || !bytes.Equal(again, data) {
		return m, errors.New("it is not written as drreport writes it")
	}
	return m, nil
}

// encode writes JSON in the one way in which bundles have it.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err := e.Encode(v)
	return b.Bytes(), err
}

// strict decodes one JSON value without fields that nobody reads.
func strict(data []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("something stands after its end")
	}
	return nil
}

// walk returns the files below a directory, named as they are in a bundle below prefix.
func walk(dir, prefix string) (entries []entry, err error) {
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		if !d.Type().IsRegular() {
			return fmt.Errorf("%s is no regular file, and a bundle holds nothing else", name)
		}
		entries = append(entries, entry{name: prefix + filepath.ToSlash(name), path: path})
		return nil
	})
	return entries, err
}
