package main

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"go/format"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"text/template"

	"github.com/drtest/suite/internal/foreign"
)

//go:embed first/drill_test.go.tmpl
var firstDrill string

//go:embed first/Dockerfile
var firstDockerfile string

// create writes the first drill of a service, which its owner then changes.
func (c command) create(args []string) (int, error) {
	fs := c.flags("new", "[-program path | -image name] [-port n] dir")
	program := fs.String("program", "", "the `path` of the service's main package, seen from dir, or its import path (default ../cmd/app)")
	image := fs.String("image", "", "the `name` of an image of the service that exists, in place of a program that is built")
	port := fs.Uint("port", 8080, "where the service listens in its container")
	dirs, err := parse(fs, args, 1)
	if err != nil {
		return trouble, err
	}
	dir := dirs[0]
	abs, err := filepath.Abs(dir)
	if err != nil {
		return trouble, err
	}
	pkg := packageName(filepath.Base(abs))
	switch {
	case *program != "" && *image != "":
		return trouble, errors.New("-program builds an image of the service, and -image takes one that exists: give one of them")
	case *port == 0 || *port > 65535:
		return trouble, fmt.Errorf("-port %d: there is no such port", *port)
	case !token.IsIdentifier(pkg):
		return trouble, fmt.Errorf("a package cannot be named after the directory %s: give another one, such as drills", foreign.Text(dir))
	}
	if *program == "" {
		*program = "../cmd/app"
	}
	var source bytes.Buffer
	data := struct {
		Package, Program, Image string
		Port                    uint
	}{pkg, *program, *image, *port}
	if err := template.Must(template.New("drill").Parse(firstDrill)).Execute(&source, data); err != nil {
		return trouble, err
	}
	drill, err := format.Source(source.Bytes())
	if err != nil {
		return trouble, err
	}
	type file struct{ path, text string }
	files := []file{{filepath.Join(dir, "drill_test.go"), string(drill)}}
	if *image == "" {
		files = append(files, file{filepath.Join(dir, "image", "Dockerfile"), firstDockerfile})
	}
	for _, f := range files { // all of them or none
		if _, err := os.Lstat(f.path); err == nil {
			return trouble, fmt.Errorf("%s is there already, and nothing was written: give another directory", foreign.Text(f.path))
		}
		if err := os.MkdirAll(filepath.Dir(f.path), 0o755); err != nil {
			return trouble, err
		}
	}
	for _, f := range files {
		if err := os.WriteFile(f.path, []byte(f.text), 0o644); err != nil {
			return trouble, err
		}
		fmt.Fprintf(c.stdout, "wrote %s\n", foreign.Text(f.path))
	}
	at := "./" + foreign.Text(filepath.ToSlash(filepath.Clean(dir)))
	if filepath.IsAbs(dir) {
		at = foreign.Text(dir)
	}
	fmt.Fprintf(c.stdout, `
It is a drill of a shop that takes orders: the database is killed under load.
Change, by what your service does:
  Do         asks for one unit of work by its id; nil means that the service has acknowledged it
  Survivors  returns the ids of all that the service holds afterwards
  Ready      asks the service for its health
Its objectives:
  RTO(5s)         clients are served again within five seconds of the crash
  RPO(0)          nothing that was acknowledged is lost
  NoDuplicates()  nothing is held twice
Then play it:
  go mod tidy
  go tool drreport run %s
`, at)
	return passed, nil
}

var notInNames = regexp.MustCompile(`[^a-z0-9_]+`)

// packageName is that of a package in a directory of that name.
func packageName(dir string) string { return notInNames.ReplaceAllString(strings.ToLower(dir), "") }
