package pgtest

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/drtest/suite/drtest"
)

// Crash returns the death of the server by SIGKILL to its first process, the postmaster, which
// takes all others along. The engine starts the container again, unless its [Config] says
// NoRestart, and PostgreSQL recovers from its WAL. Clients see their connections closed, then
// connections refused, then the error 57P03 until recovery has ended. A container that is killed
// leaves the page cache of its host alone, so the drill shows that acknowledged commits were
// written, not that they were flushed. Heal does nothing. Confirm adds the line in which the
// server, once it was started again, said that it had crashed.
func (n *Node) Crash() drtest.Fault {
	f := n.answering(n.service.Crash())
	restarted := f.Confirm
	f.Confirm = func(ctx context.Context) (drtest.Receipt, error) {
		receipt, err := restarted(ctx)
		if err != nil {
			return "", err
		}
		log, err := n.service.Logs(ctx)
		if err != nil {
			return "", err
		}
		line, err := recovery(log)
		if line != "" {
			receipt += drtest.Receipt("; server log: " + line)
		}
		return receipt, err
	}
	return f
}

// Kill returns the death of the node: the engine kills the container, which no policy then starts
// again. Clients see their connections closed, and the name stops resolving. Heal does nothing.
func (n *Node) Kill() drtest.Fault { return n.answering(n.service.Kill()) }

// Destroy returns the loss of the node with its data: the engine kills the container and removes it
// with all its files. Clients see what they see after [Node.Kill]. What is left is what the node's
// archive has, if it has one. Heal does nothing.
func (n *Node) Destroy() drtest.Fault { return n.answering(n.service.Destroy()) }

// askEvery is the pause between two questions to a server that is about to die.
const askEvery = 2 * time.Millisecond

// answering has a fault that ends the server know until when it answered. An engine takes 50 to 200
// ms to kill a container, in which clients are still told of commits: without this nobody could say
// whether those came before the fault.
func (n *Node) answering(f drtest.Fault) drtest.Fault {
	end := f.Inject
	f.Inject = func(ctx context.Context) (drtest.Effect, error) {
		answered := time.Now() // when the last question was asked that had an answer: the first is to connect
		asking, stop := context.WithTimeout(ctx, connectTimeout)
		conn, err := n.Connect(asking)
		stop()
		if err != nil { // a server that does not answer can die as well
			return end(ctx)
		}
		asking, stop = context.WithCancel(context.WithoutCancel(ctx))
		var questions sync.WaitGroup
		questions.Go(func() {
			defer conn.Close(context.WithoutCancel(ctx))
			pause := time.NewTicker(askEvery)
			defer pause.Stop()
			for {
				asked := time.Now()
				if _, err := conn.Exec(asking, ""); err != nil {
					return
				}
				answered = asked
				<-pause.C
			}
		})
		effect, err := end(ctx)
		stop()
		questions.Wait()
		effect.NotBefore = answered
		return effect, err
	}
	return f
}

// recovery returns what a server says in its log, at its last start, about the crash before. It is
// empty when the server has not been started again or has not come so far, and an error when it
// found a clean shutdown.
func recovery(log string) (string, error) {
	const start, crashed, ready = "starting PostgreSQL", "database system was not properly shut down", "ready to accept"
	if strings.Count(log, start) < 2 {
		return "", nil
	}
	last := log[strings.LastIndex(log, start):]
	if at := strings.Index(last, crashed); at >= 0 {
		line, _, _ := strings.Cut(last[at:], "\n")
		return strings.TrimSpace(line), nil
	}
	if strings.Contains(last, ready) {
		return "", errors.New("the server was started again and found no crash to recover from")
	}
	return "", nil
}
