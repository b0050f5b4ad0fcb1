// Package foreign makes text that the project did not write itself harmless to show: what a system
// under test answers, what its errors say, what a test logs, and what a path or a name holds that
// becomes a part of a command.
package foreign

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/drtest/suite/internal/secret"
)

// Limit is the most bytes that [Text] returns.
const Limit = 2000

// room is what is kept free for saying how much was cut.
const room = 48

// Text returns s on one line and in printable characters, whatever it holds. What is not printable
// is shown as Go writes it in a string literal: "\n", "\x1b", "\u202e", and "\xff" for a byte that
// is no UTF-8. That includes marks that change the direction of text, and spaces other than the
// plain one.
//
// In the place of the password of this process stands [secret.Hidden].
//
// A text that would be longer than [Limit] is cut, and says how many bytes of s were left out. Text
// looks at no more of s than it shows, so its costs are bounded.
//
// What Text has returned it returns unchanged, so a text may be kept and read again. For the same
// reason a backslash stays one: the result is for people, and cannot be turned back into s.
func Text(s string) string {
	s = hide(s)
	if harmless(s) {
		return s
	}
	return escape(s)
}

// hide leaves the password out of what is shown of s: more of it than that, since it gets shorter.
func hide(s string) string {
	head := s[:min(len(s), 8*Limit)]
	if !strings.Contains(head, secret.Password()) { // most text
		return s
	}
	return secret.Hide(head) + s[len(head):]
}

func escape(s string) string {
	out := make([]byte, 0, min(Limit, len(s)+room))
	kept, shown := 0, 0 // so much of out and of s stays if the rest is cut
	for at := 0; at < len(s); {
		r, size := utf8.DecodeRuneInString(s[at:])
		before := len(out)
		if printable(r, size) {
			out = append(out, s[at:at+size]...)
		} else {
			out = appendEscaped(out, s[at:at+size])
		}
		if before <= Limit-room {
			kept, shown = before, at
		}
		if len(out) > Limit {
			return fmt.Sprintf("%s... (%d bytes more)", out[:kept], len(s)-shown)
		}
		at += size
	}
	return string(out)
}

// harmless says whether s is as Text returns it.
func harmless(s string) bool {
	if len(s) > Limit {
		return false
	}
	for at := 0; at < len(s); {
		if ' ' <= s[at] && s[at] <= '~' { // most text
			at++
			continue
		}
		r, size := utf8.DecodeRuneInString(s[at:])
		if !printable(r, size) {
			return false
		}
		at += size
	}
	return true
}

// Word returns s as a shell takes it for one word, whatever it holds.
func Word(s string) string {
	if s != "" && !special.MatchString(s) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// special matches what a shell may not take for itself.
var special = regexp.MustCompile(`[^A-Za-z0-9_@%+=:,./-]`)

// printable takes a character that was decoded from so many bytes: a byte that is no UTF-8 decodes
// as an error of one byte.
func printable(r rune, size int) bool {
	return strconv.IsPrint(r) && (r != utf8.RuneError || size > 1)
}

// appendEscaped appends the inside of the string literal of one character.
func appendEscaped(out []byte, char string) []byte {
	quoted := strconv.Quote(char)
	return append(out, quoted[1:len(quoted)-1]...)
}
