// Package progress tells people what goes on while they wait.
package progress

import (
	"flag"
	"fmt"
	"os"
)

// Say prints a line on standard error: what goes on may take minutes, and the log of a test is shown
// only at its end. Without -v, go test keeps what its tests print until they end, and shows it only
// if they fail: then the line is printed on the terminal, too, if there is one.
func Say(format string, args ...any) {
	line := fmt.Sprintf("drtest: "+format+"\n", args...)
	fmt.Fprint(os.Stderr, line)
	if v := flag.Lookup("test.v"); v != nil && v.Value.String() == "false" {
		sayOnTerminal(line)
	}
}
