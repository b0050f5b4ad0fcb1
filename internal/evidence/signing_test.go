package evidence

import (
	"bytes"
	"encoding/base64"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestSigning: the example signs a statement and finds what was changed since.
func TestSigning(t *testing.T) {
	for _, tool := range []string{"sh", "openssl", "base64", "sha256sum", "sed"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip(err)
		}
	}
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	run := func(args ...string) (stdout, said string, err error) {
		cmd := exec.Command(args[0], args[1:]...)
		var out, errs bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &errs
		err = cmd.Run()
		return out.String(), errs.String(), err
	}
	must := func(args ...string) string {
		t.Helper()
		out, said, err := run(args...)
		if err != nil {
			t.Fatalf("%q: %v: %s", args, err, said)
		}
		return out
	}
	for _, name := range []string{"key", "other"} {
		must("openssl", "genpkey", "-algorithm", "ed25519", "-out", in(name+".pem"))
		must("openssl", "pkey", "-in", in(name+".pem"), "-pubout", "-out", in(name+".pub"))
	}
	path := bundle(t, play(t, drill("DR-DB-004", "Failover", 1500, false)), "", "")
	c, err := maker.Verify(path)
	if err != nil {
		t.Fatal(err)
	}
	statement, err := c.Statement(path)
	if err != nil {
		t.Fatal(err)
	}
	write(t, in("statement.json"), statement)
	envelope := must("sh", "signing/sign.sh", in("key.pem"), in("statement.json"))
	write(t, in("envelope.json"), []byte(envelope))
	if got := must("sh", "signing/verify.sh", in("key.pub"), in("envelope.json"), path); got != string(statement) {
		t.Errorf("got %s", got)
	}
	forged := bytes.Replace(statement, []byte("PASSED"), []byte("FAILED"), 1)
	write(t, in("forged.json"), []byte(strings.Replace(envelope, base64.StdEncoding.EncodeToString(statement), base64.StdEncoding.EncodeToString(forged), 1)))
	write(t, in("other.zip"), append(read(t, path), 'x'))
	write(t, in("torn.json"), []byte(envelope[:len(envelope)/2]))
	for _, c := range []struct{ reason, key, envelope, bundle, want string }{
		{"the key of somebody else", "other.pub", "envelope.json", path, "Signature Verification Failure"},
		{"another verdict", "key.pub", "forged.json", path, "Signature Verification Failure"},
		{"half an envelope", "key.pub", "torn.json", path, ""},
		{"another bundle", "key.pub", "envelope.json", in("other.zip"), "the statement is about another bundle"},
	} {
		out, said, err := run("sh", "signing/verify.sh", in(c.key), in(c.envelope), c.bundle)
		if err == nil || !strings.Contains(out+said, c.want) {
			t.Errorf("%s: %v: %s%s", c.reason, err, out, said)
		}
	}
}
