package report

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/drtest/suite/internal/announce"
	"github.com/drtest/suite/internal/foreign"
)

// A Transcript takes in what go test -json says: see "go doc test2json". What tests and systems
// under test say is made harmless here, where it comes in, and what would be too much is cut.
type Transcript struct {
	tests           map[id]*test
	order           []*test
	packages        map[string][]*test
	builds          map[string]*outputTail  // what building said, by the id of the build
	systems         map[string]bool         // what the harness met, with versions
	journals        map[string]*keptJournal // what tests say that they wrote, by the path below the directory of the run
	owners          map[string]*test        // by artifact directory
	outsideProtocol outputTail              // what is no event
	lines           int
	token           string // that the harness's keys have: see [announce.Token]
	watch           func(TestEvent) (taken bool)
}

// A TestEvent is what a transcript tells of a test while it runs.
type TestEvent struct {
	Package, Test string
	What          What
	Text          string // of a phase
}

// What happens to a test.
type What string

// These are what happens to a test. One that goes on after a pause begins again.
const (
	Began   What = "run"
	Paused  What = "pause"
	Passed  What = "pass"
	Failed  What = "fail"
	Skipped What = "skip"
	Reached What = "phase" // its drill is in another phase
)

// Watch has each event told as it comes in. A phase that is taken is not shown.
func (t *Transcript) Watch(watch func(TestEvent) (taken bool)) { t.watch = watch }

// tell tells an event to who watches.
func (t *Transcript) tell(of *test, what What, text string) (taken bool) {
	return t.watch != nil && of.name != "" && t.watch(TestEvent{of.pkg, of.name, what, text})
}

// NewTranscript returns an empty transcript.
func NewTranscript() *Transcript {
	return &Transcript{tests: map[id]*test{}, packages: map[string][]*test{}, builds: map[string]*outputTail{},
		systems: map[string]bool{}, journals: map[string]*keptJournal{}, owners: map[string]*test{}}
}

// An id tells a test from all others of a run.
type id struct{ pkg, name string }

// A test is one test of the transcript, or, without a name, the package around its tests.
type test struct {
	id
	state     string // "pass", "fail" or "skip"; empty while it has not ended
	running   bool   // again, after it had ended
	hasTests  bool   // a package of which a test has begun
	noTests   bool   // a package that says that it has no tests to run
	output    outputTail
	frameDue  string         // the line of go test's own that follows an event
	announced map[string]int // lines that the harness is about to log
	phases    map[string]int // those of them that have been shown
	notes     []string       // what the harness said of the run
	directory string         // for artifacts
	panicked  string         // its panic, or why the runtime ended it
	panicLine string         // a line that looks like one, until a goroutine's stack follows
	exitLine  string         // what go test says of how its process ended
	asserted  bool           // it failed for an assertion of testify, a panic or a data race: no machine excuses that
	untrusted bool           // it failed since the machine did not keep up, as it has announced
	excuse    string         // what it announced then
}

// A keptJournal is one that a test says that it wrote.
type keptJournal struct {
	of   *test
	sum  string // SHA-256; empty when the test did not come to the end of it
	seen bool
}

// ended says whether the test came to its end.
func (t *test) ended() bool { return t.state != "" && !t.running }

// bad says whether the test failed or did not end.
func (t *test) bad() bool { return t.state == "fail" || !t.ended() }

// vacuous says of a package that its process ended well without a test, though there were some: its
// TestMain may have left before.
func (t *test) vacuous() bool { return t.name == "" && t.state == "pass" && !t.hasTests && !t.noTests }

// passed returns the tests that passed.
func (t *Transcript) passed() map[id]bool {
	passed := map[id]bool{}
	for id, x := range t.tests {
		passed[id] = x.state == "pass" && x.ended()
	}
	return passed
}

// longestEvent is the most bytes of a line of the transcript. Those of go test have a few thousand.
const longestEvent = 1 << 20

// Read takes in all of r, and shows what people should see of it at once: see [Transcript.Add].
func (t *Transcript) Read(r io.Reader, show func(text string)) error {
	in := bufio.NewReaderSize(r, 64*1024)
	var line []byte
	more := 0
	for {
		part, err := in.ReadSlice('\n')
		kept := min(len(part), longestEvent-len(line))
		line, more = append(line, part[:kept]...), more+len(part)-kept
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if len(line) > 0 {
			show(t.add(line, more))
		}
		line, more = line[:0], 0
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// Preface is the line before all that go test says. It tells the token of the run: see
// [announce.Token].
func Preface(token string) string { return fmt.Sprintf(`{"Action":"drtest","Value":%q}`+"\n", token) }

// An event is one line of what go test -json says, or the preface.
type event struct{ Action, Package, Test, Output, Path, ImportPath, FailedBuild, Key, Value string }

// eventOf reads a line. What is no event of go test is not known.
func eventOf(line []byte) (e event, known bool) {
	if json.Unmarshal(line, &e) != nil {
		return e, false
	}
	switch e.Action {
	case "build-output", "build-fail":
		return e, e.ImportPath != ""
	case "start", "run", "pause", "cont", "pass", "bench", "fail", "output", "skip", "attr", "artifacts":
		return e, e.Package != ""
	}
	return e, false
}

// Add takes in one line and returns what people should see of it at once, if anything: progress,
// what building says, the reason of a skip, and the output of a test that failed.
func (t *Transcript) Add(line []byte) string { return t.add(line, 0) }

// add takes in a line of which some more bytes were left out.
func (t *Transcript) add(raw []byte, more int) (shown string) {
	e, known := eventOf(raw)
	if t.lines++; t.lines == 1 && e.Action == "drtest" {
		t.token = e.Value
		return ""
	}
	if more > 0 || !known {
		text := harmless(string(bytes.TrimRight(raw, "\r\n")), more)
		if text == "" {
			return ""
		}
		t.outsideProtocol.keep(line{text: text}) // go test says some things outside its protocol
		return text + "\n"
	}
	if e.ImportPath != "" {
		said := t.builds[e.ImportPath]
		if said == nil {
			said = new(outputTail)
			t.builds[e.ImportPath] = said
		}
		said.lines(e.Output, func(raw string, more int) {
			said.keep(line{text: harmless(raw, more)})
			shown += harmless(raw, more) + "\n"
		})
		return shown
	}
	now := t.test(id{foreign.Text(e.Package), foreign.Text(e.Test)})
	if e.Action == "output" {
		return now.takeOutput(e.Output)
	}
	now.output.flush(now.takeLine)
	switch e.Action {
	case "run", "pause", "pass", "fail", "skip":
		t.tell(now, What(e.Action), "")
	case "cont":
		t.tell(now, Began, "")
	}
	switch e.Action {
	case "run":
		now.running, now.frameDue = now.state != "", "=== RUN   "+e.Test
	case "cont":
		now.frameDue = "=== CONT  " + e.Test
	case "artifacts":
		now.frameDue = "=== ARTIFACTS " + e.Test + " " + e.Path
		now.directory = foreign.Text(artifacts(e.Path))
		t.owners[now.directory] = now
	case "attr":
		now.frameDue = strings.TrimRight("=== ATTR  "+e.Test+" "+e.Key+" "+e.Value, " ")
		return t.takeAnnouncement(now, e.Key, foreign.Text(e.Value))
	case "pass", "bench":
		now.end("pass")
		if now.name == "" {
			t.endBenchmarks(now.pkg)
		}
	case "skip":
		now.end("skip")
		if now.name != "" {
			return "skip " + now.name + ": " + now.why() + "\n"
		}
	case "fail":
		return t.fail(now, e.FailedBuild)
	}
	return ""
}

// test returns the test, which may be new.
func (t *Transcript) test(id id) *test {
	x := t.tests[id]
	if x == nil {
		x = &test{id: id, announced: map[string]int{}, phases: map[string]int{}}
		t.tests[id] = x
		t.order = append(t.order, x)
		t.packages[id.pkg] = append(t.packages[id.pkg], x)
		if id.name != "" {
			t.test(idOf(id.pkg)).hasTests = true
		}
	}
	return x
}

// idOf is the id of a package.
func idOf(pkg string) id { return id{pkg: pkg} }

// takeAnnouncement takes in what the harness announced, and returns what to show of it.
func (t *Transcript) takeAnnouncement(now *test, key, value string) string {
	own, is := strings.CutSuffix(key, announce.Key("", t.token))
	if !is {
		return ""
	}
	switch own {
	case announce.Phase:
		now.phases[fields(value)]++
		if t.tell(now, Reached, value) {
			return ""
		}
		return value + "\n"
	case announce.Line:
		now.announced[fields(value)]++
	case announce.Journal:
		t.journals[now.directory+"/"+path.Base(value)] = &keptJournal{of: now}
	case announce.Kept:
		sum, name, _ := strings.Cut(value, " ")
		if j := t.journals[now.directory+"/"+path.Base(name)]; j != nil && j.of == now {
			j.sum = sum
		}
	case announce.System:
		t.systems[fields(value)] = true
	case announce.Untrusted:
		now.untrusted, now.excuse = true, value
	}
	return ""
}

// fields is a text without what indents and separates it.
func fields(text string) string { return strings.Join(strings.Fields(text), " ") }

// end ends a test. A test that ended in two ways ended in the worse one.
func (t *test) end(state string) {
	t.running, t.frameDue = false, ""
	if worse := []string{"", "pass", "skip", "fail"}; slices.Index(worse, state) > slices.Index(worse, t.state) {
		t.state = state
	}
	if t.state == "pass" && !t.vacuous() {
		t.output = outputTail{} // no result needs it
	}
}

// endBenchmarks ends the benchmarks of a package that passed: go test does not tell of their ends.
func (t *Transcript) endBenchmarks(pkg string) {
	for _, x := range t.packages[pkg] {
		if !x.ended() && strings.HasPrefix(x.name, "Benchmark") {
			x.end("pass")
		}
	}
}

// fail ends a test or a package that failed, and returns its output.
func (t *Transcript) fail(now *test, build string) (shown string) {
	now.end("fail")
	if now.name == "" { // a package that died takes its running tests with it
		for _, running := range t.packages[now.pkg] {
			if !running.ended() {
				running.output.flush(running.takeLine)
				shown += running.unshown()
			}
		}
	}
	shown += now.unshown()
	if said := t.builds[build]; said != nil { // as the reason; it has been shown
		for _, l := range said.kept() {
			now.output.keep(line{l.text, shownProgress})
		}
	}
	return shown
}

// takeOutput takes in output and returns the lines of it that show progress.
func (t *test) takeOutput(output string) (shown string) {
	whole, isLine := strings.CutSuffix(output, "\n")
	if isLine && t.isFrame(whole) { // it begins a line of its own, whatever came before
		t.output.flush(t.takeLine)
	}
	t.output.lines(output, func(raw string, more int) {
		if text, is := t.readLine(raw, more); is {
			shown += text + "\n"
		}
	})
	return shown
}

// takeLine takes in a line.
func (t *test) takeLine(raw string, more int) { t.readLine(raw, more) }

var (
	logged = regexp.MustCompile(`^\s+[^\s:]+\.go:\d+: `)
	stack  = regexp.MustCompile(`^goroutine \d+ (gp=\S+ m=\S+ (mp=\S+ )?)?\[`)
	// quiet matches what go test says of a package that is no reason.
	noReason = regexp.MustCompile(`^(exit status \d+|coverage: .*% of statements.*|` + noTests + `)$`)
)

// noTests is what a test process says that has nothing to run.
const noTests = "testing: warning: no tests to run"

// readLine takes in a line, and returns it if it shows progress.
func (t *test) readLine(raw string, more int) (text string, shows bool) {
	text = harmless(raw, more)
	l := line{text: text}
	message := fields(foreign.Text(strings.TrimSpace(strings.TrimPrefix(raw, logged.FindString(raw)))))
	switch {
	case strings.HasPrefix(raw, "=== ") && t.isFrame(raw):
		t.frameDue = ""
		return "", false
	case t.isFrame(raw):
		l.kind = fromGoTest
	case t.phases[message] > 0:
		t.phases[message]--
		return "", false
	case t.announced[message] > 0:
		t.announced[message]--
		l.kind = fromHarness
	case strings.HasPrefix(raw, "drtest: "):
		l.kind, shows = shownProgress, true
		if note, is := strings.CutPrefix(text, "drtest: note: "); is && t.name == "" && !t.hasTests {
			t.notes = append(t.notes, note) // no system has been started
		}
	case t.name == "" && noReason.MatchString(raw):
		l.kind, t.exitLine = fromGoTest, text
		t.noTests = t.noTests || raw == noTests
	default:
		t.readFailure(raw, text)
	}
	t.output.keep(l)
	return text, shows
}

// readFailure looks for the signs of a failure that is a test's own.
func (t *test) readFailure(raw, text string) {
	if strings.HasPrefix(raw, "panic: ") || strings.HasPrefix(raw, "fatal error: ") {
		t.panicLine = text
	} else if t.panicLine != "" && t.panicked == "" && stack.MatchString(raw) {
		t.panicked = t.panicLine
	}
	trimmed := strings.TrimSpace(raw)
	if strings.HasPrefix(trimmed, "Error Trace:") || strings.HasPrefix(trimmed, "panic: ") || strings.Contains(raw, "WARNING: DATA RACE") {
		t.asserted = true
	}
}

// isFrame says whether go test wrote a line, and not the test.
func (t *test) isFrame(raw string) bool {
	trimmed := strings.TrimSpace(raw)
	switch {
	case t.frameDue != "" && trimmed == t.frameDue, trimmed == "=== PAUSE "+t.name, trimmed == "=== NAME  "+t.name:
		return true
	case t.name != "":
		for _, outcome := range []string{"PASS", "FAIL", "SKIP"} {
			if rest, is := strings.CutPrefix(trimmed, "--- "+outcome+": "+t.name+" ("); is {
				return strings.HasSuffix(rest, "s)") && !strings.Contains(rest, " ")
			}
		}
		return false
	}
	return raw == "PASS" || raw == "FAIL" || strings.HasPrefix(raw, "FAIL\t"+t.pkg) || strings.HasPrefix(raw, "ok  \t"+t.pkg)
}

// unshown is the output that has not been shown.
func (t *test) unshown() string {
	var b strings.Builder
	for _, l := range t.output.kept() {
		if l.kind != shownProgress {
			b.WriteString(l.text + "\n")
		}
	}
	return b.String()
}

// notes are what the harness said of the run, with the package in which it did, and what go test
// said beside its protocol.
func (t *Transcript) notes() []Text {
	notes := []Text{}
	for _, x := range t.order {
		for _, note := range x.notes {
			notes = append(notes, Text(path.Base(x.pkg)+": "+note))
		}
	}
	if said := t.outsideProtocol.text(); said != "" {
		notes = append(notes, Text("go test said beside its protocol: "+said))
	}
	return notes
}

// text is the end of what was said, without what others are known to have said.
func (s *outputTail) text() string {
	var said []string
	for _, l := range s.kept() {
		if l.kind == fromTest || l.kind == shownProgress {
			said = append(said, l.text)
		}
	}
	return tail(strings.Join(said, " "))
}

// why says in one line what the test said: its panic, or the end of its output.
func (t *test) why() string { return cmp.Or(t.panicked, t.output.text(), tail(t.excuse), t.exitLine) }

// hasOutput says whether the test itself said something.
func (t *test) hasOutput() bool {
	return slices.ContainsFunc(t.output.kept(), func(l line) bool { return l.kind == fromTest && strings.TrimSpace(l.text) != "" })
}

// tail returns the end of a text on one line, short enough for a table.
func tail(text string) string {
	const limit = 600
	text = fields(text)
	if runes := []rune(text); len(runes) > limit {
		return "… " + string(runes[len(runes)-limit:])
	}
	return text
}

// aroundFailures returns the tests and packages of which a part, a subtest or any test, failed or
// did not end.
func (t *Transcript) aroundFailures() map[id]bool {
	around := map[id]bool{}
	for _, x := range t.order {
		if !x.bad() || x.name == "" {
			continue
		}
		for name := x.name; name != ""; {
			name = name[:max(0, strings.LastIndex(name, "/"))]
			around[id{x.pkg, name}] = true
		}
	}
	return around
}

// rows returns a result for each test that ended otherwise than by passing and has no journal to
// say why, and for each package that failed. What stands around such a test is a result only where
// it says something itself.
func (t *Transcript) rows(hasJournal map[*test]bool) []Result {
	var rows []Result
	around, short := t.aroundFailures(), t.shortNames()
	for _, x := range t.order {
		noFiles := x.name == "" && x.state == "skip"
		if x.state == "pass" && x.ended() && !x.vacuous() || noFiles || hasJournal[x] {
			continue
		}
		if around[x.id] && !x.asserted && (!x.ended() || !x.hasOutput()) {
			continue // a part of it says why
		}
		why := "did not end"
		if x.ended() {
			why = map[string]string{"fail": "failed", "skip": "was skipped", "pass": "ended without running a test, as if it had passed"}[x.state]
		}
		if around[x.id] {
			why += ", as a part of it did, and says itself"
		}
		if said := x.why(); said != "" {
			why += ": " + said
		}
		label := cmp.Or(x.name, x.pkg)
		if prefix := short[x.pkg]; prefix != "" && x.name != "" {
			label = prefix + "." + label
		}
		row := newResult(label, cmp.Or(x.name, x.pkg), notMeasured)
		row.setTest(x)
		row.Untrusted, row.aroundFailures = x.state == "fail" && x.ended() && x.untrusted && !x.asserted, around[x.id] && !x.asserted
		row.cutOff = !x.ended()
		if x.name == "" {
			row.markBroken("the package " + why)
		} else {
			row.markBroken("no journal, and the test " + why)
		}
		rows = append(rows, row)
	}
	return rows
}

// shortNames returns names that tell the packages of the run apart. It is empty for a single one.
func (t *Transcript) shortNames() map[string]string {
	if len(t.packages) < 2 {
		return nil
	}
	var common []string
	for i, pkg := range slices.Sorted(maps.Keys(t.packages)) {
		parts := strings.Split(pkg, "/")
		parts = parts[:len(parts)-1]
		if i == 0 {
			common = parts
		}
		n := 0
		for n < len(common) && n < len(parts) && common[n] == parts[n] {
			n++
		}
		common = common[:n]
	}
	short := map[string]string{}
	for pkg := range t.packages {
		short[pkg] = strings.Join(strings.Split(pkg, "/")[len(common):], "/")
	}
	return short
}

// artifacts returns the part of an artifact path that does not change when the report is moved.
func artifacts(path string) string {
	path = filepath.ToSlash(path)
	if i := strings.LastIndex(path, "/_artifacts/"); i >= 0 {
		return path[i+1:]
	}
	return path
}
