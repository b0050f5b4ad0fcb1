package drtest

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"strconv"
)

// A chain writes the records of one journal as lines, and reads them. A line is
//
//	{"line":17,"op":{"n":9,...},"hash":"0123456789abcdef"}
//
// Its number counts from 1. Its hash is the first eight bytes of the SHA-256 of the sixteen digits
// of the hash before it and of the line up to its own. So a line fits into one place of one
// journal, and only as it was written.
type chain struct {
	lines  int       // so far
	last   [16]byte  // the digits of the last hash, none before the first
	sha256 hash.Hash // reused, which saves memory
	buf    []byte    // likewise
}

const (
	linePrefix = `{"line":`
	hashPrefix = `,"hash":"`
	lineSuffix = "\"}\n"
)

// seal returns the next line, which is valid until the next call.
func (c *chain) seal(rec record) ([]byte, error) {
	object, err := json.Marshal(rec)
	if err != nil {
		return nil, fmt.Errorf("encode record: %w", err)
	}
	c.buf = append(c.buf[:0], linePrefix...)
	c.buf = strconv.AppendInt(c.buf, int64(c.lines+1), 10)
	c.buf = append(c.buf, ',')
	c.buf = append(c.buf, object[1:len(object)-1]...)
	c.lines, c.last = c.lines+1, c.hash(c.buf)
	c.buf = append(c.buf, hashPrefix...)
	c.buf = append(c.buf, c.last[:]...)
	c.buf = append(c.buf, lineSuffix...)
	return c.buf, nil
}

// open returns the fields of the record in the next line, or an error that says what is wrong with
// it.
func (c *chain) open(line []byte) (fields []byte, err error) {
	hashed := len(line) - len(hashPrefix) - len(c.last) - len(lineSuffix)
	if hashed < 0 {
		return nil, errNoLine
	}
	body, numbered := bytes.CutPrefix(line[:hashed], []byte(linePrefix))
	digits, fields, some := bytes.Cut(body, []byte{','})
	n, err := strconv.Atoi(string(digits))
	tail, ended := bytes.CutSuffix(line[hashed:], []byte(lineSuffix))
	given, hashes := bytes.CutPrefix(tail, []byte(hashPrefix))
	if !numbered || !some || err != nil || !ended || !hashes {
		return nil, errNoLine
	}
	next := c.hash(line[:hashed])
	switch {
	case n > c.lines+1:
		return nil, fmt.Errorf("it is numbered %d: lines are missing before it, or out of order, or its number was changed", n)
	case n < c.lines+1:
		return nil, fmt.Errorf("it is numbered %d: a line stands twice, or out of order, or its number was changed", n)
	case !bytes.Equal(given, next[:]):
		return nil, errors.New("its hash does not fit it and the line before it: one of them was changed, or is of another journal")
	}
	c.lines, c.last = c.lines+1, next
	return fields, nil
}

var errNoLine = errors.New("no line of a journal")

// hash is that of the beginning of a line that follows the last one.
func (c *chain) hash(beginning []byte) (digits [16]byte) {
	if c.sha256 == nil {
		c.sha256 = sha256.New()
	}
	c.sha256.Reset()
	if c.lines > 0 {
		c.sha256.Write(c.last[:])
	}
	c.sha256.Write(beginning)
	var sum [sha256.Size]byte
	hex.Encode(digits[:], c.sha256.Sum(sum[:0])[:len(digits)/2])
	return digits
}
