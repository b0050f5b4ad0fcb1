package images

import (
	"flag"
	"fmt"
	"os"
)

// Progress tells on standard error what a build does: it may take minutes, and the log of a test is
// shown only at its end. Without -v, go test keeps what its tests say until they end, and shows it
// only if they fail: then it is told on the terminal, too, if there is one.
func Progress(format string, args ...any) {
	line := fmt.Sprintf("drtest: "+format+"\n", args...)
	fmt.Fprint(os.Stderr, line)
	if v := flag.Lookup("test.v"); v != nil && v.Value.String() == "false" {
		tellTerminal(line)
	}
}
