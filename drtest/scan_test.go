package drtest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// FuzzScan: what is read without encoding/json is read as by it.
func FuzzScan(f *testing.F) {
	for _, fields := range []string{
		`"op":{"n":1,"id":"b","due":1,"start":2}`, `"op":{"n":1,"id":"b","due":1,"start":02}`, `"op":{"n":1,"id":"\u0062","due":1,"start":2}`,
		`"op":{"n":1,"id":"<b>","due":1,"start":2}`, `"op":{"n":1,"id":"é","due":1,"start":2}`, `"op":{"n":1,"id":"b","due":1,"start":2,"start":3}`,
		`"op":{"n":1,"id":"b","due":1,"start":9223372036854775808}`, `"op":{"n":1,"id":"b","due":1,"start":-2}`, `"op":{"n":1,"id":"b","due":1,"start":2.0}`,
		`"op": {"n":1,"id":"b","due":1,"start":2}`, `"op":{"n":1,"id":"b","due":1}`, `"op":{"n":1,"id":"b","due":1,"start":2},"end":{}`, `"op":null`,
		`"op":{"n":1,"id":"b","class":"eu","due":1,"start":2}`, `"op":{"n":1,"id":"b","class":"","due":1,"start":2}`, `"op":{"n":1,"id":"b","class":"e\tu","due":1,"start":2}`,
		`"op":{"n":1,"id":"b","class":"` + strings.Repeat("x", 3000) + `","due":1,"start":2}`, `"survivors":{"ids":["a"],"vanished":["b"]}`,
		`"outcome":{"n":0,"end":2,"outcome":"acked"}`, `"outcome":{"n":0,"end":2,"outcome":"unknown","err":"EOF"}`, `"outcome":{"n":0,"end":2,"outcome":"unknown","err":""}`,
		`"outcome":{"n":0,"end":2,"outcome":"rejected","err":"a\nb"}`, `"outcome":{"n":0,"end":2,"outcome":"maybe"}`, `"outcome":{"n":-0,"end":2,"outcome":"acked"}`,
		`"outcome":{"n":0,"end":2,"outcome":"unknown","err":"` + strings.Repeat("x", 3000) + `"}`,
		`"sample":{"lo":1,"hi":2}`, `"sample":{"lo":1,"hi":2,"units":{}}`, `"sample":{"lo":1,"hi":2,"units":null}`, `"sample":{"lo":1,"hi":2,"units":{"a":{"done":0}}}`,
		`"sample":{"lo":1,"hi":2,"units":{"a":{"done":4,"attempt":2,"from":1,"finished":true},"b":{"done":1}}}`, `"sample":{"lo":1,"hi":2,"units":{"b":{"done":1},"a":{"done":1}}}`,
		`"sample":{"lo":1,"hi":2,"units":{"a":{"done":1},"a":{"done":2}}}`, `"sample":{"lo":1,"hi":2,"units":{"a":{"done":1,"attempt":0}}}`,
		`"sample":{"lo":1,"hi":2,"units":{"a":{"done":1,"finished":false}}}`, `"sample":{"lo":1,"hi":2,"units":{"a":{"done":4,"finished":true,"wrong":"late"}}}`,
		`"survivors":{"ids":[]}`, `"survivors":{"ids":["a"]}`, `"survivors":{"ids":["a","b","b"]}`, `"survivors":{"ids":["a",]}`, `"survivors":{"ids":[,"a"]}`,
		`"survivors":{"ids":["a" ,"b"]}`, `"survivors":{"ids":null}`, `"survivors":{"ids":["a"]`, `"survivors":{"ids":["a","\n"]}`,
	} {
		f.Add(fields)
	}
	f.Fuzz(func(t *testing.T, fields string) {
		read := func(add func(*book) error) (*Ledger, string) {
			b := newBook()
			b.Ledger.Drill = Drill{ID: "S", Tracked: true}
			if err := b.addOp(&opSent{ID: "a"}); err != nil {
				t.Fatal(err)
			}
			return b.Ledger, fmt.Sprint(add(b))
		}
		known := false
		got, failure := read(func(b *book) (err error) { known, err = b.scan([]byte(fields)); return err })
		want, wanted := read(func(b *book) error { return b.decode([]byte(fields)) })
		if !known {
			return // decode decides
		}
		if diff := cmp.Diff(want, got); diff != "" || failure != wanted {
			t.Errorf("got %s, want %s (-want +got):\n%s", failure, wanted, diff)
		}
	})
}
