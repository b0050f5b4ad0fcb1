// Package containertest runs a service in a container for the length of a test and offers the
// faults that a container can suffer.
package containertest
