package secret

import (
	"regexp"
	"strings"
	"testing"
)

func TestHide(t *testing.T) {
	password := Password()
	if !regexp.MustCompile(`^[A-Z2-7]{26}$`).MatchString(password) || Password() != password {
		t.Fatal("the password is not one of 26 letters and digits, always the same")
	}
	got := Hide("postgres://postgres:" + Password() + "@primary/app, again " + Password())
	if want := "postgres://postgres:[password]@primary/app, again [password]"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// That PostgreSQL takes it, and lets in who has the password, is what every drill shows.
func TestVerifier(t *testing.T) {
	one, err := Verifier()
	if err != nil {
		t.Fatal(err)
	}
	if !regexp.MustCompile(`^SCRAM-SHA-256\$4096:[A-Za-z0-9+/]{22}==\$[A-Za-z0-9+/]{43}=:[A-Za-z0-9+/]{43}=$`).MatchString(one) {
		t.Errorf("verifier %q", one)
	}
	if strings.Contains(one, Password()) {
		t.Error("the verifier has the password in it")
	}
	if again, err := Verifier(); err != nil || again != one {
		t.Errorf("again: %v, %q", err, again) // the servers of a cluster compare theirs
	}
}
