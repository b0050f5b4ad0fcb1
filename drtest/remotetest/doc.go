// Package remotetest puts a system under drill that runs elsewhere, such as staging, by commands of
// the user's: kubectl, ssh, the command of a cloud. It makes sure of which system these reach before
// each fault, and heals what it has done at once when the drill stops, however that stops. It needs
// a Unix shell.
package remotetest
