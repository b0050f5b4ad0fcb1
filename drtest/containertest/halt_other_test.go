//go:build !unix

package containertest_test

import (
	"errors"
	"os"
)

// halt cannot stop a process here.
func halt(*os.Process) error { return errors.ErrUnsupported }
