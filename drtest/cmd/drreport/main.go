// Drreport writes a first drill, runs drills under go test, makes reports of their journals and
// judges a saved journal again.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"

	"github.com/drtest/suite/internal/foreign"
	"github.com/drtest/suite/internal/machine"
	"github.com/drtest/suite/internal/report"
)

const usage = `Drreport runs disaster-recovery drills and reports on them.

usage:
	drreport new [-program path | -image name] [-port n] dir
		write the first drill of a service into a new package: a test that compiles,
		with its Do and Survivors to change, and the Dockerfile of its image
	drreport run [-out dir] [-drill name] [-run regexp] [-skip regexp] [-count n] [-timeout d] [-parallel n]
	             [-listen addr] [-shard i/n] [-durations path] [-v] packages...
		run go test on the packages, show the phases of each drill as they
		happen, and write report.html, for people, and the other forms of the
		report to a new directory below dir, which dir/latest then leads to; a drill that is untrusted, since
		the machine did not keep up, is played again, alone, and that decides;
		-drill DR-DB-003 plays what is in the file of that scenario;
		-listen :9464 tells Prometheus of the drills while they run;
		-count 20 plays each drill twenty times, each time with its fault at
		another phase, and says what that proves;
		-shard 1/2 plays one of two parts, divided by how long the drills took
		in the run at -durations, and without it by their count; on a terminal
		only the latest phase of each drill is shown, and with -v all of them;
		GOFLAGS may change how the tests are built, and is refused otherwise
	drreport write [-out file]... dir
		make the report of the journals below dir again, in the form that each
		file's ending asks for: .html, .md, .json, .xml (JUnit), .prom (Prometheus),
		.otlp (OpenTelemetry)
	drreport merge -out dir shard-dirs...
		copy the evidence of all shards of a run into one new directory, and make
		one report of it, with one exit status, as of one run; a shard that is
		missing is named, with its drills
	drreport check journal.ndjson [objectives]
		show what a journal holds and judge it as its test did; objectives
		that are given, such as -rto 45s -rpo 0s, take the place of those of
		the same name, or are judged as well
	drreport bundle -out file.zip [-stated file] [-last bundle.zip] dir
		pack the run in a directory for those who audit it: all of its files,
		a record of the test, and a manifest of hashes; -stated has what only
		people know, such as who approved it, and -last the test before
	drreport verify [-statement file] bundle.zip
		check, offline, that nothing of a bundle was changed, and that its
		reports and its record are what its journals say, judged again; takes
		a directory as well; -statement writes what a signature is put on
	drreport coverage [-catalogue file] dir...
		show which failure modes runs have drilled, when last and by which
		drills, and which never
	drreport baseline -out file dir...
		keep what repeated plays measured in a small file for git
	drreport compare [-across-machines] old new
		tell what changed between two results, each a directory or a baseline, from
		noise: slower, faster, no change, too few samples, untrusted
	drreport history [-runs n] [-out file.html] dir
		show how the figures of the runs below dir went
	drreport schema
		print the JSON Schema of report.json

Exit status:
	0  passed: everything did, or, for new, write, bundle, coverage, baseline,
	   history and schema, it was written; for verify, the bundle is whole,
	   whatever its drills showed; for compare, nothing got worse
	1  not passed: something failed, or is inconclusive; for verify and bundle,
	   refused: something is not as it was left, and is named; for compare,
	   something got worse
	2  wrong usage, or a file that cannot be read or written
	3  untrusted: nothing failed, and all that did not pass is untrusted, even
	   alone: the machine did not keep up, and another one may show it; or, for
	   compare, too few samples are left to tell
	4  incomplete: nothing failed, and a part of the run is missing, is damaged or
	   did not come to its end; for compare, also a drill of old is not in new

"drreport <command> -h" lists the flags of a command.
`

// Exit statuses.
const (
	passed = iota
	notPassed
	trouble
	untrusted  // nothing failed, but the machine did not keep up
	incomplete // nothing failed, but a part of the run is missing
)

func main() {
	signals := make(chan os.Signal, 1)
	c := command{os.Stdout, os.Stderr, os.Environ(), signals, exec.Command, machine.Open().Read}
	if len(os.Args) > 1 && os.Args[1] == "run" { // nothing else outlives an interrupt
		notifySignals(signals)
	}
	os.Exit(c.main(os.Args[1:]))
}

// A command is one call of this program, with what it needs of the world.
type command struct {
	stdout, stderr io.Writer
	environ        []string
	signals        <-chan os.Signal
	exec           func(name string, args ...string) *exec.Cmd
	look           func() machine.Totals // at the machine; nil: it is not looked at
}

// main returns the exit status.
func (c command) main(args []string) int {
	name := ""
	if len(args) > 0 {
		name, args = args[0], args[1:]
	}
	status, err := trouble, error(nil)
	switch name {
	case "new":
		status, err = c.create(args)
	case "run":
		status, err = c.run(args)
	case "write":
		status, err = c.write(args)
	case "merge":
		status, err = c.merge(args)
	case "check":
		status, err = c.check(args)
	case "bundle":
		status, err = c.bundle(args)
	case "verify":
		status, err = c.verify(args)
	case "coverage":
		status, err = c.coverage(args)
	case "baseline":
		status, err = c.baseline(args)
	case "compare":
		status, err = c.compare(args)
	case "history":
		status, err = c.history(args)
	case "schema":
		status = passed
		_, err = fmt.Fprint(c.stdout, report.Schema)
	case "help", "-h", "-help", "--help":
		fmt.Fprint(c.stdout, usage)
		status = passed
	default:
		fmt.Fprint(c.stderr, usage)
	}
	switch {
	case errors.Is(err, flag.ErrHelp):
		return passed
	case errors.Is(err, errUsage):
		return trouble // it has been told
	case err != nil:
		fmt.Fprintf(c.stderr, "drreport: %s\n", foreign.Text(err.Error()))
		return trouble
	}
	return status
}

var errUsage = errors.New("wrong usage")

// flags returns the flag set of one of the commands.
func (c command) flags(name, operands string) *flag.FlagSet {
	fs := flag.NewFlagSet(name, flag.ContinueOnError)
	fs.SetOutput(c.stderr)
	fs.Usage = func() {
		fmt.Fprintf(c.stderr, "usage: drreport %s %s\n", name, operands)
		fs.PrintDefaults()
	}
	return fs
}

// parse takes flags before, between and after the operands, of which there must be at least one,
// and at most the given number unless that is zero.
func parse(fs *flag.FlagSet, args []string, most int) (operands []string, err error) {
	for {
		switch err := fs.Parse(args); {
		case errors.Is(err, flag.ErrHelp):
			return nil, err
		case err != nil:
			return nil, errUsage
		case fs.NArg() > 0:
			operands, args = append(operands, fs.Arg(0)), fs.Args()[1:]
			continue
		}
		if len(operands) == 0 || most > 0 && len(operands) > most {
			fs.Usage()
			return nil, errUsage
		}
		return operands, nil
	}
}

// write makes the report of a directory again.
func (c command) write(args []string) (int, error) {
	var out []string
	fs := c.flags("write", "[-out file]... dir")
	fs.Func("out", "a `file` to write, whose ending says in which form: "+endings()+"; may be repeated\n(default a file report of each form in dir)", func(s string) error {
		if formOf(s) == nil {
			return fmt.Errorf("ends in none of %s", endings())
		}
		out = append(out, s)
		return nil
	})
	dirs, err := parse(fs, args, 1)
	if err != nil {
		return trouble, err
	}
	r, err := report.Collect(dirs[0])
	if err != nil {
		return trouble, err
	}
	if len(out) == 0 {
		out = reports(dirs[0])
	}
	fmt.Fprintf(c.stdout, "%s", r.Table())
	if err := save(r, dirs[0], out...); err != nil {
		return trouble, err
	}
	fmt.Fprintf(c.stdout, "wrote %s\n", strings.Join(out, ", "))
	if !r.Complete {
		return incomplete, nil
	}
	return passed, nil
}
