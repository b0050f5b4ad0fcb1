package formats

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/drtest/suite/drtest"
	"github.com/drtest/suite/internal/foreign"
	"github.com/drtest/suite/internal/report"
)

// The elements of JUnit XML that all consumers agree on: those of Jenkins's junit-10.xsd.
type (
	testSuites struct {
		XMLName  xml.Name    `xml:"testsuites"`
		Name     string      `xml:"name,attr"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Errors   int         `xml:"errors,attr"`
		Suites   []testSuite `xml:"testsuite"`
	}
	testSuite struct {
		Name       string      `xml:"name,attr"`
		Tests      int         `xml:"tests,attr"`
		Failures   int         `xml:"failures,attr"`
		Errors     int         `xml:"errors,attr"`
		Skipped    int         `xml:"skipped,attr"`
		Timestamp  string      `xml:"timestamp,attr,omitempty"`
		Properties *properties `xml:"properties"`
		Cases      []testCase  `xml:"testcase"`
	}
	properties struct {
		All []property `xml:"property"`
	}
	property struct {
		Name  string `xml:"name,attr"`
		Value string `xml:"value,attr"`
	}
	testCase struct {
		Name    string `xml:"name,attr"`
		Class   string `xml:"classname,attr"`
		Failure *bad   `xml:"failure"`
		Error   *bad   `xml:"error"`
	}
	bad struct {
		Type    string `xml:"type,attr"`
		Message string `xml:"message,attr"`
		Text    string `xml:",chardata"`
	}
)

// JUnit returns the report as JUnit XML. Each drill is a test suite, whose properties are its
// figures, and each of its verdicts is a test case. A case "drill" says how all of it ended. There
// are no times of test cases, since how long a drill took is no figure of it.
func JUnit(r *report.Report) ([]byte, error) {
	all := testSuites{Name: "disaster recovery drills"}
	for i := range r.Results {
		all.add(suiteOf(&r.Results[i]))
	}
	run := testCase{Name: "complete", Class: "run"}
	switch {
	case !r.Complete:
		run.Error = badly("incomplete", string(r.Incomplete))
	case len(r.Results) == 0:
		run.Error = badly("incomplete", "no drill ran, so nothing passed")
	case !r.Passed() && all.Failures+all.Errors == 0:
		run.Error = badly("fail", "go test failed, though every drill passed")
	}
	whole := testSuite{Name: "run", Properties: runProperties(r)}
	whole.add(run)
	all.add(whole)
	var b bytes.Buffer
	b.WriteString(xml.Header)
	e := xml.NewEncoder(&b)
	e.Indent("", "  ")
	if err := e.Encode(all); err != nil {
		return nil, fmt.Errorf("write JUnit XML: %w", err)
	}
	b.WriteByte('\n')
	return b.Bytes(), nil
}

func (all *testSuites) add(s testSuite) {
	all.Suites = append(all.Suites, s)
	all.Tests, all.Failures, all.Errors = all.Tests+s.Tests, all.Failures+s.Failures, all.Errors+s.Errors
}

func (s *testSuite) add(c testCase) {
	s.Cases = append(s.Cases, c)
	s.Tests++
	if c.Failure != nil {
		s.Failures++
	}
	if c.Error != nil {
		s.Errors++
	}
}

func suiteOf(r *report.Result) testSuite {
	name := foreign.Text(r.Label())
	s := testSuite{Name: name, Properties: resultProperties(r)}
	if r.Began != nil {
		s.Timestamp = r.Began.UTC().Format("2006-01-02T15:04:05")
	}
	whole := testCase{Name: "drill", Class: name}
	verdictsSay := false
	for _, v := range r.Verdicts {
		verdictsSay = verdictsSay || v.Status != drtest.Pass
	}
	if r.Status != drtest.Pass && (r.Reason != "" || !verdictsSay) {
		whole.judge(r.Status, r.Untrusted, string(r.Reason))
	}
	s.add(whole)
	for _, v := range r.Verdicts {
		c := testCase{Name: foreign.Text(v.Objective), Class: name}
		if v.Target {
			c.Name = "target " + c.Name
		}
		c.judge(v.Status, v.Untrusted, v.Why)
		s.add(c)
	}
	return s
}

// judge notes what did not pass: what failed as a failure, anything else as an error.
func (c *testCase) judge(s drtest.Status, untrusted bool, why string) {
	switch s {
	case drtest.Pass:
	case drtest.Fail:
		c.Failure = badly(status(s, untrusted), why)
	default:
		c.Error = badly(status(s, untrusted), why)
	}
}

func badly(kind, why string) *bad { return &bad{Type: kind, Message: foreign.Text(why)} }

func (p *properties) add(name, value string) {
	if value != "" {
		p.All = append(p.All, property{foreign.Text(name), foreign.Text(value)})
	}
}

func resultProperties(r *report.Result) *properties {
	p := new(properties)
	p.add("title", r.Title)
	p.add("category", r.Category)
	p.add("status", status(r.Status, r.Untrusted))
	for _, f := range times(r) {
		p.add(f.name+"_seconds_at_least", number(f.Interval.Lo))
		p.add(f.name+"_seconds_at_most", number(f.Interval.Hi))
	}
	for _, c := range counts(r) {
		p.add(c.name, fmt.Sprint(c.Number))
	}
	for _, s := range shares(r) {
		p.add(s.name+"_ratio", fmt.Sprint(s.Number))
	}
	for _, c := range r.Counters {
		if c.Total != nil && c.Repeated != nil {
			p.add("counter_"+report.Key(c.Name)+"_total", fmt.Sprint(*c.Total))
			p.add("counter_"+report.Key(c.Name)+"_repeated", fmt.Sprint(*c.Repeated))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(r.Limits)) {
		p.add(name+"_seconds_limit", number(time.Duration(r.Limits[name])))
	}
	if r.Play > 0 {
		p.add("play", fmt.Sprint(r.Play))
	}
	if r.Phase != nil {
		p.add("seed", string(r.Phase.Seed))
		p.add("phase_seconds", number(time.Duration(r.Phase.Wait)))
	}
	p.add("test", string(r.Test))
	p.add("package", string(r.Package))
	p.add("journal", string(r.Journal))
	return p
}

func runProperties(r *report.Report) *properties {
	p := new(properties)
	if run := r.Run; run != nil {
		p.add("commit", string(run.Commit))
		p.add("machine", fmt.Sprintf("%s/%s, %d processors, %s", run.OS, run.Arch, run.CPUs, run.Go))
		for _, system := range run.Systems {
			p.add("system", string(system))
		}
	}
	if len(p.All) == 0 {
		return nil
	}
	return p
}
