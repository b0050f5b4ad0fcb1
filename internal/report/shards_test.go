package report

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestCheckShards: each way not to be parts of one run has a sentence that names both.
func TestCheckShards(t *testing.T) {
	of := func(edits ...func(*Run)) *Run {
		r := &Run{Commit: "0123456789ab", Shard: &Shard{Index: 1, Of: 2, Profile: "fast", By: "divided", Drills: [][]Drill{{{"p", "TestA"}}, {{"p", "TestB"}}}}}
		for _, edit := range edits {
			edit(r)
		}
		return r
	}
	second := func(r *Run) { r.Shard.Index = 2 }
	commit := func(c Text) func(*Run) { return func(r *Run) { r.Commit = c } }
	const parts = "one and two are not parts of one run: "
	for _, c := range []struct {
		reason string
		a, b   *Run
		want   string
	}{
		{"two parts", of(), of(second), ""},
		{"in another order", of(second), of(), ""},
		{"two commits", of(), of(second, commit("ba9876543210")), parts + "the first is of commit 0123456789ab, the second of ba9876543210"},
		{"a hostile commit", of(), of(second, commit("\x1b[2J")), parts + `the first is of commit 0123456789ab, the second of \x1b[2J`},
		{"no commit", of(commit("")), of(second, commit("")), parts + "git does not tell the commit of either, so nothing tells whether they ran the same code"},
		{"changes", of(commit("0123456789ab" + Uncommitted)), of(second, commit("0123456789ab"+Uncommitted)),
			parts + "both are of commit 0123456789ab, and changes that are not committed, so nothing tells whether they ran the same code"},
		{"two profiles", of(), of(second, func(r *Run) { r.Shard.Profile = "" }), parts + "the first is of profile fast, the second of none"},
		{"two numbers", of(), of(func(r *Run) { r.Shard.Index, r.Shard.Of = 3, 3 }), parts + "the first is shard 1 of 2, the second shard 3 of 3"},
		{"twice the same", of(), of(), parts + "both are shard 1 of 2"},
		{"two divisions", of(), of(second, func(r *Run) { r.Shard.By = "otherwise"; r.Shard.Drills[0][0].Test = "TestC" }),
			parts + "they divide the drills differently; the first divided, the second otherwise"},
	} {
		got := ""
		if err := CheckShards([]string{"one", "two"}, []*Run{c.a, c.b}); err != nil {
			got = err.Error()
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.reason, diff)
		}
	}
}
