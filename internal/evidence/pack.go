package evidence

import (
	"archive/zip"
	"compress/flate"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// largest is the most bytes that are unpacked of a bundle, which may be made to fill a disk.
const largest = 16 << 30

// pack writes entries as a zip file whose bytes follow from them: ordered by name, without times
// and owners. How well it is compressed depends on the version of Go.
func pack(w io.Writer, entries []entry) error {
	entries = slices.SortedFunc(slices.Values(entries), func(a, b entry) int { return strings.Compare(a.name, b.name) })
	z := zip.NewWriter(w)
	z.RegisterCompressor(zip.Deflate, func(w io.Writer) (io.WriteCloser, error) { return flate.NewWriter(w, flate.DefaultCompression) })
	for _, e := range entries {
		to, err := z.CreateHeader(&zip.FileHeader{Name: e.name, Method: zip.Deflate})
		if err != nil {
			return fmt.Errorf("pack %s: %w", e.name, err)
		}
		from, err := e.open()
		if err == nil {
			_, err = io.Copy(to, from)
			err = errors.Join(err, from.Close())
		}
		if err != nil {
			return fmt.Errorf("pack %s: %w", e.name, err)
		}
	}
	return z.Close()
}

// unpack writes the files of a bundle to a directory, and returns what is wrong with them. A file
// of a name that leads out of the directory is not written.
func unpack(path, dir string) (wrong []string) {
	z, err := zip.OpenReader(path)
	if err != nil {
		return []string{"the bundle is no whole zip file: " + err.Error()}
	}
	defer z.Close()
	left := int64(largest)
	for _, f := range z.File {
		if !fs.ValidPath(f.Name) || strings.Contains(f.Name, `\`) || !f.Mode().IsRegular() {
			wrong = append(wrong, fmt.Sprintf("%q is no name of a file of a bundle", f.Name))
			continue
		}
		n, err := unpackFile(f, filepath.Join(dir, filepath.FromSlash(f.Name)), left)
		if left -= n; errors.Is(err, fs.ErrExist) {
			err = errors.New("it stands twice")
		}
		if err != nil {
			wrong = append(wrong, fmt.Sprintf("%s cannot be unpacked: %v", f.Name, err))
		}
		if left <= 0 {
			return append(wrong, fmt.Sprintf("the bundle unpacks to more than %d bytes", int64(largest)))
		}
	}
	return wrong
}

func unpackFile(f *zip.File, path string, most int64) (n int64, err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return 0, err
	}
	to, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return 0, err
	}
	from, err := f.Open()
	if err == nil {
		n, err = io.Copy(to, io.LimitReader(from, most))
		err = errors.Join(err, from.Close())
	}
	return n, errors.Join(err, to.Close())
}

// repacked says whether a zip file is as this program packs what was unpacked of it, so that it has
// nothing that is not in its files.
func repacked(path string, entries []entry) (bool, error) {
	given, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer given.Close()
	c := &comparer{with: given}
	if err := pack(c, entries); err != nil {
		return false, err
	}
	_, err = given.Read(make([]byte, 1))
	return !c.differs && err == io.EOF, nil
}

// A comparer compares what is written with what can be read.
type comparer struct {
	with    io.Reader
	differs bool
}

func (c *comparer) Write(p []byte) (int, error) {
	other := make([]byte, len(p))
	if n, _ := io.ReadFull(c.with, other); n != len(p) || string(other) != string(p) {
		c.differs = true
	}
	return len(p), nil
}
