package registry

import (
	"io/fs"
	"strings"
	"testing"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"go.yaml.in/yaml/v3"

	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/registry/registrytest"
	"github.com/fairlead-cd/fairlead/internal/source"
)

const helmIndex = `apiVersion: v1
entries:
  api:
  - apiVersion: v2
    description: |
      web:
        - not: this
    digest: 1111111111111111111111111111111111111111111111111111111111111111
    urls:
    - api-1.0.0.tgz
    version: 1.0.0
  web:
  - version: 1.2.0
    digest: 2222222222222222222222222222222222222222222222222222222222222222
    urls: [web-1.2.0.tgz]
  - version: 1.0.0
    urls: [https://charts.example.com/web-1.0.0.tgz]
  # the end
  web-2:
    - version: 3.0.0
generated: "2026-01-01T00:00:00Z"
`

func TestIndex(t *testing.T) {
	for name, c := range map[string]struct{ index, want string }{
		"helm's":           {helmIndex, "1.2.0 1.0.0"},
		"with CRLF":        {strings.ReplaceAll(helmIndex, "\n", "\r\n"), "1.2.0 1.0.0"},
		"first":            {strings.Replace(helmIndex, "apiVersion: v1\n", "", 1), "1.2.0 1.0.0"},
		"indented by four": {"entries:\n    api:\n    - version: 2.0.0\n    web:\n    - version: 1.0.0\n", "1.0.0"},
		"quoted":           {"entries:\n  \"web\":\n  - version: 1.0.0\n", "1.0.0"},
		"in flow style":    {"entries: {web: [{version: 1.0.0}]}", "1.0.0"},
		"JSON":             {`{"apiVersion":"v1","entries":{"api":[{"version":"2.0.0"}],"web":[{"version":"1.0.0"}]}}`, "1.0.0"},
		"with an anchor":   {"entries:\n  api: &x\n  - version: 1.0.0\n  web: *x\n", "1.0.0"},
		"none of it":       {"entries:\n  api:\n  - version: 1.0.0\n", ""},
		"no entries":       {"entries: {}\n", ""},
	} {
		all, err := entriesOf([]byte(c.index), "web")
		var got []string
		for _, e := range all {
			got = append(got, e.Version)
		}
		if err != nil || strings.Join(got, " ") != c.want {
			t.Errorf("%s: %q, %v; want %q", name, got, err, c.want)
		}
	}
	for name, index := range map[string]string{
		"nothing": "", "a web page": "<html>\n<body>", "another file": "apiVersion: v1\nkind: ConfigMap\n", "JSON of something": `[1]`, "cut off": `{"entries":{"web":[{`,
		"a bomb": "a: &a [x,x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e,*e]\nentries: {web: *f}\n",
	} {
		if all, err := entriesOf([]byte(index), "web"); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%s: %v, %v", name, all, err)
		}
	}
}

// FuzzIndex: whatever a server says, it is versions or an error of kind invalid; and what is read of one chart alone is what is read of the whole.
func FuzzIndex(f *testing.F) {
	f.Add([]byte(helmIndex))
	f.Add([]byte(`{"entries":{"web":[{"version":"1.0.0","urls":["x"]}]}}`))
	f.Add([]byte("entries: {web: [{version: 1.0.0}]}"))
	f.Fuzz(func(t *testing.T, index []byte) {
		all, err := entriesOf(index, "web")
		if err != nil && fault.KindOf(err) != fault.Invalid {
			t.Fatalf("%v is of kind %s", err, fault.KindOf(err))
		}
		var versions []string
		for _, e := range all {
			versions = append(versions, e.Version)
		}
		_, _ = choose("^1", versions)
		if strings.HasPrefix(strings.TrimSpace(string(index)), "{") {
			return
		}
		var whole struct {
			Entries map[string][]entry `yaml:"entries"`
		}
		if yaml.Unmarshal(index, &whole) != nil || err != nil {
			return
		}
		if want := whole.Entries["web"]; len(want) != len(all) {
			t.Fatalf("%d versions, and %d in the whole", len(all), len(want))
		}
	})
}

// FuzzVersion: whatever is asked for, it is a version that there is, or an error of kind invalid.
func FuzzVersion(f *testing.F) {
	f.Add("^1.0", "1.0.0 1.1.0 v2.0.0")
	f.Add("", "1.0.0-rc.1")
	f.Fuzz(func(t *testing.T, wish, there string) {
		versions := strings.Fields(there)
		got, err := choose(wish, versions)
		if err != nil && fault.KindOf(err) != fault.Invalid {
			t.Fatalf("%v is of kind %s", err, fault.KindOf(err))
		}
		if err == nil && !strings.Contains(there, got) {
			t.Fatalf("%q is none of %q", got, there)
		}
		_, _, _ = Wish{Version: wish}.split()
	})
}

// FuzzManifest: whatever a registry says, no manifest has a layer that is not identified by a SHA-256.
func FuzzManifest(f *testing.F) {
	f.Add([]byte(`{"schemaVersion":2,"config":{},"layers":[{"mediaType":"`+chartLayer+`","digest":"sha256:`+strings.Repeat("1", 64)+`","size":3}]}`), "application/vnd.oci.image.manifest.v1+json")
	f.Fuzz(func(t *testing.T, raw []byte, kind string) {
		m, err := parseManifest(raw, kind)
		if err != nil {
			if fault.KindOf(err) != fault.Invalid {
				t.Fatalf("%v is of kind %s", err, fault.KindOf(err))
			}
			return
		}
		for _, l := range m.Layers {
			if !digestForm.MatchString(l.Digest.String()) {
				t.Fatal(l.Digest)
			}
		}
		_, _, _ = chartLayers(manifest{Manifest: m})
	})
}

// FuzzSignature: whatever stands beside an artifact, nobody is believed who has not the key.
func FuzzSignature(f *testing.F) {
	digest := "sha256:" + strings.Repeat("1", 64)
	trust, err := TrustOf(map[string][]byte{"cosign.pub": registrytest.NewKey().Public})
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(`{"critical":{"image":{"docker-manifest-digest":"`+digest+`"},"type":"cosign container image signature"}}`), "AAAA")
	f.Add([]byte(`{"dsseEnvelope":{"payload":"e30=","payloadType":"application/vnd.in-toto+json","signatures":[{"sig":"AAAA"}]}}`), "")
	f.Fuzz(func(t *testing.T, data []byte, annotation string) {
		if by := trust.simple(data, annotation, digest); by != "" {
			t.Errorf("%q is believed to be signed by %s", data, by)
		}
		if by := trust.bundled(data, digest); by != "" {
			t.Errorf("%q is believed to be signed by %s", data, by)
		}
	})
}

// FuzzDocker: whatever a Secret holds, it is credentials or an error that says nothing of it.
func FuzzDocker(f *testing.F) {
	f.Add([]byte(`{"auths":{"ghcr.io":{"auth":"dTpw"}}}`))
	f.Fuzz(func(t *testing.T, config []byte) {
		_, err := AccessOf(map[string][]byte{dockerConfig: config}, "oci://ghcr.io/shop")
		if err != nil && fault.KindOf(err) != fault.Invalid {
			t.Fatalf("%v is of kind %s", err, fault.KindOf(err))
		}
	})
}

// FuzzLayout: whatever an artifact is made of, it is files below its root or an error of kind invalid, and never nothing.
func FuzzLayout(f *testing.F) {
	f.Add("application/vnd.cncf.flux.content.v1.tar+gzip", "", "", registrytest.Tar(map[string]string{"apps/web/a.yaml": "a"}))
	f.Add("application/vnd.oci.image.layer.v1.tar+gzip", "apps", "true", registrytest.Tar(map[string]string{"apps/a.yaml": "a"}))
	f.Add("application/yaml", "apps/a.yaml", "", []byte("a"))
	f.Fuzz(func(t *testing.T, kind, title, unpack string, blob []byte) {
		layer := ocispec.Descriptor{MediaType: kind, Annotations: map[string]string{ocispec.AnnotationTitle: title, unpackMark: unpack}}
		other := ocispec.Descriptor{MediaType: "text/plain", Annotations: map[string]string{ocispec.AnnotationTitle: "README.md"}}
		for _, layers := range [][]ocispec.Descriptor{{layer}, {layer, other}, {layer, layer}} {
			parts, err := partsOf(ocispec.Manifest{Layers: layers})
			var tree source.Tree
			if err == nil {
				blobs := make([][]byte, len(parts))
				for i := range blobs {
					blobs[i] = blob
				}
				tree, err = treeOf(parts, blobs)
			}
			if err != nil {
				if fault.KindOf(err) != fault.Invalid {
					t.Fatalf("%v is of kind %s", err, fault.KindOf(err))
				}
				continue
			}
			files := 0
			_ = fs.WalkDir(tree, ".", func(p string, d fs.DirEntry, err error) error {
				if err != nil || !fs.ValidPath(p) {
					t.Fatal(p, err)
				}
				if !d.IsDir() {
					files++
				}
				return nil
			})
			if files == 0 {
				t.Fatal("an artifact of nothing is taken")
			}
		}
	})
}
