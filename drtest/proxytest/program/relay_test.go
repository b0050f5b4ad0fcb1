package main

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestRelay(t *testing.T) {
	a, b := named(t, "a"), named(t, "b")
	r := newRelay()
	front := listen(t)
	go r.serve(front)

	require.Error(t, ask(t, dial(t, front), "a"), "a relay that leads nowhere closes connections")

	r.redirect(a.Addr().String())
	old := dial(t, front)
	require.NoError(t, ask(t, old, "a"))
	require.NoError(t, ask(t, old, "a"), "a connection serves more than once")

	r.redirect(b.Addr().String())
	require.Error(t, ask(t, old, "a"), "a connection ends when its relay is led elsewhere")
	require.NoError(t, ask(t, dial(t, front), "b"))

	b.Close()
	require.Error(t, ask(t, dial(t, front), "b"), "an upstream that is away closes connections")
}

// A connection that cannot be made holds up neither others nor the end of its context.
func TestRelayDialsOnItsOwn(t *testing.T) {
	r := newRelay()
	front := listen(t)
	go r.serve(front)
	full := fullListener(t)
	r.redirect(full)
	waiting := dial(t, front)
	waiting.SetDeadline(time.Now().Add(dialTimeout / 5))
	_, err := waiting.Read(make([]byte, 1))
	require.ErrorContains(t, err, "i/o timeout", "the upstream does not answer yet")
	a := named(t, "a")
	r.redirect(a.Addr().String())
	require.NoError(t, ask(t, dial(t, front), "a"))
	require.Error(t, ask(t, waiting, "a"))
}

// A half-closed connection still gets its answer.
func TestRelayHalfClose(t *testing.T) {
	back, front := listen(t), listen(t)
	r := newRelay()
	r.redirect(back.Addr().String())
	go r.serve(front)
	client := dial(t, front).(*net.TCPConn)
	upstream, err := back.Accept()
	require.NoError(t, err)
	require.NoError(t, client.CloseWrite())
	_, err = upstream.Read(make([]byte, 1))
	require.ErrorContains(t, err, "EOF")
	_, err = upstream.Write([]byte("late"))
	require.NoError(t, err)
	upstream.Close()
	answer := make([]byte, 8)
	n, err := client.Read(answer)
	require.NoError(t, err)
	require.Equal(t, "late", string(answer[:n]))
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	return l
}

// named answers each line with its name.
func named(t *testing.T, name string) net.Listener {
	t.Helper()
	l := listen(t)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				for in := bufio.NewScanner(conn); in.Scan(); {
					fmt.Fprintln(conn, name)
				}
			}()
		}
	}()
	return l
}

// fullListener returns an address that neither accepts nor refuses, since its queue is full.
func fullListener(t *testing.T) string {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	require.NoError(t, err)
	t.Cleanup(func() { syscall.Close(fd) })
	require.NoError(t, syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
	require.NoError(t, syscall.Listen(fd, 0))
	addr, err := syscall.Getsockname(fd)
	require.NoError(t, err)
	full := fmt.Sprintf("127.0.0.1:%d", addr.(*syscall.SockaddrInet4).Port)
	for {
		conn, err := net.DialTimeout("tcp", full, 50*time.Millisecond)
		if err != nil {
			return full
		}
		t.Cleanup(func() { conn.Close() })
	}
}

func dial(t *testing.T, l net.Listener) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	return conn
}

// ask returns nil if the other side answers with want.
func ask(t *testing.T, conn net.Conn, want string) error {
	t.Helper()
	conn.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := fmt.Fprintln(conn, "who"); err != nil {
		return err
	}
	got := make([]byte, 16)
	n, err := conn.Read(got)
	if err != nil {
		require.NotErrorIs(t, err, os.ErrDeadlineExceeded)
		return err
	}
	require.Equal(t, want+"\n", string(got[:n]))
	return nil
}
