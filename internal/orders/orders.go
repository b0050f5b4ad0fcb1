// Package orders is the talk between a test process and a program of this module that runs in a
// container for it: orders and answers, a line each, over a stream that ends when either side does.
package orders

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
)

// Hello is the order that every program answers, with nothing, once it is ready.
const Hello = "hello"

// Serve answers the orders that come from r, one after the other, until r ends.
func Serve(r io.Reader, w io.Writer, obey func(order string) (string, error)) {
	for in := bufio.NewScanner(r); in.Scan(); {
		number, order, _ := strings.Cut(in.Text(), " ")
		answer, err := "", error(nil)
		if order != Hello {
			answer, err = obey(order)
		}
		if err != nil {
			fmt.Fprintf(w, "%s error %s\n", number, strings.Join(strings.Fields(err.Error()), " "))
		} else {
			fmt.Fprintf(w, "%s ok %s\n", number, answer)
		}
	}
}

// A Client gives orders.
type Client struct {
	w     io.Writer
	lines chan string   // what the program prints; closed when it is gone
	gone  chan struct{} // closed as well then, whoever reads lines
	mu    sync.Mutex
	given int
	words string // the last line that was no answer: why the program is gone
}

// NewClient returns a client of the program that reads from w and prints to r.
func NewClient(r io.Reader, w io.Writer) *Client {
	c := &Client{w: w, lines: make(chan string, 16), gone: make(chan struct{})}
	go func() {
		defer close(c.gone)
		defer close(c.lines)
		for in := bufio.NewScanner(r); in.Scan(); {
			c.lines <- in.Text()
		}
	}()
	return c
}

// Gone is closed when the program is gone.
func (c *Client) Gone() <-chan struct{} { return c.gone }

// Order gives an order and returns its answer.
func (c *Client) Order(ctx context.Context, order string) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.given++
	number := fmt.Sprint(c.given)
	if _, err := fmt.Fprintf(c.w, "%s %s\n", number, order); err != nil {
		return "", err
	}
	for {
		select {
		case line, ok := <-c.lines:
			if !ok {
				return "", errors.New("the program is gone: " + c.words)
			}
			if answer, mine := strings.CutPrefix(line, number+" ok "); mine {
				return answer, nil
			}
			if reason, mine := strings.CutPrefix(line, number+" error "); mine {
				return "", errors.New(reason)
			}
			// Or the answer to an order whose giver did not wait for it.
			c.words = line
		case <-ctx.Done():
			return "", context.Cause(ctx)
		}
	}
}
