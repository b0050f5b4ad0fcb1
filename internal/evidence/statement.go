package evidence

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
	"path/filepath"

	"github.com/drtest/suite/drtest"
)

// A statement is what a signature is put on: an in-toto Statement, version 1, whose predicate is
// in-toto's test result, version 0.1.
type statement struct {
	Type          string     `json:"_type"`
	Subject       []resource `json:"subject"`
	PredicateType string     `json:"predicateType"`
	Predicate     testResult `json:"predicate"`
}

type resource struct {
	Name   string            `json:"name"`
	Digest map[string]string `json:"digest"`
}

type testResult struct {
	Result        string     `json:"result"`
	Configuration []resource `json:"configuration"`
	Passed        []string   `json:"passedTests"`
	Warned        []string   `json:"warnedTests"` // inconclusive: neither passed nor failed
	Failed        []string   `json:"failedTests"`
}

// Statement returns the statement about a bundle that was checked. Its result is PASSED when every
// drill passed and nothing of the run is missing, and otherwise FAILED.
func (c Checked) Statement(bundle string) ([]byte, error) {
	file, err := os.Open(bundle)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	hash := sha256.New()
	if _, err := io.Copy(hash, file); err != nil {
		return nil, err
	}
	p := testResult{Result: "FAILED", Passed: []string{}, Warned: []string{}, Failed: []string{},
		Configuration: []resource{{"transcript of run " + c.Run, map[string]string{"sha256": string(c.Report.Transcript)}}}}
	if c.Report.Transcript == "" {
		p.Configuration = []resource{}
	}
	if c.Report.Passed() {
		p.Result = "PASSED"
	}
	for _, x := range c.Report.Results {
		list := &p.Warned
		switch x.Status {
		case drtest.Pass:
			list = &p.Passed
		case drtest.Fail:
			list = &p.Failed
		}
		*list = append(*list, x.Label())
	}
	return encode(statement{
		"https://in-toto.io/Statement/v1", []resource{{filepath.Base(bundle), map[string]string{"sha256": hex.EncodeToString(hash.Sum(nil))}}},
		"https://in-toto.io/attestation/test-result/v0.1", p,
	})
}
