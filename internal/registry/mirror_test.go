package registry_test

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/registry"
	"github.com/fairlead-cd/fairlead/internal/registry/registrytest"
	"github.com/fairlead-cd/fairlead/internal/source"
)

func mirror(t testing.TB, dir, url string) *registry.Mirror {
	t.Helper()
	m := must(registry.OpenMirror(dir, url, registry.Options{}))(t)
	t.Cleanup(func() { _ = m.Close() })
	return m
}

// follow resolves and fetches one ref.
func follow(t *testing.T, m *registry.Mirror, ref source.Ref) registry.Found {
	t.Helper()
	found := must(m.Resolve(t.Context(), insecure, []source.Ref{ref}))(t)
	if found[0].Err != nil {
		return found[0]
	}
	return must(m.Fetch(t.Context(), insecure, []source.Resolved{found[0].Resolved}))(t)[0]
}

// text lists the files of an artifact with what is in them.
func text(t *testing.T, m *registry.Mirror, f registry.Found) string {
	t.Helper()
	if f.Err != nil {
		t.Fatal(f.Err)
	}
	s := must(m.Snapshot(t.Context(), f.Commit))(t)
	var out []string
	err := fs.WalkDir(s.Tree, ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := s.Tree.ReadFile(p)
		out = append(out, p+"="+string(data))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(out, " ")
}

func TestArtifacts(t *testing.T) {
	s := start(t)
	at := registrytest.Target{Address: s.Host + "/shop/config"}
	one := must(at.PushFlux(t.Context(), "v1.0.0", map[string]string{"apps/web/web.yaml": "1"}, "main@sha1:0123456789012345678901234567890123456789"))(t)
	must(at.PushOras(t.Context(), "1.1.0", "apps", map[string]string{"web/web.yaml": "2"}, map[string]string{"README.md": "read me"}))(t)
	must(at.PushFlux(t.Context(), "2.0.0_build.1", map[string]string{"x": "3"}, ""))(t)
	must(registrytest.Target{Address: s.Host + "/shop"}.PushChart(t.Context(), registrytest.Chart{Name: "config", Version: "3.0.0"}, nil))(t)
	m := mirror(t, t.TempDir(), "oci://"+s.Host+"/shop/config")
	for _, c := range []struct {
		ref            source.Ref
		revision, want string
	}{
		{source.Ref{Tag: "v1.0.0"}, "v1.0.0@sha256:", "apps/web/web.yaml=1"},
		{source.Ref{SemVer: "~1.0"}, "v1.0.0@sha256:", "apps/web/web.yaml=1"},
		{source.Ref{SemVer: "^1"}, "1.1.0@sha256:", "README.md=read me apps/web/web.yaml=2"},
		{source.Ref{SemVer: "2.x"}, "2.0.0_build.1@sha256:", "x=3"},
		{source.Ref{Commit: source.Commit(strings.TrimPrefix(one, "sha256:"))}, "sha256:", "apps/web/web.yaml=1"},
		{source.Ref{Tag: "3.0.0"}, "3.0.0@sha256:", "config/Chart.yaml=apiVersion: v2\nname: config\nversion: 3.0.0\n"},
	} {
		f := follow(t, m, c.ref)
		if got := text(t, m, f); got != c.want || !strings.HasPrefix(f.Revision(), c.revision) || len(f.Revision()) != len(c.revision)+64 {
			t.Errorf("%s is %s with %s; want %s", c.ref, f.Revision(), got, c.want)
		}
	}
	snapshot := must(m.Snapshot(t.Context(), source.Commit(strings.TrimPrefix(one, "sha256:"))))(t)
	if snapshot.Subject != "made of main@sha1:0123456789012345678901234567890123456789" || snapshot.Author.When.IsZero() || snapshot.URL != "oci://"+s.Host+"/shop/config" {
		t.Errorf("%+v", snapshot)
	}
	for says, ref := range map[string]source.Ref{
		"it names a branch, and a registry has none": {Branch: "main"}, `tag "v9" does not exist`: {Tag: "v9"}, `no version is in the range "^9"`: {SemVer: "^9"},
		"is no digest of an artifact": {Commit: source.Commit(strings.Repeat("0", 40))}, "cannot be a tag": {Tag: "a/b"}, "is no version and no range": {SemVer: "newest"},
		"there is no such artifact": {Commit: source.Commit(strings.Repeat("0", 64))},
	} {
		if f := follow(t, m, ref); f.Err == nil || !strings.Contains(f.Err.Error(), says) || fault.KindOf(f.Err) != fault.Invalid {
			t.Errorf("%s: %v; want %q", ref, f.Err, says)
		}
	}
}

// What is no artifact, or an empty one, is an Err of the ref: whoever follows it keeps what it had.
func TestLayouts(t *testing.T) {
	const gzip, flux = "application/vnd.oci.image.layer.v1.tar+gzip", "application/vnd.cncf.flux.content.v1.tar+gzip"
	title := func(name string) map[string]string { return map[string]string{"org.opencontainers.image.title": name} }
	escape := func() []byte {
		var out bytes.Buffer
		w := tar.NewWriter(&out)
		_ = w.WriteHeader(&tar.Header{Name: "../x", Typeflag: tar.TypeReg, Size: 1, Mode: 0o600})
		_, _ = w.Write([]byte("x"))
		_ = w.Close()
		return out.Bytes()
	}()
	full := registrytest.Tar(map[string]string{"a": "1"})
	s := start(t)
	at := registrytest.Target{Address: s.Host + "/config"}
	m := mirror(t, t.TempDir(), "oci://"+s.Host+"/config")
	for i, c := range []struct {
		says   string
		layers []registrytest.Layer
	}{
		{"the artifact is empty: it has no layer", nil},
		{"the artifact is empty: it holds no file", []registrytest.Layer{{MediaType: flux, Data: registrytest.Tar(nil)}}},
		{"it has 2 layers without a name: it is an image", []registrytest.Layer{{MediaType: gzip, Data: full}, {MediaType: gzip, Data: registrytest.Tar(map[string]string{"b": "1"})}}},
		{"has no name and is no tar", []registrytest.Layer{{MediaType: "application/json", Data: []byte("{}")}}},
		{"has no path within the artifact", []registrytest.Layer{{MediaType: "text/plain", Data: []byte("x"), Annotations: title("../../etc/passwd")}}},
		{"has no path within the artifact", []registrytest.Layer{{MediaType: "text/plain", Data: []byte("x"), Annotations: title("/etc/passwd")}}},
		{`"../x" is no path within the archive`, []registrytest.Layer{{MediaType: flux, Data: escape}}},
		{"it is no tar, or damaged", []registrytest.Layer{{MediaType: flux, Data: []byte("<html>")}}},
		{"a is there twice", []registrytest.Layer{{MediaType: flux, Data: full}, {MediaType: "text/plain", Data: []byte("x"), Annotations: title("a")}}},
	} {
		tag := fmt.Sprint("t", i)
		must(at.Push(t.Context(), tag, registrytest.Manifest{ConfigType: "application/vnd.cncf.flux.config.v1+json", Layers: c.layers}))(t)
		if f := follow(t, m, source.Ref{Tag: tag}); f.Err == nil || !strings.Contains(f.Err.Error(), c.says) || fault.KindOf(f.Err) != fault.Invalid {
			t.Errorf("%v; want %q", f.Err, c.says)
		}
	}
}

// With the registry down, what was fetched is there, after a restart too; and a look costs one question, whatever is at hand.
func TestMirrorDown(t *testing.T) {
	s := start(t)
	at := registrytest.Target{Address: s.Host + "/config"}
	must(at.PushFlux(t.Context(), "v1.0.0", map[string]string{"a": "1"}, ""))(t)
	dir, url := t.TempDir(), "oci://"+s.Host+"/config"
	m := mirror(t, dir, url)
	f := follow(t, m, source.Ref{Tag: "v1.0.0"})
	s.Requests()
	follow(t, m, source.Ref{Tag: "v1.0.0"})
	if asked := s.Requests(); len(asked) != 1 {
		t.Errorf("a look without news asked for %q", asked)
	}
	s.Down(true)
	for _, m := range []*registry.Mirror{m, mirror(t, dir, url)} {
		if _, err := m.Resolve(t.Context(), insecure, []source.Ref{{Tag: "v1.0.0"}}); fault.KindOf(err) != fault.Transient {
			t.Errorf("a registry that is down: %v", err)
		}
		if got := text(t, m, f); got != "a=1" {
			t.Error(got)
		}
	}
	damage(t, filepath.Join(dir, "blobs"))
	again := mirror(t, dir, url)
	if _, err := again.Snapshot(t.Context(), f.Commit); fault.KindOf(err) != fault.Transient {
		t.Errorf("a damaged artifact: %v", err)
	}
	s.Down(false)
	follow(t, again, source.Ref{Tag: "v1.0.0"})
	if got := text(t, again, f); got != "a=1" {
		t.Error(got)
	}
}

func TestMirrorSigned(t *testing.T) {
	s := start(t)
	good, bad := registrytest.NewKey(), registrytest.NewKey()
	at := registrytest.Target{Address: s.Host + "/config"}
	m := mirror(t, t.TempDir(), "oci://"+s.Host+"/config")
	vouch := func(tag string) (string, error) {
		return m.Vouch(t.Context(), insecure, trust(t, good), follow(t, m, source.Ref{Tag: tag}).Commit)
	}
	signed := must(at.PushFlux(t.Context(), "signed", map[string]string{"a": "1"}, ""))(t)
	ok(t, at.Sign(t.Context(), good, signed))
	if by, err := vouch("signed"); err != nil || !strings.HasPrefix(by, "team-0.pub (SHA256:") {
		t.Error(by, err)
	}
	other := must(at.PushFlux(t.Context(), "other", map[string]string{"a": "2"}, ""))(t)
	if by, err := vouch("other"); fault.KindOf(err) != fault.Denied {
		t.Error(by, err)
	}
	ok(t, at.Sign(t.Context(), bad, other))
	if by, err := vouch("other"); fault.KindOf(err) != fault.Denied || !strings.Contains(err.Error(), "it is signed, but not with the key") {
		t.Error(by, err)
	}
	s.Down(true)
	if by, err := m.Vouch(t.Context(), insecure, trust(t, good), source.Commit(strings.TrimPrefix(signed, "sha256:"))); fault.KindOf(err) != fault.Transient {
		t.Error(by, err)
	}
}
