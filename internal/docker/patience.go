package docker

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/drtest/suite/internal/progress"
)

const (
	// sayEvery is the time between two lines that say what is waited for.
	sayEvery = 5 * time.Second
	// patienceLimit is how long the engine may take for the first word of an answer, once it has
	// the request.
	patienceLimit = 40 * time.Second
	// longLimit is the same for requests that are long work for the engine before it has a word to
	// say.
	longLimit = 5 * time.Minute
)

// long are the requests of long work: of images, of whole directories, and those that wait for an
// end.
var long = regexp.MustCompile(`^\S+ /(build|images/load|images/create|containers/[^/]+/(archive|wait)|commit)$`)

// Voice says every few seconds that something is waited for, until stop is called.
func Voice(what string) (stop func()) {
	return voice(progress.Say, sayEvery, what)
}

func voice(say func(string, ...any), every time.Duration, what string) (stop func()) {
	begin := time.Now()
	var mu sync.Mutex
	var timer *time.Timer
	stopped := false
	speak := func() {
		mu.Lock()
		defer mu.Unlock()
		if !stopped {
			say("waiting for %s, %v so far", what, time.Since(begin).Round(every/10))
			timer.Reset(every)
		}
	}
	mu.Lock()
	timer = time.AfterFunc(every, speak)
	mu.Unlock()
	return func() {
		mu.Lock()
		defer mu.Unlock()
		stopped = true
		timer.Stop()
	}
}

// Watch is for work that tells what it does, and that nobody can tell how long it takes: its
// context ends when there has been no word for as long as limit, with that as the cause, and every few
// seconds without one it is said what is waited for. Stop ends the watch.
func Watch(ctx context.Context, limit time.Duration, what string) (watched context.Context, word func(string), stop func()) {
	watched, cancel := context.WithCancelCause(ctx)
	var mu sync.Mutex
	last, quiet := "", voice(progress.Say, sayEvery, what)
	end := time.AfterFunc(limit, func() {
		mu.Lock()
		defer mu.Unlock()
		cancel(fmt.Errorf("%s: no word for %v%s", what, limit, last))
	})
	word = func(said string) {
		mu.Lock()
		defer mu.Unlock()
		if said = strings.TrimSpace(said); said != "" {
			last = ", the last one was: " + said
		}
		quiet()
		quiet = voice(progress.Say, sayEvery, what+last)
		end.Reset(limit)
	}
	stop = func() {
		mu.Lock()
		defer mu.Unlock()
		quiet()
		end.Stop()
		cancel(nil)
	}
	return watched, word, stop
}

// A Silence is the error of a request that the engine has not answered.
type Silence struct {
	Engine, Request string
	For             time.Duration
}

func (s *Silence) Error() string {
	return fmt.Sprintf("the container engine at %s has not answered %s for %v: see whether docker ps answers, and restart the engine if it does not",
		s.Engine, s.Request, s.For)
}

// A listener dials an engine, and hears when it is silent: it says what it waits for, and gives up
// at last. Requests that have had the first byte of their answer are their callers' matter. What is
// encrypted it cannot tell apart, and leaves alone.
type listener struct {
	engine        string
	network, addr string
	limit, long   time.Duration
	every         time.Duration // between two lines
	say           func(string, ...any)

	mu      sync.Mutex
	request string    // the last that was made
	gaveUp  *Silence  // the last silence
	at      time.Time // of that
}

func (l *listener) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	defer voice(l.say, l.every, "a connection to the container engine at "+l.engine)()
	l.begin("a connection")
	dialer := net.Dialer{Timeout: l.limit}
	conn, err := dialer.DialContext(ctx, l.network, l.addr)
	if err != nil {
		return nil, err
	}
	return &heard{Conn: conn, listener: l}, nil
}

// begin takes note of a request. It returns an error when net/http only tries again what was given
// up just now.
func (l *listener) begin(request string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.request = request
	if l.gaveUp != nil && l.gaveUp.Request == request && time.Since(l.at) < time.Second {
		return l.gaveUp
	}
	return nil
}

// last returns the request that was made last.
func (l *listener) last() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.request
}

// heard is a connection to an engine.
type heard struct {
	net.Conn
	listener *listener

	mu       sync.Mutex
	request  string    // that has no answer yet; empty: there is none
	written  time.Time // when a part of it was last handed over
	stop     func()    // of the voice
	watch    *time.Timer
	silence  *Silence // for which it was closed
	late     bool     // the limit is over
	finished bool
}

// requestLine is the first line of a request, with the version of the API, which is left out.
var requestLine = regexp.MustCompile(`^([A-Z]+) (?:/v[0-9.]+)?(/[^ ?]*)[^ ]* HTTP/1\.1\r\n`)

func (c *heard) Write(p []byte) (int, error) {
	if err := c.asks(p); err != nil {
		return 0, err
	}
	n, err := c.Conn.Write(p)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.written = time.Now()
	if err != nil && c.silence != nil {
		err = c.silence
	}
	return n, err
}

// asks takes note of a request that p begins.
func (c *heard) asks(p []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.written = time.Now()
	if c.request != "" || c.finished {
		return nil // p goes on with it
	}
	line := requestLine.FindSubmatch(p[:min(len(p), bytes.IndexByte(p, '\n')+1)])
	if line == nil {
		return nil // of a stream, or encrypted
	}
	request := string(line[1]) + " " + string(line[2])
	if err := c.listener.begin(request); err != nil {
		return err
	}
	c.late = false
	c.request, c.stop = request, voice(c.listener.say, c.listener.every, "the container engine at "+c.listener.engine+" to answer "+request)
	c.watch = time.AfterFunc(c.limit(), c.look)
	return nil
}

func (c *heard) limit() time.Duration {
	if long.MatchString(c.request) {
		return c.listener.long
	}
	return c.listener.limit
}

// look gives the request up if it was handed over long enough ago.
func (c *heard) look() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.request == "" {
		return
	}
	if left := c.limit() - time.Since(c.written); left > 0 {
		c.watch.Reset(left)
		return
	}
	if !c.late { // a process that was stopped reads first what came meanwhile
		c.late = true
		c.watch.Reset(c.limit() / 10)
		return
	}
	c.silence = &Silence{c.listener.engine, c.request, c.limit()}
	c.listener.mu.Lock()
	c.listener.gaveUp, c.listener.at = c.silence, time.Now()
	c.listener.mu.Unlock()
	c.answered()
	c.finished = true
	c.Conn.Close()
}

// answered ends the wait for the request.
func (c *heard) answered() {
	if c.request != "" {
		c.request = ""
		c.stop()
		c.watch.Stop()
	}
}

func (c *heard) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.mu.Lock()
	defer c.mu.Unlock()
	if n > 0 {
		c.answered()
	}
	if err != nil && c.silence != nil {
		err = c.silence
	}
	return n, err
}

func (c *heard) Close() error {
	c.mu.Lock()
	c.answered()
	c.finished = true
	c.mu.Unlock()
	return c.Conn.Close()
}

// split returns the network and the address to dial, of the address of an engine.
func split(engine string) (network, addr string) {
	network, addr, _ = strings.Cut(engine, "://")
	if network == "unix" || network == "npipe" {
		return network, addr
	}
	addr, _, _ = strings.Cut(addr, "/")
	return "tcp", addr
}
