// Package secret has the password of this test process: every service that it starts is opened by
// it, and by nothing else. It is made when it is first needed, and is gone with the process.
package secret

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
	"sync"
)

var password = sync.OnceValue(rand.Text)

// Password returns the password: 26 capital letters and digits.
func Password() string { return password() }

// Hidden is what stands in the place of the password.
const Hidden = "[password]"

// Hide returns s without the password.
func Hide(s string) string { return strings.ReplaceAll(s, Password(), Hidden) }

// iterations are PostgreSQL's own. Some drivers refuse fewer.
const iterations = 4096

// Verifier returns what PostgreSQL keeps of the password, and what ALTER ROLE ... PASSWORD takes in
// its place: who reads it knows the password no better. It is always the same. See RFC 5803.
func Verifier() (string, error) { return verifier() }

var verifier = sync.OnceValues(func() (string, error) {
	salt := make([]byte, 16)
	rand.Read(salt) // never fails
	salted, err := pbkdf2.Key(sha256.New, Password(), salt, iterations, sha256.Size)
	if err != nil {
		return "", err
	}
	storedKey := sha256.Sum256(sign(salted, "Client Key"))
	return fmt.Sprintf("SCRAM-SHA-256$%d:%s$%s:%s", iterations, encode(salt), encode(storedKey[:]), encode(sign(salted, "Server Key"))), nil
})

func sign(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

func encode(b []byte) string { return base64.StdEncoding.EncodeToString(b) }
