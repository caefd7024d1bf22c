package registry_test

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/registry"
	"github.com/fairlead-cd/fairlead/internal/registry/registrytest"
)

// kinds are the two places where charts are kept: what holds for one holds for the other.
var kinds = map[string]struct {
	url     func(*registrytest.Server) string
	publish func(*testing.T, *registrytest.Server, ...string)
}{
	"oci": {
		func(s *registrytest.Server) string { return "oci://" + s.Host + "/shop/charts" },
		func(t *testing.T, s *registrytest.Server, versions ...string) {
			for _, v := range versions {
				must(registrytest.Target{Address: s.Host + "/shop/charts"}.PushChart(t.Context(), chart(v), nil))(t)
			}
		},
	},
	"http": {
		func(s *registrytest.Server) string { return "http://" + s.Host + "/charts" },
		func(_ *testing.T, s *registrytest.Server, versions ...string) {
			for _, v := range versions {
				s.Publish(chart(v))
			}
		},
	},
}

func each(t *testing.T, run func(t *testing.T, s *registrytest.Server, url string, publish func(...string))) {
	for name, k := range kinds {
		t.Run(name, func(t *testing.T) {
			s := start(t)
			run(t, s, k.url(s), func(versions ...string) { t.Helper(); k.publish(t, s, versions...) })
		})
	}
}

func TestVersions(t *testing.T) {
	each(t, func(t *testing.T, _ *registrytest.Server, url string, publish func(...string)) {
		publish("1.0.0", "1.2.0", "1.10.1", "2.0.0", "3.0.0-rc.1", "1.2.0+build.7")
		c := charts(t, t.TempDir())
		for asked, want := range map[string]string{
			"1.2.0": "1.2.0", "": "2.0.0", "*": "2.0.0", "^1.0": "1.10.1", "1.x": "1.10.1", ">=1 <1.5": "1.2.0+build.7", "~1.0.0": "1.0.0", ">=3.0.0-0": "3.0.0-rc.1", "3.0.0-rc.1": "3.0.0-rc.1",
			"1.2.0+build.7": "1.2.0+build.7", "v2.0.0": "2.0.0",
		} {
			got := find(t, c, registry.Wish{URL: url, Name: "web", Version: asked, Access: insecure})
			if text, err := got.Tree.ReadFile("templates/a.yaml"); err != nil || string(text) != "version: "+want || strings.TrimPrefix(got.Version, "v") != want {
				t.Errorf("%q came to %s with %q, %v; want %s", asked, got.Version, text, err, want)
			}
			if !strings.HasPrefix(got.Digest, "sha256:") || !strings.HasPrefix(got.Content, "sha256:") || got.Name != "web" {
				t.Errorf("%q: %s %s", asked, got.Digest, got.Content)
			}
		}
		for asked, says := range map[string]string{
			"1.2.9": "there is no version 1.2.9: the newest is", "^4": `no version is in the range "^4": the newest is`, "newest": `"newest" is no version and no range`,
			"1.2.0@sha256:12": "is no digest", "^1@sha256:" + strings.Repeat("0", 64): "is no exact version, and so has no digest",
		} {
			refused(t, c, registry.Wish{URL: url, Name: "web", Version: asked, Access: insecure}, fault.Invalid, says)
		}
		refused(t, c, registry.Wish{URL: url, Name: "none", Version: "1.0.0", Access: insecure}, fault.Invalid, "there is no")
	})
}

// What was fetched is not fetched again, and is there with the registry down, after a restart, too.
func TestDown(t *testing.T) {
	each(t, func(t *testing.T, s *registrytest.Server, url string, publish func(...string)) {
		publish("1.0.0", "1.1.0")
		dir := t.TempDir()
		c := charts(t, dir)
		exact := registry.Wish{URL: url, Name: "web", Version: "1.0.0", Access: insecure}
		rng := registry.Wish{URL: url, Name: "web", Version: "1.x", Access: insecure}
		one, two := find(t, c, exact), find(t, c, rng)
		pinned := registry.Wish{URL: url, Name: "web", Version: "1.1.0@" + two.Digest, Access: insecure}
		bare := registry.Wish{URL: url, Name: "web", Version: two.Digest, Access: insecure}
		if got := find(t, c, pinned); got.Content != two.Content {
			t.Errorf("pinned: %s", got.Content)
		}
		if got := find(t, c, bare); got.Content != two.Content || got.Version != "1.1.0" {
			t.Errorf("by its digest alone: %s %s", got.Version, got.Content)
		}
		s.Requests()
		s.Down(true)
		for _, c := range []*registry.Charts{c, charts(t, dir)} {
			for w, want := range map[*registry.Wish]registry.Chart{&exact: one, &rng: two, &pinned: two, &bare: two} {
				got := find(t, c, *w)
				if got.Content != want.Content || got.Version != want.Version || got.Digest != want.Digest {
					t.Errorf("%s is %s %s; want %s %s", w, got.Version, got.Digest, want.Version, want.Digest)
				}
			}
			if news, err := c.Look(t.Context(), []registry.Wish{rng}); kindOfNews(news, err) != fault.Transient {
				t.Errorf("a look at a registry that is down: %v, %v", news, err)
			}
			unseen := registry.Access{Insecure: true, Username: "another"}
			refused(t, c, registry.Wish{URL: url, Name: "web", Version: "1.0.0", Access: unseen}, fault.Transient, "ask 127.0.0.1")
		}
		if asked := s.Requests(); len(asked) > 0 {
			t.Errorf("asked for %q", asked)
		}
	})
}

func kindOfNews(news []registry.News, err error) fault.Kind {
	for _, n := range news {
		if n.Err != nil {
			err = n.Err
		}
	}
	return fault.KindOf(err)
}

// A range moves when somebody looks, with one question; nothing that goes wrong moves it.
func TestLook(t *testing.T) {
	each(t, func(t *testing.T, s *registrytest.Server, url string, publish func(...string)) {
		publish("1.0.0")
		c := charts(t, t.TempDir())
		w := registry.Wish{URL: url, Name: "web", Version: "1.x", Access: insecure}
		other := registry.Wish{URL: url, Name: "web", Version: ">=1", Access: insecure}
		find(t, c, w)
		find(t, c, other)
		s.Requests()
		look := func(want string, changed bool) {
			t.Helper()
			news := must(c.Look(t.Context(), []registry.Wish{w, other}))(t)
			for _, n := range news {
				if n.Err != nil || n.Changed != changed || n.Chart.Version != want {
					t.Errorf("%s: %s, changed %t, %v; want %s", n.Wish, n.Chart.Version, n.Changed, n.Err, want)
				}
			}
			if got := find(t, c, w); got.Version != want {
				t.Errorf("afterwards it is %s, and not %s", got.Version, want)
			}
		}
		look("1.0.0", false)
		if asked := s.Requests(); len(asked) > 2 || strings.HasPrefix(url, "http") && !slices.Equal(asked, []string{"GET /charts/index.yaml 304"}) {
			t.Errorf("a look without news: %q", asked)
		}
		publish("1.1.0")
		look("1.1.0", true)
		look("1.1.0", false)
		s.Requests()
		if !strings.HasPrefix(url, "http") {
			return
		}
		good := s
		for name, bad := range map[string]string{
			"empty": "apiVersion: v1\nentries:\n", "nothing": "", "a web page": "<html>", "another chart": "apiVersion: v1\nentries:\n  api:\n  - version: 9.0.0\n",
			"another range": "apiVersion: v1\nentries:\n  web:\n  - version: 2.0.0\n    urls: [a]\n",
		} {
			good.Put("index.yaml", []byte(bad))
			news, err := c.Look(t.Context(), []registry.Wish{w})
			if err == nil && (news[0].Err == nil || news[0].Changed || news[0].Chart.Version != "1.1.0") {
				t.Errorf("%s: %+v", name, news[0])
			}
			if kind := kindOfNews(news, err); name != "another range" && kind != fault.Invalid {
				t.Errorf("%s: %s", name, kind)
			}
			if got := find(t, c, w); got.Version != "1.1.0" {
				t.Errorf("%s: afterwards it is %s", name, got.Version)
			}
		}
	})
}

// Many apps that begin at once are one question of the index, and one of each chart.
func TestOnce(t *testing.T) {
	s := start(t)
	for i := range 5 {
		s.Publish(registrytest.Chart{Name: fmt.Sprint("c", i), Version: "1.0.0"})
	}
	c := charts(t, t.TempDir())
	var all sync.WaitGroup
	for i := range 50 {
		all.Go(func() {
			if _, err := c.Find(t.Context(), registry.Wish{URL: "http://" + s.Host + "/charts", Name: fmt.Sprint("c", i%5), Version: "1.x", Access: insecure}); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if asked := s.Requests(); len(asked) != 6 {
		t.Errorf("asked for %q", asked)
	}
}

func TestCredentials(t *testing.T) {
	each(t, func(t *testing.T, s *registrytest.Server, url string, publish func(...string)) {
		publish("1.0.0")
		s.Protect("canary-password")
		c := charts(t, t.TempDir())
		w := registry.Wish{URL: url, Name: "web", Version: "1.0.0", Access: insecure}
		refused(t, c, w, fault.Denied, "it wants credentials: name a Secret with the keys username and password")
		w.Access = registry.Access{Insecure: true, Username: "fairlead", Password: "canary-wrong", Field: "spec.render.charts[0].secretRef"}
		refused(t, c, w, fault.Denied, "the credentials of the Secret in spec.render.charts[0].secretRef were not accepted")
		for name, entries := range map[string]map[string][]byte{
			"password": {"username": []byte("fairlead"), "password": []byte("canary-password")},
			"docker":   {".dockerconfigjson": []byte(`{"auths":{"https://` + s.Host + `/v1/":{"auth":"ZmFpcmxlYWQ6Y2FuYXJ5LXBhc3N3b3Jk"},"ghcr.io":{"username":"x","password":"y"}}}`)},
		} {
			a := must(registry.AccessOf(entries, url))(t)
			a.Insecure = true
			w.Access = a
			if text := fmt.Sprintf("%v %+v %#v %s", a, a, a, must(a.MarshalText())(t)); strings.Contains(text, "canary") {
				t.Error(text)
			}
			if got := find(t, c, w); got.Version != "1.0.0" {
				t.Errorf("%s: %s", name, got.Version)
			}
		}
		// Who has no credentials does not read what others fetched.
		w.Access = insecure
		refused(t, c, w, fault.Denied, "it wants credentials")
		// And the error says nothing of what it was given.
		w.Version, w.Access = "1.0.1", registry.Access{Insecure: true, Username: "fairlead", Password: "canary-wrong"}
		if _, err := c.Find(t.Context(), w); err == nil || strings.Contains(err.Error(), "canary") {
			t.Error(err)
		}
	})
}

func TestAddresses(t *testing.T) {
	c := charts(t, t.TempDir())
	for url, says := range map[string]string{
		"http://127.0.0.1:1/charts":    "without TLS, which is refused unless insecure is set",
		"https://u:p@127.0.0.1/charts": "holds credentials",
		"oci://u:p@127.0.0.1/charts":   "holds credentials",
		"ftp://127.0.0.1/charts":       "is no address of charts",
		"oci://127.0.0.1/Charts":       "is no address of the form oci://host/name",
		"oci://127.0.0.1/charts:1.0":   "is no address of the form",
		"file:///etc":                  "is no address of charts",
	} {
		_, err := c.Find(t.Context(), registry.Wish{URL: url, Name: "web", Version: "1.0.0"})
		if kind := fault.KindOf(err); err == nil || !strings.Contains(err.Error(), says) || kind != fault.Invalid && kind != fault.Denied || strings.Contains(err.Error(), "u:p") && !strings.Contains(err.Error(), "fetch chart") {
			t.Errorf("%s: %v (%s); want %q", url, err, fault.KindOf(err), says)
		}
	}
}

// A version that was put in the place of another one is not taken, nor is what the index does not speak of.
func TestForged(t *testing.T) {
	s := start(t)
	s.Publish(chart("1.0.0"))
	url := "http://" + s.Host + "/charts"
	forged := registrytest.Chart{Name: "web", Version: "1.0.0", Files: map[string]string{"templates/evil.yaml": "x"}}
	s.Put("web-1.0.0.tgz", forged.Archive())
	c := charts(t, t.TempDir())
	refused(t, c, registry.Wish{URL: url, Name: "web", Version: "1.0.0", Access: insecure}, fault.Denied, "and the index says sha256:")
	for says, in := range map[string]registrytest.Chart{
		"Chart.yaml says that it is web 0.9.0, and not web 1.1.0": {Name: "web", Version: "0.9.0"},
		"Chart.yaml says that it is api 1.1.0, and not web 1.1.0": {Name: "api", Version: "1.1.0"},
	} {
		s.Put("index.yaml", []byte("entries:\n  web:\n  - version: 1.1.0\n    urls: [other.tgz]\n"))
		s.Put("other.tgz", in.Archive())
		refused(t, charts(t, t.TempDir()), registry.Wish{URL: url, Name: "web", Version: "1.1.0", Access: insecure}, fault.Denied, says)
	}
	for says, data := range map[string][]byte{
		"it is no tar, or damaged": []byte("<html>not found</html>"), "there is no Chart.yaml": registrytest.Tar(map[string]string{"web/values.yaml": ""}),
		"is not below the one directory": registrytest.Tar(map[string]string{"Chart.yaml": "", "web/values.yaml": ""}),
	} {
		s.Put("other.tgz", data)
		refused(t, charts(t, t.TempDir()), registry.Wish{URL: url, Name: "web", Version: "1.1.0", Access: insecure}, fault.Invalid, says)
	}
	target := registrytest.Target{Address: s.Host + "/charts"}
	must(target.PushChart(t.Context(), chart("1.0.0"), nil))(t)
	w := registry.Wish{URL: "oci://" + s.Host + "/charts", Name: "web", Version: "1.0.0@sha256:" + strings.Repeat("1", 64), Access: insecure}
	refused(t, charts(t, t.TempDir()), w, fault.Invalid, "there is no such thing")
	must(target.Push(t.Context(), "image", registrytest.Manifest{ConfigType: "application/vnd.oci.image.config.v1+json"}))(t)
}

// What is damaged on the disk is fetched again, if it is still what it was.
func TestDamaged(t *testing.T) {
	each(t, func(t *testing.T, s *registrytest.Server, url string, publish func(...string)) {
		publish("1.0.0")
		dir := t.TempDir()
		w := registry.Wish{URL: url, Name: "web", Version: "1.0.0", Access: insecure}
		want := find(t, charts(t, dir), w)
		damage(t, filepath.Join(dir, "blobs"))
		if got := find(t, charts(t, dir), w); got.Content != want.Content {
			t.Errorf("it is %s", got.Content)
		}
		damage(t, filepath.Join(dir, "records"))
		damage(t, filepath.Join(dir, "indexes"))
		if got := find(t, charts(t, dir), w); got.Content != want.Content {
			t.Errorf("it is %s", got.Content)
		}
		damage(t, filepath.Join(dir, "blobs"))
		changed := chart("1.0.0")
		changed.Files["templates/a.yaml"] = "another"
		s.Publish(changed)
		must(registrytest.Target{Address: s.Host + "/shop/charts"}.PushChart(t.Context(), changed, nil))(t)
		got, err := charts(t, dir).Find(t.Context(), w)
		switch {
		case strings.HasPrefix(url, "http"):
			if fault.KindOf(err) != fault.Denied || !strings.Contains(err.Error(), "version 1.0.0 is not what it was") {
				t.Errorf("another archive under the version: %v", err)
			}
		case err != nil || got.Content != want.Content: // the digest is still there, whatever the tag names
			t.Errorf("%s, %v", got.Content, err)
		}
	})
}

func damage(t *testing.T, dir string) {
	t.Helper()
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			err = os.WriteFile(path, []byte("damaged"), 0o600)
		}
		return err
	})
}

func TestBounds(t *testing.T) {
	s := start(t)
	big := registrytest.Chart{Name: "web", Version: "1.0.0", Files: map[string]string{"big": noise(t, 1<<20)}}
	s.Publish(big)
	must(registrytest.Target{Address: s.Host + "/charts"}.PushChart(t.Context(), big, nil))(t)
	for _, url := range []string{"http://" + s.Host + "/charts", "oci://" + s.Host + "/charts"} {
		c := registry.KeepCharts(t.TempDir(), registry.Options{MaxBlob: 1 << 19})
		refused(t, c, registry.Wish{URL: url, Name: "web", Version: "1.0.0", Access: insecure}, fault.Invalid, "the chart is larger than 0 MiB")
	}
	c := registry.KeepCharts(t.TempDir(), registry.Options{MaxIndex: 20})
	refused(t, c, registry.Wish{URL: "http://" + s.Host + "/charts", Name: "web", Version: "1.0.0", Access: insecure}, fault.Invalid, "the index is larger than")

	dir := t.TempDir()
	c = registry.KeepCharts(dir, registry.Options{MaxCache: 3 << 20})
	for i := range 6 {
		s.Publish(registrytest.Chart{Name: fmt.Sprint("c", i), Version: "1.0.0", Files: map[string]string{"big": noise(t, 1<<20)}})
		find(t, c, registry.Wish{URL: "http://" + s.Host + "/charts", Name: fmt.Sprint("c", i), Version: "1.0.0", Access: registry.Access{Insecure: true, Username: fmt.Sprint(i)}})
	}
	var sum int64
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, _ error) error {
		if info, err := d.Info(); err == nil && !d.IsDir() {
			sum += info.Size()
		}
		return nil
	})
	if sum > 3<<20 {
		t.Errorf("the cache has %d bytes", sum)
	}
}

// noise is text that does not get smaller when it is packed.
func noise(t *testing.T, n int) string {
	t.Helper()
	f, err := os.Open("/dev/urandom")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	data := make([]byte, n)
	if _, err := io.ReadFull(f, data); err != nil {
		t.Fatal(err)
	}
	return string(data)
}
