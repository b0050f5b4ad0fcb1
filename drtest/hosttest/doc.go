// Package hosttest runs a program on the test's own machine, without a container, and offers the
// faults that signals can make. It needs Linux, which tells of each process whether it stands still
// or is gone, and ends the program with the test process, however that ends.
package hosttest
