package main

import (
	"cmp"
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

// merge copies the evidence of shards into one directory, and reports on all of it as on one run.
func (c command) merge(args []string) (int, error) {
	fs := c.flags("merge", "-out dir shard-dirs...")
	out := fs.String("out", "", "the `directory` that gets everything, which must not exist yet")
	dirs, err := parse(fs, args, 0)
	if err != nil {
		return trouble, err
	}
	if *out == "" {
		return trouble, errors.New("merge needs -out and a new directory")
	}
	var runs []*report.Run
	for _, dir := range dirs {
		run, err := report.ReadShard(dir)
		if err != nil {
			return trouble, err
		}
		runs = append(runs, run)
	}
	if err := report.CheckShards(dirs, runs); err != nil {
		return trouble, err
	}
	if err := os.MkdirAll(filepath.Dir(*out), 0o755); err != nil {
		return trouble, fmt.Errorf("make directory of the merged run: %w", err)
	}
	if err := os.Mkdir(*out, 0o755); err != nil { // what is there already would be taken for evidence
		return trouble, fmt.Errorf("make directory of the merged run: %w", err)
	}
	for i, dir := range dirs {
		if err := copyEvidence(filepath.Join(*out, report.ShardDir(runs[i].Shard.Index)), dir); err != nil {
			return trouble, errors.Join(fmt.Errorf("copy %s: %w", dir, err), os.RemoveAll(*out))
		}
	}
	r, err := report.Collect(*out)
	if err != nil {
		return trouble, err
	}
	unmute := c.mute()
	fmt.Fprintf(c.stdout, "%s", r.Table())
	if err := save(r, *out, reports(*out)...); err != nil {
		return trouble, err
	}
	fmt.Fprintf(c.stdout, "report: %s\n", filepath.Join(*out, "report.html"))
	unmute()
	if err := c.tellGitHub(r, packagesOf(r)); err != nil {
		return trouble, err
	}
	return statusOf(r), nil
}

// packagesOf are those that results name.
func packagesOf(r *report.Report) (packages []string) {
	for _, x := range r.Results {
		packages = append(packages, string(x.Package))
	}
	slices.Sort(packages)
	return slices.DeleteFunc(slices.Compact(packages), func(p string) bool { return p == "" })
}

// copyEvidence copies what a shard left but its own reports. It refuses what is no file: a link may
// lead to what the shard never wrote.
func copyEvidence(to, from string) error {
	from, err := filepath.EvalSymlinks(from) // "latest" is one
	if err != nil {
		return err
	}
	return filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		switch {
		case entry.IsDir():
			return os.Mkdir(filepath.Join(to, name), 0o755)
		case !entry.Type().IsRegular():
			return fmt.Errorf("%s is no file", name)
		case filepath.Dir(name) == "." && strings.HasPrefix(name, "report."):
			return nil
		}
		return copyFile(filepath.Join(to, name), path)
	})
}

func copyFile(to, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return cmp.Or(err, out.Close())
}
