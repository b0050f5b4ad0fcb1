// Package evidence packs a run of drills for those who audit it, and checks such a bundle without
// the systems and without a network. A bundle holds the files of the run, a record of the test,
// what people stated, and a manifest of hashes. Whatever follows from the journals is made again and
// compared when a bundle is checked.
package evidence

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/drtest/suite/internal/report"
)

// A Form is one of those in which a run has its report.
type Form struct {
	Name   string // of the file, such as report.html
	Render func(r *report.Report, dir string) ([]byte, error)
}

// A Maker makes bundles, and checks them.
type Maker struct {
	Forms []Form
	Tool  string // the version of drreport
}

// Bundle writes a bundle of the run in a directory. Stated is what the file of people's statements
// holds, or nil. Last is the path of the bundle of the last test, or empty. It refuses a run of
// which something is damaged, and a report that is not what the journals say.
func (m Maker) Bundle(w io.Writer, dir string, stated []byte, last string) (Record, error) {
	dir, err := filepath.EvalSymlinks(dir) // "latest" is one
	if err == nil {
		dir, err = filepath.Abs(dir)
	}
	if err != nil {
		return Record{}, err
	}
	entries, err := walk(dir, runDir+"/")
	if err != nil {
		return Record{}, err
	}
	r, wrong, err := m.judgeAgain(dir)
	if err != nil {
		return Record{}, err
	}
	if len(wrong) > 0 {
		return Record{}, &Refusal{told(wrong)}
	}
	for _, f := range m.Forms { // those that are there are as they are made here
		if _, err := os.Stat(filepath.Join(dir, f.Name)); errors.Is(err, fs.ErrNotExist) {
			data, err := f.Render(r, dir)
			if err != nil {
				return Record{}, err
			}
			entries = append(entries, entry{name: runDir + "/" + f.Name, data: data})
		}
	}
	if stated != nil {
		entries = append(entries, entry{name: statedFile, data: stated})
	}
	if last != "" {
		of, err := m.lastOf(last)
		if err != nil {
			return Record{}, fmt.Errorf("the last test: %w", err)
		}
		entries = append(entries, of...)
	}
	about, err := newManifest(filepath.Base(dir), m.Tool, nil)
	if err != nil {
		return Record{}, err
	}
	rec, derived, err := recordOf(about, r, entries)
	if err != nil {
		return Record{}, err
	}
	entries = append(entries, derived...)
	about, err = newManifest(about.Run, m.Tool, entries)
	if err != nil {
		return Record{}, err
	}
	data, err := encode(about)
	if err != nil {
		return Record{}, err
	}
	return rec, pack(w, append(entries, entry{name: manifestFile, data: data}))
}

// judgeAgain makes the report of a run of its journals, and returns what is wrong with its files.
func (m Maker) judgeAgain(dir string) (r *report.Report, wrong []string, err error) {
	r, err = report.Collect(dir)
	if err != nil {
		return nil, nil, err
	}
	wrong = slices.Clone(r.Faults())
	if r.Run == nil {
		return r, append(wrong, report.RunFile+" is missing: a bundle is of a run that drreport run played"), nil
	}
	for _, f := range m.Forms {
		given, err := os.ReadFile(filepath.Join(dir, f.Name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, nil, err
		}
		made, err := f.Render(r, dir)
		if err != nil {
			return nil, nil, err
		}
		if !bytes.Equal(given, made) {
			wrong = append(wrong, f.Name+" is not what the journals say, judged again: "+difference(given, made))
		}
	}
	return r, wrong, nil
}

// difference names the first line in which a text is not as it should be.
func difference(given, want []byte) string {
	got, made := strings.Split(string(given), "\n"), strings.Split(string(want), "\n")
	for i := range min(len(got), len(made)) {
		if got[i] != made[i] {
			return fmt.Sprintf("line %d is %.100q, not %.100q", i+1, strings.TrimSpace(got[i]), strings.TrimSpace(made[i]))
		}
	}
	return fmt.Sprintf("it has %d lines, not %d", len(got), len(made))
}

// recordOf makes the record of a run and its files.
func recordOf(m manifest, r *report.Report, entries []entry) (Record, []entry, error) {
	files := map[string][]byte{}
	for _, e := range entries {
		if e.name != statedFile && e.name != lastReport && e.name != lastManifest {
			continue
		}
		from, err := e.open()
		if err != nil {
			return Record{}, nil, err
		}
		files[e.name], err = io.ReadAll(from)
		if err := errors.Join(err, from.Close()); err != nil {
			return Record{}, nil, err
		}
	}
	var s Stated
	var last *lastTest
	if data, ok := files[statedFile]; ok {
		var err error
		if s, err = readStated(data, m.Run, r); err != nil {
			return Record{}, nil, fmt.Errorf("%s: %w", statedFile, err)
		}
	}
	if data, ok := files[lastReport]; ok {
		of, err := readManifest(files[lastManifest])
		if err != nil {
			return Record{}, nil, fmt.Errorf("%s: %w", lastManifest, err)
		}
		sum, err := entry{name: runDir + "/" + reportFile, data: data}.sum()
		if said, ok := of.find(sum.Name); err != nil || !ok || said != sum {
			return Record{}, nil, fmt.Errorf("%s is not the report that %s lists", lastReport, lastManifest)
		}
		if last, err = readLast(of.Run, data); err != nil {
			return Record{}, nil, fmt.Errorf("%s: %w", lastReport, err)
		}
	}
	rec := newRecord(m, r, s, last)
	data, err := encode(rec)
	if err != nil {
		return Record{}, nil, err
	}
	text, err := rec.markdown()
	return rec, []entry{{name: dataFile, data: data}, {name: recordFile, data: text}}, err
}

// lastOf returns what is taken over of the bundle of the last test, which has to be whole.
func (m Maker) lastOf(path string) ([]entry, error) {
	var of []entry
	_, err := m.verify(path, func(root string) error {
		for name, from := range map[string]string{lastReport: runDir + "/" + reportFile, lastManifest: manifestFile} {
			data, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(from)))
			if err != nil {
				return err
			}
			of = append(of, entry{name: name, data: data})
		}
		return nil
	})
	return of, err
}
