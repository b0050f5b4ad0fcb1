// Command program is the echo service.
package main

import (
	"bufio"
	"fmt"
	"log"
	"net"
	"os"
)

func main() {
	fmt.Println("echo starts")
	if len(os.Args) > 1 && os.Args[1] == "exit" {
		fmt.Println("echo was told to exit")
		os.Exit(3)
	}
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
				fmt.Fprintf(conn, "%s: %s\n", os.Getenv("NAME"), in.Text())
			}
		}()
	}
}
