// Command program is the echo service.
package main

import (
	"bufio"
	"fmt"
	"log"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// patience bounds the requests to other services.
const patience = 300 * time.Millisecond

func main() {
	log.SetFlags(0)
	command := ""
	if len(os.Args) > 1 {
		command = os.Args[1]
	}
	switch command {
	case "ask", "tell":
		if err := request(command, os.Args[2], os.Args[3]); err != nil {
			log.Fatal(err)
		}
	case "exit":
		fmt.Println("echo starts")
		fmt.Println("echo was told to exit")
		os.Exit(3)
	default:
		fmt.Println("echo starts")
		go listenToDatagrams()
		go leave(command == "rude")
		serve()
	}
}

// request asks another service over TCP and prints its answer, or tells it something in a datagram.
func request(command, addr, line string) error {
	network := map[string]string{"ask": "tcp", "tell": "udp"}[command]
	conn, err := net.DialTimeout(network, addr, patience)
	if err != nil {
		return err
	}
	conn.SetDeadline(time.Now().Add(patience))
	if _, err := fmt.Fprintln(conn, line); err != nil || command == "tell" {
		return err
	}
	answer, err := bufio.NewReader(conn).ReadString('\n')
	fmt.Print(answer)
	return err
}

func listenToDatagrams() {
	conn, err := net.ListenPacket("udp", ":7777")
	if err != nil {
		log.Fatal(err)
	}
	for b := make([]byte, 1024); ; {
		n, _, err := conn.ReadFrom(b)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("echo heard %s", b[:n])
	}
}

// leave ends the service when it is asked to.
func leave(rude bool) {
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGTERM)
	<-asked
	if rude {
		os.Exit(4)
	}
	fmt.Println("echo leaves")
	os.Exit(0)
}

func serve() {
	l, err := net.Listen("tcp", ":7777")
	if err != nil {
		log.Fatal(err)
	}
	for {
		conn, err := l.Accept()
		if err != nil {
			log.Fatal(err)
		}
		go func() {
			defer conn.Close()
			for in := bufio.NewScanner(conn); in.Scan(); {
				var mib int
				if _, err := fmt.Sscanf(in.Text(), "grow %d", &mib); err == nil {
					grow(mib)
				}
				fmt.Fprintf(conn, "%s: %s\n", os.Getenv("NAME"), in.Text())
			}
		}()
	}
}

// grow takes memory and uses it once.
func grow(mib int) {
	b := make([]byte, mib<<20)
	for i := 0; i < len(b); i += 4096 {
		b[i] = 1
	}
}
