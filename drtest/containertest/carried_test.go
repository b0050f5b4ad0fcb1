package containertest

import "testing"

func TestCarried(t *testing.T) {
	for _, c := range []struct {
		asked int
		rate  float64
		want  int
	}{
		{4, 0, 1}, {4, 340, 1}, {4, 499, 1}, {4, 500, 2}, {4, 999, 3}, {4, 1000, 4}, {4, 5000, 4}, {2, 5000, 2}, {1, 5000, 1},
	} {
		if got := carried(c.asked, c.rate); got != c.want {
			t.Errorf("%d tests on a machine that starts %.0f processes a second: %d, want %d", c.asked, c.rate, got, c.want)
		}
	}
}
