package evidence

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/drtest/suite/internal/report"
)

// Checked is what was found in a bundle that is whole, or in the directory of a run.
type Checked struct {
	Report *report.Report
	Run    string
	Files  int // that are as the manifest says; 0 for the directory of a run, which has none
	Notes  []string
}

// A Refusal is why a bundle is refused: each reason names a file.
type Refusal struct{ Wrong []string }

// Error puts each reason on a line.
func (r *Refusal) Error() string { return strings.Join(r.Wrong, "\n") }

// Verify checks a bundle, the directory that one was unpacked to, or the directory of a run. An
// error that is no [Refusal] means that it cannot be read.
func (m Maker) Verify(path string) (Checked, error) {
	return m.verify(path, func(string) error { return nil })
}

// verify calls then with the directory of the files of a bundle that is whole.
func (m Maker) verify(path string, then func(root string) error) (c Checked, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return Checked{}, err
	}
	root := path
	var wrong []string
	if !info.IsDir() {
		if root, err = os.MkdirTemp("", "drtest-bundle-"); err != nil {
			return Checked{}, err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(root)) }()
		wrong = unpack(path, root)
	} else if _, err := os.Stat(filepath.Join(root, report.RunFile)); err == nil {
		return m.verifyRun(path)
	}
	if root, err = filepath.EvalSymlinks(root); err != nil {
		return Checked{}, err
	}
	c, more, err := m.verifyFiles(root)
	if err != nil {
		return Checked{}, err
	}
	if wrong = append(wrong, more...); len(wrong) == 0 && !info.IsDir() {
		switch same, err := m.samePacking(path, root); {
		case err != nil:
			return Checked{}, err
		case same == "":
			wrong = append(wrong, "the bundle is not packed as drreport packs it: something was changed or added outside of its files")
		case same != whole:
			c.Notes = append(c.Notes, same)
		}
	}
	if len(wrong) > 0 {
		return Checked{}, &Refusal{told(wrong)}
	}
	return c, then(root)
}

const whole = "whole"

// samePacking returns whole, nothing where the packing differs, or why that cannot be told.
func (m Maker) samePacking(path, root string) (string, error) {
	entries, err := walk(root, "")
	if err != nil {
		return "", err
	}
	same, err := repacked(path, entries)
	if err != nil || same {
		return whole, err
	}
	data, err := os.ReadFile(filepath.Join(root, manifestFile))
	if err != nil {
		return "", err
	}
	of, err := readManifest(data)
	if err != nil || of.Go == runtime.Version() {
		return "", err
	}
	return fmt.Sprintf("the bundle was packed with %s, and this program was built with %s: its files are whole, what stands between them was not compared", of.Go, runtime.Version()), nil
}

// verifyRun checks the directory of a run, which has no manifest.
func (m Maker) verifyRun(dir string) (Checked, error) {
	dir, err := filepath.EvalSymlinks(dir) // "latest" is one
	if err != nil {
		return Checked{}, err
	}
	r, wrong, err := m.judgeAgain(dir)
	if err != nil {
		return Checked{}, err
	}
	if len(wrong) > 0 {
		return Checked{}, &Refusal{told(wrong)}
	}
	c := Checked{Report: r, Run: filepath.Base(dir), Notes: notes(r)}
	c.Notes = append(c.Notes, "this is the directory of a run, without a manifest: what its transcript does not vouch for, such as logs, was not checked")
	return c, nil
}

// notes are what hashes of the run itself leave open.
func notes(r *report.Report) (notes []string) {
	for _, run := range []*report.Run{r.Run, r.Rerun} {
		if run != nil && run.Transcript == "" {
			notes = append(notes, "the run did not come to its end, so it left no hash of its transcript: the manifest alone vouches for it")
		}
	}
	return notes
}

// verifyFiles checks the files of a bundle, and returns what is wrong with them.
func (m Maker) verifyFiles(root string) (c Checked, wrong []string, err error) {
	data, err := os.ReadFile(filepath.Join(root, manifestFile))
	if errors.Is(err, fs.ErrNotExist) {
		return c, []string{manifestFile + " is missing"}, nil
	}
	if err != nil {
		return c, nil, err
	}
	of, err := readManifest(data)
	if err != nil {
		return c, []string{manifestFile + ": " + err.Error()}, nil
	}
	entries, err := walk(root, "")
	if err != nil {
		return c, []string{err.Error()}, nil
	}
	entries = slices.DeleteFunc(entries, func(e entry) bool { return e.name == manifestFile })
	actual, err := newManifest(of.Run, of.Tool, entries)
	if err != nil {
		return c, nil, err
	}
	for _, f := range actual.Files {
		switch said, ok := of.find(f.Name); {
		case !ok:
			wrong = append(wrong, f.Name+" was added: the manifest does not list it")
		case said != f:
			wrong = append(wrong, f.Name+" was changed: it has not the hash and size of the manifest")
		}
	}
	for _, f := range of.Files {
		if _, ok := actual.find(f.Name); !ok {
			wrong = append(wrong, f.Name+" was removed: the manifest lists it")
		}
	}
	dir := filepath.Join(root, runDir)
	if _, err := os.Stat(dir); err != nil {
		return c, append(wrong, runDir+" is missing"), nil
	}
	r, more, err := m.judgeAgain(dir)
	if err != nil {
		return c, append(wrong, "the run cannot be judged again: "+err.Error()), nil
	}
	for _, f := range m.Forms {
		if _, ok := actual.find(runDir + "/" + f.Name); !ok {
			more = append(more, f.Name+" is missing")
		}
	}
	for _, w := range more {
		wrong = append(wrong, runDir+"/: "+w)
	}
	if r.Run == nil {
		return c, wrong, nil
	}
	wrong = append(wrong, m.verifyRecord(of, r, entries)...)
	if made := m.Tool; len(wrong) > 0 && of.Tool != made {
		wrong = append(wrong, fmt.Sprintf("the bundle was made by drreport %s, and this is %s, which may say the same otherwise: check it with that one", cmp.Or(of.Tool, "of no version"), made))
	}
	return Checked{Report: r, Run: of.Run, Files: len(of.Files), Notes: notes(r)}, wrong, nil
}

// verifyRecord compares the record with the one that follows from the rest of the bundle.
func (m Maker) verifyRecord(of manifest, r *report.Report, entries []entry) (wrong []string) {
	_, made, err := recordOf(of, r, entries)
	if err != nil {
		return []string{"the record cannot be made again: " + err.Error()}
	}
	for _, e := range made {
		i := slices.IndexFunc(entries, func(given entry) bool { return given.name == e.name })
		if i < 0 {
			wrong = append(wrong, e.name+" is missing")
			continue
		}
		given, err := os.ReadFile(entries[i].path)
		if err != nil {
			return append(wrong, err.Error())
		}
		if !bytes.Equal(given, e.data) {
			wrong = append(wrong, e.name+" is not the record of this run: "+difference(given, e.data))
		}
	}
	return wrong
}
