// Package echo is a service for the tests of this module's own containers and links: it answers
// each line with its name and that line. Its image has nothing but the program, so that nothing can
// rely on a shell.
package echo

import (
	"bufio"
	"context"
	"embed"
	"fmt"
	"net"
	"strings"
)

// Port is where the service listens.
const Port = 7777

// Files are those of the service's image, to which the program echo of Package belongs. The
// environment variable NAME names the service, which logs the datagrams that it hears, needs memory
// for the answer to "grow <MiB>" and leaves with code 0 on SIGTERM. Its arguments make it something
// else: "exit" ends it at once with code 3, "rude" makes it leave with code 4, and "ask <addr>
// <line>" and "tell <addr> <line>" make it a client, over TCP or with a datagram.
//
//go:embed Dockerfile
var Files embed.FS

// Package is the import path of the service's program.
const Package = "github.com/drtest/suite/internal/echo/program"

// A Client is a connection to the service.
type Client struct {
	net.Conn
	answers *bufio.Reader
}

// Dial connects to the service.
func Dial(ctx context.Context, addr string) (*Client, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	return &Client{conn, bufio.NewReader(conn)}, nil
}

// Ask sends a line and returns the answer.
func (c *Client) Ask(ctx context.Context, line string) (string, error) {
	if deadline, ok := ctx.Deadline(); ok {
		c.SetDeadline(deadline)
	}
	if _, err := fmt.Fprintln(c, line); err != nil {
		return "", err
	}
	answer, err := c.answers.ReadString('\n')
	return strings.TrimSpace(answer), err
}

// Ask asks the service at addr over a connection of its own.
func Ask(ctx context.Context, addr, line string) (string, error) {
	c, err := Dial(ctx, addr)
	if err != nil {
		return "", err
	}
	defer c.Close()
	return c.Ask(ctx, line)
}
