package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/drtest/suite/drtest/report"
)

// run runs go test and reports on it.
func (c command) run(args []string) (int, error) {
	fs := c.flags("run", "[-out dir] [-run regexp] [-skip regexp] [-timeout d] [-parallel n] packages...")
	out := fs.String("out", "dr-results", "the `directory` that gets a directory for each run")
	only := fs.String("run", "", "run only tests that match `regexp`")
	skip := fs.String("skip", "", "leave out tests that match `regexp`")
	timeout := fs.Duration("timeout", time.Hour, "the `limit` of each package's tests")
	parallel := fs.Int("parallel", 0, "play at most `n` tests of a package at a time, where the machine carries them; 0 is one for each processor")
	packages, err := parse(fs, args, 0)
	if err != nil {
		return trouble, err
	}
	now := time.Now().UTC()
	name := now.Format("20060102T150405.000Z")
	dir, err := filepath.Abs(filepath.Join(*out, name))
	if err == nil {
		err = os.MkdirAll(dir, 0o755)
	}
	if err != nil {
		return trouble, fmt.Errorf("make directory of the run: %w", err)
	}
	test := []string{"-timeout", timeout.String()}
	if *only != "" {
		test = append(test, "-run", *only)
	}
	if *skip != "" {
		test = append(test, "-skip", *skip)
	}
	if *parallel != 0 {
		test = append(test, "-parallel", strconv.Itoa(*parallel))
	}
	r, err := c.play(dir, ".", *out, append(test, packages...))
	if err != nil {
		return trouble, err
	}
	if pattern := r.UntrustedTests(); pattern != "" && r.Complete {
		fmt.Fprintf(c.stdout, "\n%splayed again, alone, since the machine did not keep up: %s\n", r.Table(), pattern)
		alone := []string{"-timeout", timeout.String(), "-p", "1", "-parallel", "1", "-run", pattern}
		if *skip != "" {
			alone = append(alone, "-skip", *skip)
		}
		if r, err = c.play(dir, report.AgainDir, *out, append(alone, packages...)); err != nil {
			return trouble, err
		}
	}
	if err := save(r, filepath.Join(dir, "report.json"), filepath.Join(dir, "report.md")); err != nil {
		return trouble, err
	}
	if err := pointLatest(*out, name); err != nil {
		return trouble, err
	}
	fmt.Fprintf(c.stdout, "\n%sreport: %s\n", r.Table(), filepath.Join(*out, name, "report.md"))
	switch {
	case r.Passed():
		return passed, nil
	case r.Untrusted():
		return untrusted, nil
	}
	return notPassed, nil
}

// play runs go test once, keeps what it leaves in a part of the directory of the run, and returns the report of all of it.
func (c command) play(dir, part, out string, args []string) (*report.Report, error) {
	into := filepath.Join(dir, part)
	if err := os.MkdirAll(into, 0o755); err != nil {
		return nil, fmt.Errorf("make directory of the run: %w", err)
	}
	// Vet is for the code of a change, and takes as long as a drill.
	test := append([]string{"go", "test", "-json", "-count=1", "-vet=off", "-artifacts", "-outputdir", into}, args...)
	shown := slices.Clone(test) // a reader has no use for the way to the directory on this machine
	shown[slices.Index(shown, into)] = filepath.Join(out, filepath.Base(dir), part)
	about := report.Run{
		When: time.Now().UTC(), Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH, CPUs: runtime.NumCPU(),
		Command: strings.Join(append(settings(c.environ), quoted(shown)...), " "), Trouble: "it is running",
	}
	if err := describe(into, about); err != nil { // for the report of a run that is killed
		return nil, err
	}
	if err := c.follow(c.exec(test[0], test[1:]...), into, &about); err != nil {
		return nil, err
	}
	if err := describe(into, about); err != nil {
		return nil, err
	}
	return report.Collect(dir)
}

// quoted returns the words of a command line as a shell takes them.
func quoted(words []string) []string {
	words = slices.Clone(words)
	for i, w := range words {
		if strings.ContainsAny(w, " ^$|()*'\\") {
			words[i] = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
		}
	}
	return words
}

// settings are those of the environment that drills read, such as DRTEST_PROFILE=production.
func settings(environ []string) []string {
	var ours []string
	for _, e := range environ {
		if strings.HasPrefix(e, "DRTEST_") {
			ours = append(ours, e)
		}
	}
	slices.Sort(ours)
	return ours
}

// describe writes down how the run was made.
func describe(dir string, about report.Run) error {
	data, err := json.MarshalIndent(about, "", "  ")
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, report.RunFile), append(data, '\n'), 0o644)
	}
	return err
}

// follow runs go test to its end, shows what people should see of it, keeps all of it, and notes how it
// ended. A signal interrupts go test and its tests, and a second one kills them.
func (c command) follow(cmd *exec.Cmd, dir string, about *report.Run) error {
	kept, err := os.Create(filepath.Join(dir, report.TranscriptFile))
	if err != nil {
		return err
	}
	defer kept.Close()
	var said bytes.Buffer
	cmd.Stderr = io.MultiWriter(c.stderr, &said)
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	lead(cmd)
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start go test: %w", err)
	}
	var interrupted os.Signal
	ended, relayed := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(relayed)
		for pass := os.Interrupt; ; pass = os.Kill { // go test ends tidily by an interrupt alone
			select {
			case interrupted = <-c.signals:
				signalAll(cmd, pass)
			case <-ended:
				return
			}
		}
	}()
	transcript := report.NewTranscript()
	lines := bufio.NewReader(io.TeeReader(stdout, kept))
	var line []byte
	for err == nil {
		line, err = lines.ReadBytes('\n')
		if len(line) > 0 {
			fmt.Fprint(c.stdout, transcript.Add(line))
		}
	}
	failure := cmd.Wait() // also when the transcript could not be kept: the pipe is closed, which ends go test
	close(ended)
	<-relayed
	switch code := cmd.ProcessState.ExitCode(); {
	case interrupted != nil:
		about.Trouble = report.Text("interrupted: " + interrupted.String())
	case code < 0:
		about.Trouble = report.Text(failure.Error())
	case code == 0:
		about.Exit, about.Trouble = &code, ""
	default:
		about.Exit, about.Trouble = &code, report.Text(strings.TrimSpace(said.String()))
	}
	if err != io.EOF {
		return fmt.Errorf("keep what go test says: %w", err)
	}
	return nil
}

// pointLatest lets out/latest lead to the directory name beside it: by a link, or by a copy where there are
// no links.
func pointLatest(out, name string) error {
	latest, fresh := filepath.Join(out, "latest"), filepath.Join(out, "latest-"+name)
	if os.Symlink(name, fresh) != nil {
		if err := os.CopyFS(fresh, os.DirFS(filepath.Join(out, name))); err != nil {
			return fmt.Errorf("copy the latest run: %w", err)
		}
	}
	if os.Rename(fresh, latest) == nil { // at once, for those who read it meanwhile
		return nil
	}
	return errors.Join(os.RemoveAll(latest), os.Rename(fresh, latest)) // a directory is in the way
}
