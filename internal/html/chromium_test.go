package html

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/drtest/suite/internal/report"
)

// browser finds a Chromium. Without one nothing tells whether the page can be read.
func browser(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Skip("no Chromium is installed: apt-get install chromium")
	return ""
}

// looks is a page that opens the report in a frame of one width, and writes what a reader would
// trip over.
//
//go:embed testdata/looks.html
var looks string

// TestChromium: on a desktop and on a phone, dark and light, nothing stands out of the screen, each
// text has enough contrast, links lead somewhere, and what is drawn has words.
func TestChromium(t *testing.T) {
	chromium := browser(t)
	dir := t.TempDir()
	bad := failover()
	bad.Drill.Title += strings.Repeat(" with a name that goes on", 10)
	bad.Drill.Fault = strings.Repeat("one-word-that-no-line-can-hold", 10)
	r := save(t, dir, judged(bad), judged(failover()))
	r.Run = &report.Run{When: began, Go: "go1.26.8", OS: "linux", Arch: "amd64", CPUs: 2, Command: "go test " + strings.Repeat("x", 500), Exit: new(1)}
	r.Results[0].Test, r.Results[0].Package = "TestFailover", "example.org/scenarios_test"
	if err := os.WriteFile(filepath.Join(dir, "drill0", "app.log"), []byte("2025-11-14T09:30:01Z "+strings.Repeat("y", 5000)+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	page := string(render(t, r, dir))
	repeats := t.TempDir()
	plays := string(render(t, twenty(t, repeats), repeats))
	for _, c := range []struct {
		reason string
		page   string
		want   string // of what is found
	}{
		{"the page", page, ""},
		{"twenty plays", plays, ""},
		// Broken pages, to see that they are found.
		{"a table that is too wide", strings.ReplaceAll(page, "@media (max-width: 700px)", "@media (max-width: 1px)"), "wide:"},
		{"pale text", strings.ReplaceAll(page, "--soft: ", "--soft: #888; --was: "), "contrast:"},
		{"a link that leads nowhere", strings.ReplaceAll(page, `id="drill-2"`, `id="drill-x"`), "link:"},
		{"a drawing without words", strings.ReplaceAll(page, `role="img" aria-label=`, `data-x=`), "words:"},
		{"two elements of one id", strings.ReplaceAll(page, `id="drill-2"`, `id="drill-1"`), "id:"},
		{"a script", strings.Replace(page, "<main>", "<main><script>document.title = 'ran'</script>", 1), ""},
	} {
		broken := c.want != "" || c.reason == "a script"
		if broken && c.page == page {
			t.Fatalf("%s: nothing was broken", c.reason)
		}
		if broken {
			found := strings.Join(look(t, chromium, c.page, 360, light), "\n")
			if (c.want == "") != (found == "") || !strings.Contains(found, c.want) {
				t.Errorf("%s: got %q, want %q", c.reason, found, c.want)
			}
			continue
		}
		for _, width := range []int{360, 1280} {
			for _, scheme := range []string{light, dark} {
				if found := look(t, chromium, c.page, width, scheme); len(found) > 0 {
					t.Errorf("%s, %d px, scheme %s: %s", c.reason, width, scheme, strings.Join(found, "\n"))
				}
			}
		}
	}
}

// The schemes of colours as Chromium counts them.
const (
	dark  = "0"
	light = "1"
)

var findings = regexp.MustCompile(`(?s)<pre id="found">(.*?)</pre>`)

// look opens a page in Chromium and returns what is wrong with it.
func look(t *testing.T, chromium, page string, width int, scheme string) (found []string) {
	t.Helper()
	dir := t.TempDir()
	frame := filepath.Join(dir, "looks.html")
	for path, text := range map[string]string{filepath.Join(dir, "page.html"): page, frame: strings.ReplaceAll(looks, "WIDTH", fmt.Sprint(width))} {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), chromium, "--headless=new", "--no-sandbox", "--disable-gpu", "--user-data-dir="+filepath.Join(dir, "profile"),
		"--allow-file-access-from-files", "--blink-settings=preferredColorScheme="+scheme, "--window-size=1400,1000", "--virtual-time-budget=5000", "--dump-dom", "file://"+frame)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("chromium: %v", err)
	}
	said := findings.FindSubmatch(out)
	if said == nil || json.Unmarshal(said[1], &found) != nil {
		t.Fatalf("chromium did not look at the page: %s", out[max(0, len(out)-1000):])
	}
	return found
}
