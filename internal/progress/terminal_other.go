//go:build !unix

package progress

func sayOnTerminal(string) {}
