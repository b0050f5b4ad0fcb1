package orders

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestOrders(t *testing.T) {
	c, end := program(func(order string) (string, error) {
		if order == "fail" {
			return "", errors.New("no\nway")
		}
		return order + "!", nil
	})
	answer, err := c.Order(t.Context(), Hello)
	require.NoError(t, err)
	require.Empty(t, answer)
	answer, err = c.Order(t.Context(), "do this")
	require.NoError(t, err)
	require.Equal(t, "do this!", answer)
	_, err = c.Order(t.Context(), "fail")
	require.EqualError(t, err, "no way")
	end()
	_, err = c.Order(t.Context(), "do this")
	require.EqualError(t, err, "the program is gone: last words")
}

// The answer to an order that was given up is not taken for that of the next one, though they read
// the same.
func TestOrderGivenUp(t *testing.T) {
	release, n := make(chan struct{}), 0
	c, end := program(func(string) (string, error) {
		n++
		<-release
		return fmt.Sprint(n), nil
	})
	defer end()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := c.Order(ctx, "count")
	require.ErrorIs(t, err, context.Canceled)
	close(release)
	answer, err := c.Order(t.Context(), "count")
	require.NoError(t, err)
	require.Equal(t, "2", answer)
}

// program runs Serve at the other end of a client, until end is called.
func program(obey func(string) (string, error)) (c *Client, end func()) {
	orderR, orderW := io.Pipe()
	answerR, answerW := io.Pipe()
	go func() {
		Serve(orderR, answerW, obey)
		fmt.Fprintln(answerW, "last words")
		answerW.Close()
	}()
	return NewClient(answerR, lenient{orderW}), func() { orderW.Close() }
}

// lenient is a writer as a socket is one: what nobody reads any more is lost without an error.
type lenient struct{ io.Writer }

func (l lenient) Write(p []byte) (int, error) { l.Writer.Write(p); return len(p), nil }
