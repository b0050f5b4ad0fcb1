package pgtest

import "fmt"

const (
	// SegmentSize is the size of a file of WAL, in bytes: initdb's default.
	SegmentSize = 16 << 20
	// WALFolder has the files of WAL.
	WALFolder = DataFolder + "/pg_wal"
	// KeptWALFolder has copies of a server's WAL from before pg_rewind replaced it, of each file
	// the first one. Only members of a cluster of patronitest have it.
	KeptWALFolder = Home + "/kept"
)

// An LSN is a position in the write-ahead log.
type LSN uint64

// String returns the LSN as PostgreSQL writes it: "0/5000148".
func (l LSN) String() string { return fmt.Sprintf("%X/%X", uint32(l>>32), uint32(l)) }

// ParseLSN reads an LSN as PostgreSQL writes it.
func ParseLSN(s string) (LSN, error) {
	var high, low uint32
	if _, err := fmt.Sscanf(s, "%X/%X", &high, &low); err != nil {
		return 0, fmt.Errorf("LSN %q: %w", s, err)
	}
	return LSN(high)<<32 | LSN(low), nil
}
