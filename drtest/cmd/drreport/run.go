package main

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/drtest/suite/internal/announce"
	"github.com/drtest/suite/internal/foreign"
	"github.com/drtest/suite/internal/report"
	"github.com/drtest/suite/internal/shards"
	"github.com/drtest/suite/internal/watch"
)

// run runs go test and reports on it.
func (c command) run(args []string) (int, error) {
	fs := c.flags("run", "[-out dir] [-drill name] [-run regexp] [-skip regexp] [-count n] [-timeout d] [-parallel n] [-listen addr] [-shard i/n] [-durations path] [-v] packages...")
	out := fs.String("out", "dr-results", "the `directory` that gets a directory for each run")
	var only, skip string
	matching := func(pattern *string) func(string) error { // of a wrong one, go test says that every package failed
		return func(s string) error {
			*pattern = s
			_, err := regexp.Compile(s)
			return err
		}
	}
	fs.Func("run", "run only tests that match `regexp`", matching(&only))
	drill := fs.String("drill", "", "run only the drill of that `name`: the ID of its scenario, or its test and subtest")
	fs.Func("skip", "leave out tests that match `regexp`", matching(&skip))
	count := fs.Uint("count", 1, "play each drill `n` times, one after the other, each time with its fault at another phase")
	timeout := fs.Duration("timeout", time.Hour, "the `limit` of each package's tests")
	parallel := fs.Uint("parallel", 0, "play at most `n` tests of a package at a time, where the machine carries them; 0 is one for each processor")
	listen := fs.String("listen", "", "tell Prometheus of the drills while they run, at http://`addr`/metrics: :9464, of this machine alone, or with a host")
	var machine part
	fs.Func("shard", "play one part of the drills, the `i/n`-th of n, such as 1/2; drreport merge puts them together", func(s string) (err error) {
		machine, err = parsePart(s)
		return err
	})
	durations := fs.String("durations", "", "divide the drills by how long they took in the run, or the runs, at `path`; all shards need the same")
	verbose := fs.Bool("v", false, "show all phases of the drills on a terminal, too, and not only the latest ones")
	packages, err := parse(fs, args, 0)
	if err != nil {
		return trouble, err
	}
	if i := slices.IndexFunc(packages, func(p string) bool { return strings.HasPrefix(p, "-") }); i >= 0 {
		return trouble, fmt.Errorf("%q is no package: give what go test is to do differently by the flags of drreport run", packages[i])
	}
	switch {
	case *count == 0:
		return trouble, errors.New("-count 0 plays nothing")
	case *count > 1 && machine.of > 0:
		return trouble, errors.New("-count and -shard: the shards of repeated plays cannot be merged")
	case *drill != "" && only != "":
		return trouble, errors.New("-drill and -run both say what to run")
	case *durations != "" && machine.of == 0:
		return trouble, errors.New("-durations divide drills among machines, and there is no -shard")
	}
	goflags, err := c.goflags()
	if err != nil {
		return trouble, err
	}
	c.environ = append(slices.DeleteFunc(slices.Clone(c.environ), func(e string) bool { return strings.HasPrefix(e, "GOFLAGS=") }), goflags...)
	if *drill != "" {
		if only, err = c.drillPattern(*drill, packages); err != nil {
			return trouble, err
		}
	}
	s, shard := c.screen(*verbose), (*report.Shard)(nil)
	if s.is || machine.of > 0 {
		filter, err := shards.NewFilter(only, skip)
		if err != nil {
			return trouble, err
		}
		if shard, err = c.plan(&s, machine, packages, filter, *durations, *out); err != nil && machine.of > 0 {
			return trouble, err // what is wrong with a package, go test says itself
		}
		if shard != nil {
			only = filter.Pattern(s.plan.Tests)
		}
	}
	now := time.Now().UTC()
	name := now.Format("20060102T150405.000Z")
	dir, err := filepath.Abs(filepath.Join(*out, name))
	if err != nil {
		return trouble, fmt.Errorf("make directory of the run: %w", err)
	}
	if *listen != "" {
		watched, err := watch.Listen(*listen, dir)
		if err != nil {
			return trouble, err
		}
		defer watched.Close()
		fmt.Fprintf(c.stdout, "metrics while it runs: %s\n", watched.URL())
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return trouble, fmt.Errorf("make directory of the run: %w", err)
	}
	test := []string{"-timeout", timeout.String()}
	if only != "" {
		test = append(test, "-run", only)
	}
	if skip != "" {
		test = append(test, "-skip", skip)
	}
	if *parallel != 0 {
		test = append(test, "-parallel", strconv.FormatUint(uint64(*parallel), 10))
	}
	unmute := c.mute()
	again := []string{"-timeout", timeout.String(), "-p", "1", "-parallel", "1"}
	if skip != "" {
		again = append(again, "-skip", skip)
	}
	p := plan{dir: dir, shown: filepath.Join(*out, name), test: append(test, packages...), again: append(again, packages...), screen: s, shard: shard}
	var r *report.Report
	if *count == 1 {
		r, _, err = c.playOnce(p)
	} else {
		r, err = c.playMany(p, int(*count))
	}
	if err != nil {
		return trouble, err
	}
	fmt.Fprintf(c.stdout, "\n%s", r.Table()) // first: the disk may be full
	if err := save(r, dir, reports(dir)...); err != nil {
		return trouble, err
	}
	fmt.Fprintf(c.stdout, "report: %s\n", filepath.Join(*out, name, "report.html"))
	if err := pointLatest(*out, name); err != nil {
		return trouble, err
	}
	unmute()
	if err := c.tellGitHub(r, packages); err != nil {
		return trouble, err
	}
	return statusOf(r), nil
}

// statusOf is the exit status of a run. A failure is one also where a part of the run is missing.
func statusOf(r *report.Report) int {
	switch {
	case r.Passed():
		return passed
	case r.Summary.Failed > 0:
		return notPassed
	case !r.Complete:
		return incomplete
	case r.Untrusted():
		return untrusted
	}
	return notPassed
}

// play runs go test once, keeps what it leaves in a part of the directory of the plan, and returns
// the report of all of it.
func (c command) play(p plan, part string, args []string) (r *report.Report, interrupted bool, err error) {
	into := filepath.Join(p.dir, part)
	if err := os.MkdirAll(into, 0o755); err != nil {
		return nil, false, fmt.Errorf("make directory of the run: %w", err)
	}
	// Vet is for the code of a change, and takes as long as a drill.
	test := append([]string{"go", "test", "-json", "-count=1", "-vet=off", "-artifacts", "-outputdir", into}, args...)
	shown := slices.Clone(test) // a reader has no use for the way to the directory on this machine
	shown[slices.Index(shown, into)] = filepath.Join(p.shown, part)
	about := report.Run{
		When: time.Now().UTC(), Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH, CPUs: runtime.NumCPU(),
		Command: strings.Join(quoted(append(settings(c.environ), shown...)), " "), Commit: report.Text(c.commit()), Trouble: "it is running", Shard: p.shard,
	}
	if err := describe(into, about); err != nil { // for the report of a run that is killed
		return nil, false, err
	}
	cmd := c.exec(test[0], test[1:]...)
	if p.seed != "" {
		cmd.Env = append(cmd.Environ(), seedSetting+"="+p.seed)
	}
	if interrupted, err = c.follow(cmd, into, &about, p.screen); err != nil {
		return nil, false, err
	}
	if err := describe(into, about); err != nil {
		return nil, false, err
	}
	r, err = report.Collect(p.dir)
	return r, interrupted, err
}

// commit is that of the code in the working directory, or nothing where git does not tell.
func (c command) commit() string {
	hash, err := c.exec("git", "rev-parse", "--short=12", "HEAD").Output()
	if err != nil {
		return ""
	}
	commit := strings.TrimSpace(string(hash))
	if changes, err := c.exec("git", "status", "--porcelain", "--untracked-files=no").Output(); err != nil || len(changes) > 0 {
		commit += report.Uncommitted
	}
	return commit
}

// quoted returns the words of a command line as a shell takes them.
func quoted(words []string) []string {
	words = slices.Clone(words)
	for i, w := range words {
		name, value, sets := strings.Cut(w, "=")
		if sets && foreign.Word(name) == name && !strings.HasPrefix(w, "-") { // of the environment, which keeps its name
			words[i] = name + "=" + foreign.Word(value)
		} else {
			words[i] = foreign.Word(w)
		}
	}
	return words
}

// settings are those of the environment that change a run: GOFLAGS, and those that drills read,
// such as DRTEST_PROFILE=production.
func settings(environ []string) []string {
	var ours []string
	for _, e := range environ {
		if strings.HasPrefix(e, "DRTEST_") && !strings.HasPrefix(e, announce.Token+"=") || strings.HasPrefix(e, "GOFLAGS=") {
			ours = append(ours, e)
		}
	}
	slices.Sort(ours)
	return ours
}

// buildFlags are the flags that GOFLAGS may have: they change how the tests are built, and neither
// which of them run nor what they say.
var buildFlags = []string{"a", "asan", "asmflags", "buildmode", "buildvcs", "compiler", "cover", "covermode", "coverpkg", "gccgoflags",
	"gcflags", "installsuffix", "ldflags", "linkshared", "mod", "modcacherw", "modfile", "msan", "overlay", "p", "pgo", "pkgdir", "race",
	"tags", "toolexec", "trimpath", "work"}

// goflags returns the setting of GOFLAGS that go test is going to heed, be it of the environment or
// of the go command's configuration. It refuses what can change which tests run, or what they say.
func (c command) goflags() (setting []string, err error) {
	cmd := c.exec("go", "env", "GOFLAGS")
	var said bytes.Buffer
	cmd.Stderr = &said
	answer, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("ask go env for GOFLAGS: %w: %s", err, foreign.Text(strings.TrimSpace(said.String())))
	}
	flags := strings.TrimSpace(string(answer))
	if flags == "" {
		return nil, nil
	}
	refused := slices.DeleteFunc(words(flags), func(f string) bool {
		name, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(f, "-"), "-"), "=")
		return slices.Contains(buildFlags, name)
	})
	if len(refused) > 0 {
		return nil, fmt.Errorf("GOFLAGS has %s, which can change which tests run, or what they say, so that the report would not show what was asked for: "+
			"take it out of GOFLAGS, in the environment or by go env -w, and give drreport run its own flags instead", foreign.Text(strings.Join(refused, " ")))
	}
	return []string{"GOFLAGS=" + flags}, nil
}

// words splits GOFLAGS as the go command does: at spaces, but not within quotes around a word.
func words(flags string) (words []string) {
	for flags = strings.TrimSpace(flags); flags != ""; flags = strings.TrimSpace(flags) {
		end, after := strings.IndexAny(flags, " \t\r\n"), 0
		if quote := flags[0]; quote == '"' || quote == '\'' {
			flags = flags[1:]
			end, after = strings.IndexByte(flags, quote), 1
		}
		if end < 0 {
			end, after = len(flags), 0
		}
		words, flags = append(words, flags[:end]), flags[end+after:]
	}
	return words
}

// describe writes down how the run was made.
func describe(dir string, about report.Run) error {
	data, err := json.MarshalIndent(about, "", "  ")
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, report.RunFile), append(data, '\n'), 0o644)
	}
	return err
}

// follow runs go test to its end, shows what people should see of it, keeps all of it, and notes
// how it ended, and whether it was stopped. A signal interrupts go test and its tests, and a second one kills them. They are
// interrupted as well when what they say cannot be kept.
func (c command) follow(cmd *exec.Cmd, dir string, about *report.Run, s screen) (stopped bool, err error) {
	kept, err := os.Create(filepath.Join(dir, report.TranscriptFile))
	if err != nil {
		return false, err
	}
	defer kept.Close()
	transcript := report.NewTranscript()
	c, hide := s.show(c, transcript)
	defer hide()
	said := &harmlessWriter{w: c.stderr}
	cmd.Stderr = said
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return false, err
	}
	token := rand.Text()
	cmd.Env = append(cmd.Environ(), announce.Token+"="+token)
	leadGroup(cmd)
	if err := cmd.Start(); err != nil {
		return false, fmt.Errorf("start go test: %w", err)
	}
	var interrupted os.Signal
	ended, relayed, unkept := make(chan struct{}), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(relayed)
		full := unkept
		for pass := os.Interrupt; ; pass = os.Kill { // go test ends tidily by an interrupt alone
			select {
			case interrupted = <-c.signals:
				signalAll(cmd, pass)
			case <-full:
				full = nil
				signalAll(cmd, pass)
			case <-ended:
				return
			}
		}
	}()
	sum := sha256.New()
	into := &tolerantWriter{w: io.MultiWriter(kept, sum), failed: unkept}
	err = transcript.Read(io.TeeReader(io.MultiReader(strings.NewReader(report.Preface(token)), stdout), into), func(text string) { fmt.Fprint(c.stdout, text) })
	failure := cmd.Wait()
	close(ended)
	<-relayed
	said.flush()
	switch code := cmd.ProcessState.ExitCode(); {
	case interrupted != nil:
		about.Trouble = report.Text("interrupted: " + interrupted.String())
	case code < 0:
		about.Trouble = report.Text(failure.Error())
	default:
		about.Exit, about.Trouble, about.Transcript = &code, "", report.Text(fmt.Sprintf("%x", sum.Sum(nil)))
		if code != 0 {
			about.Trouble = report.Text(said.text())
		}
	}
	if err := errors.Join(err, into.err, kept.Close()); err != nil {
		return false, fmt.Errorf("keep what go test says: %w", err)
	}
	return interrupted != nil, nil
}

// A tolerantWriter writes as long as it can, and tells once that it cannot. Its reader goes on: a
// drill is to end tidily.
type tolerantWriter struct {
	w      io.Writer
	failed chan<- struct{} // closed then
	err    error
}

func (k *tolerantWriter) Write(p []byte) (int, error) {
	if k.err == nil {
		if _, k.err = k.w.Write(p); k.err != nil {
			close(k.failed)
		}
	}
	return len(p), nil
}

// harmlessWriter is a writer of text from outside, which it passes on by lines that are harmless.
// It remembers the last of them.
type harmlessWriter struct {
	w    io.Writer
	part []byte
	last []string
}

// remembered is the most lines that are kept, and longest the most bytes of a line that wait for
// its end.
const (
	remembered = 20
	longest    = 4096
)

func (c *harmlessWriter) Write(p []byte) (int, error) {
	for line := range bytes.Lines(p) {
		c.part = append(c.part, line...)
		if bytes.HasSuffix(line, []byte("\n")) || len(c.part) > longest {
			c.flush()
		}
	}
	return len(p), nil
}

// flush passes on what has no line break yet.
func (c *harmlessWriter) flush() {
	if len(c.part) == 0 {
		return
	}
	line := foreign.Text(strings.ReplaceAll(strings.TrimRight(string(c.part), "\r\n"), "\t", "    "))
	c.part = c.part[:0]
	c.last = append(c.last, line)
	c.last = c.last[max(0, len(c.last)-remembered):]
	fmt.Fprintln(c.w, line)
}

// text is what is remembered, on one line.
func (c *harmlessWriter) text() string { return strings.TrimSpace(strings.Join(c.last, " ")) }

// pointLatest lets out/latest lead to the directory name beside it: by a link, or by a copy where
// there are no links.
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
