package images

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"
)

// dockerfile and ignoreFile are always a part of a build context: the engine's builder reads both.
const (
	dockerfile = "Dockerfile"
	ignoreFile = ".dockerignore"
)

// files reads the files of the image, without its programs.
func (i Image) files() (map[string][]byte, error) {
	ignored, err := ignored(i.Files)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", ignoreFile, err)
	}
	files := map[string][]byte{}
	err = fs.WalkDir(i.Files, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == "." {
			return err
		}
		if path != dockerfile && path != ignoreFile {
			out, err := ignored.MatchesOrParentMatches(path)
			switch {
			case err != nil:
				return fmt.Errorf("%s: %w", ignoreFile, err)
			case out && d.IsDir() && !ignored.Exclusions(): // nothing below it is taken in again
				return fs.SkipDir
			case out:
				return nil
			case path == ".git": // a folder, or a file that leads to one
				return errors.New("files hold .git, which changes with each commit: " +
					"give a folder of the image's own, or leave it out by a " + ignoreFile)
			}
		}
		if d.IsDir() {
			return nil
		}
		info, err := fs.Stat(i.Files, path) // of what a link leads to
		if err == nil && !info.Mode().IsRegular() {
			err = fmt.Errorf("%s is no file", path)
		}
		if err != nil {
			return fmt.Errorf("%w: leave it out by a %s", err, ignoreFile)
		}
		files[path], err = fs.ReadFile(i.Files, path)
		return err
	})
	if _, ok := files[dockerfile]; err == nil && !ok {
		err = errors.New("files have no Dockerfile at their root")
	}
	return files, err
}

// ignored returns what matches the files that are left out.
func ignored(files fs.FS) (*patternmatcher.PatternMatcher, error) {
	list, err := fs.ReadFile(files, ignoreFile)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	patterns, err := ignorefile.ReadAll(bytes.NewReader(list))
	if err != nil {
		return nil, err
	}
	return patternmatcher.New(patterns)
}

// tests counts the tests among files, and names one.
func tests(files map[string][]byte) (n int, first string) {
	for name := range files {
		if strings.HasSuffix(name, "_test.go") {
			if n++; first == "" || name < first {
				first = name
			}
		}
	}
	return n, first
}
