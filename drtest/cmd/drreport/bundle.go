package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"

	"github.com/drtest/suite/internal/evidence"
	"github.com/drtest/suite/internal/foreign"
)

// maker makes bundles with the forms that a report has here.
func maker() evidence.Maker {
	m := evidence.Maker{Tool: version()}
	for _, f := range forms {
		m.Forms = append(m.Forms, evidence.Form{Name: "report" + f.ending, Render: f.render})
	}
	return m
}

// version is that of this program, as far as the go command has noted it.
func version() string {
	const module = "github.com/drtest/suite"
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "of no version"
	}
	of := info.Main.Version
	for _, d := range info.Deps { // where it is a tool of another module
		if d.Path == module {
			of = d.Version
		}
	}
	return "drreport " + cmp.Or(of, "(devel)")
}

// bundle packs a run.
func (c command) bundle(args []string) (status int, err error) {
	fs := c.flags("bundle", "-out file.zip [-stated file] [-last bundle.zip] dir")
	out := fs.String("out", "", "the `file` to write, which must not exist")
	stated := fs.String("stated", "", "the `file` of what people state, such as drtest-evidence.json")
	last := fs.String("last", "", "the `bundle` of the last test, to compare with")
	dirs, err := parse(fs, args, 1)
	if err != nil {
		return trouble, err
	}
	if *out == "" {
		return trouble, errors.New("bundle needs -out: the file to write")
	}
	inside, err := within(dirs[0], *out)
	if err != nil {
		return trouble, err
	}
	if inside {
		return trouble, fmt.Errorf("%s lies in the directory that is packed", *out)
	}
	var statements []byte
	if *stated != "" {
		if statements, err = os.ReadFile(*stated); err != nil {
			return trouble, err
		}
	}
	file, err := os.OpenFile(*out, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return trouble, err
	}
	record, err := maker().Bundle(file, dirs[0], statements, *last)
	if err := errors.Join(err, file.Close()); err != nil {
		status, err := c.refused(err)
		return status, errors.Join(err, os.Remove(*out))
	}
	fmt.Fprintf(c.stdout, "%s\n", foreign.Text(record.Verdict))
	for _, what := range record.NotStated {
		fmt.Fprintf(c.stdout, "not stated: %s\n", foreign.Text(what))
	}
	fmt.Fprintf(c.stdout, "wrote %s, the evidence of run %s\n", *out, foreign.Text(record.Run))
	return passed, nil
}

// refused shows why a bundle or a run is no evidence, or passes on that it cannot be read.
func (c command) refused(err error) (int, error) {
	refusal := new(evidence.Refusal)
	if !errors.As(err, &refusal) {
		return trouble, err
	}
	for _, why := range refusal.Wrong {
		fmt.Fprintf(c.stderr, "refused: %s\n", foreign.Text(why))
	}
	return notPassed, nil
}

// within says whether a file that may not exist yet lies below a directory.
func within(dir, file string) (bool, error) {
	real := func(path string) (string, error) {
		path, err := filepath.EvalSymlinks(path)
		if err != nil {
			return "", err
		}
		return filepath.Abs(path)
	}
	root, err := real(dir)
	if err != nil {
		return false, err
	}
	beside, err := real(filepath.Dir(file))
	if err != nil {
		return false, err
	}
	way, err := filepath.Rel(root, beside)
	return err == nil && way != ".." && !strings.HasPrefix(way, ".."+string(filepath.Separator)), nil
}
