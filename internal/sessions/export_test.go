package sessions

// DeadSince is Dead with a time of its own that a reaper may take to start.
var DeadSince = dead
