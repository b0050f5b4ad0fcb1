package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/drtest/suite/internal/formats"
	"github.com/drtest/suite/internal/html"
	"github.com/drtest/suite/internal/report"
)

// forms are those that a report has, by the endings of their files.
var forms = []struct {
	ending string
	render func(r *report.Report, dir string) ([]byte, error)
}{
	{".html", html.Render},
	{".md", func(r *report.Report, _ string) ([]byte, error) { return r.Markdown() }},
	{".xml", func(r *report.Report, _ string) ([]byte, error) { return formats.JUnit(r) }},
	{".prom", func(r *report.Report, _ string) ([]byte, error) { return formats.Prometheus(r) }},
	{".otlp", func(r *report.Report, _ string) ([]byte, error) { return formats.OTLP(r) }},
	{".json", func(r *report.Report, _ string) ([]byte, error) { return r.JSON() }},
}

// formOf returns how to make the report for a file, or nil when its ending asks for none.
func formOf(file string) func(*report.Report, string) ([]byte, error) {
	for _, f := range forms {
		if f.ending == filepath.Ext(file) {
			return f.render
		}
	}
	return nil
}

// endings lists those of all forms.
func endings() string {
	var all []string
	for _, f := range forms {
		all = append(all, f.ending)
	}
	return strings.Join(all, ", ")
}

// reports are the files of all forms in a directory.
func reports(dir string) (files []string) {
	for _, f := range forms {
		files = append(files, filepath.Join(dir, "report"+f.ending))
	}
	return files
}

// save writes the report of a directory to files in the forms that their endings ask for: as many
// of them as it can.
func save(r *report.Report, dir string, files ...string) error {
	var errs []error
	for _, file := range files {
		data, err := formOf(file)(r, dir)
		if err == nil {
			err = os.WriteFile(file, data, 0o644)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("write report: %w", err))
		}
	}
	return errors.Join(errs...)
}
