package docker

import "github.com/moby/moby/api/types/container"

// MaxProcesses is how many processes and threads a container may have unless it asks for more: far
// above what a service needs, and far below what a machine has.
const MaxProcesses = 4096

// Confine takes from a container what a service does not need: all capabilities of root but those
// named, the way to new privileges by programs with the set-user-ID bit, and processes without end.
func Confine(h *container.HostConfig, capabilities ...string) {
	most := int64(MaxProcesses)
	h.CapDrop, h.CapAdd = []string{"ALL"}, capabilities
	h.SecurityOpt = []string{"no-new-privileges:true"}
	h.PidsLimit = &most
}
