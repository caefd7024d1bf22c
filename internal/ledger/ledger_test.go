package ledger_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	typed "k8s.io/client-go/kubernetes/typed/core/v1"

	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/ledger"
	"github.com/fairlead-cd/fairlead/internal/object"
	"github.com/fairlead-cd/fairlead/internal/release"
	"github.com/fairlead-cd/fairlead/internal/testkit"
)

func name(s string) app.Name { return app.Name{Namespace: "shop", Environment: "prod", App: s} }

func claims(n int) app.Claims {
	rnd := rand.New(rand.NewPCG(uint64(n), 1))
	out := app.Claims{}
	for i := range n {
		k := object.Key{Group: "apps", Kind: "Deployment", Namespace: "shop", Name: fmt.Sprintf("web-%d", i)}
		out[k] = app.Claim{
			Key: k, Version: "apps/v1", Want: noise(rnd, 16), Print: noise(rnd, 12) + "." + noise(rnd, 12), Wave: i % 3, Confirmed: i%5 == 0,
		}
	}
	return out
}

// noise does not compress.
func noise(rnd *rand.Rand, n int) string {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	b := make([]byte, n)
	for i := range b {
		b[i] = letters[rnd.IntN(len(letters))]
	}
	return string(b)
}

// bundle is objects that take about so many bytes, compressed.
func bundle(seed uint64, bytes int) []object.Object {
	rnd := rand.New(rand.NewPCG(seed, 2))
	var out []object.Object
	for i := 0; i == 0 || i*(100<<10) < bytes; i++ {
		out = append(out, object.New(map[string]any{
			"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": fmt.Sprintf("c-%d-%d", seed, i)},
			"data": map[string]any{"x": noise(rnd, min(bytes, 130<<10))}, "n": int64(1 << 60), "f": 0.5, "t": true,
		}))
	}
	return out
}

func hashes(objs []object.Object) []string {
	var out []string
	for _, o := range objs {
		out = append(out, o.Hash())
	}
	return out
}

type bench struct {
	*testing.T
	kube kubernetes.Interface
}

// open returns a ledger in a namespace of its own.
func (b bench) open(t *testing.T) (*ledger.Ledger, typed.SecretInterface) {
	ns, err := b.kube.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "ledger-"}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	secrets := b.kube.CoreV1().Secrets(ns.Name)
	return ledger.Open(secrets), secrets
}

// bundled is a record whose bundle is these objects.
func bundled(r app.Record, objs []object.Object) app.Record {
	sum := sha256.Sum256([]byte(strings.Join(hashes(objs), " ")))
	r.Bundle, r.Digest = objs, hex.EncodeToString(sum[:8])
	return r
}

func save(t *testing.T, l *ledger.Ledger, r *app.Record) {
	t.Helper()
	version, err := l.Save(t.Context(), *r)
	if err != nil {
		t.Fatal(err)
	}
	r.Version = version
}

// holds fails unless the stored record and bundle are these.
func holds(t *testing.T, l *ledger.Ledger, r app.Record, objs []object.Object) {
	t.Helper()
	got, err := l.Load(t.Context(), r.App)
	if err != nil {
		t.Fatal(err)
	}
	r.Bundle, r.Keep, r.Also = nil, nil, app.Bundle{}
	if diff := cmp.Diff(r, got); diff != "" {
		t.Errorf("record: -want +got\n%.2000s", diff)
	}
	b, err := l.Bundle(t.Context(), r.App, "")
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(hashes(b), hashes(objs)) {
		t.Errorf("bundle: %v, want %v", b, objs)
	}
}

func names(t *testing.T, secrets typed.SecretInterface) []string {
	t.Helper()
	list, err := secrets.List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, s := range list.Items {
		out = append(out, s.Name)
	}
	return out
}

func TestLedger(t *testing.T) {
	plane := testkit.Start(t, testkit.Options{NoControllers: true})
	b := bench{t, plane.Kube}
	t.Run("absent", b.absent)
	t.Run("round trip", b.roundTrip)
	t.Run("two writers", b.twoWriters)
	t.Run("parts grow and shrink", b.parts)
	t.Run("bundles are kept", b.kept)
	t.Run("what an earlier Fairlead wrote", b.earlier)
	t.Run("a crash before the head", b.crash)
	t.Run("many claims", b.manyClaims)
	t.Run("list", b.list)
	t.Run("damage", b.damage)
	t.Run("follower", b.follower)
	t.Run("seed", b.seed)
}

func (b bench) absent(t *testing.T) {
	l, _ := b.open(t)
	r, err := l.Load(t.Context(), name("web"))
	if err != nil || !cmp.Equal(r, app.Record{App: name("web")}) {
		t.Errorf("Load: %+v, %v", r, err)
	}
	if objs, err := l.Bundle(t.Context(), name("web"), ""); err != nil || objs != nil {
		t.Errorf("Bundle: %v, %v", objs, err)
	}
	if err := l.Delete(t.Context(), r); err != nil {
		t.Errorf("Delete: %v", err)
	}
}

func (b bench) roundTrip(t *testing.T) {
	l, secrets := b.open(t)
	r := bundled(app.Record{App: name("web"), Claims: claims(3), Revision: "main@sha1:abc"}, bundle(1, 100))
	first := r.Bundle
	save(t, l, &r)
	holds(t, l, r, first)

	r.Bundle, r.Claims = nil, claims(4)
	save(t, l, &r)
	holds(t, l, r, first)

	r = bundled(r, bundle(2, 100))
	r.Revision = "main@sha1:def"
	second := r.Bundle
	save(t, l, &r)
	holds(t, l, r, second)

	r = bundled(r, []object.Object{})
	r.Claims = app.Claims{}
	save(t, l, &r)
	holds(t, l, r, nil)

	if err := l.Delete(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	if left := names(t, secrets); len(left) > 0 {
		t.Errorf("left after Delete: %v", left)
	}
	if _, err := l.Save(t.Context(), app.Record{App: r.App, Claims: claims(1), Version: r.Version}); fault.KindOf(err) != fault.Conflict {
		t.Errorf("saving over a record that is gone: %v", err)
	}
}

func (b bench) twoWriters(t *testing.T) {
	for _, size := range []int{100, 1200 << 10} {
		l, _ := b.open(t)
		one := bundled(app.Record{App: name("web"), Claims: claims(3)}, bundle(1, size))
		two := one
		save(t, l, &one)
		if _, err := l.Save(t.Context(), two); fault.KindOf(err) != fault.Conflict {
			t.Errorf("two writers create it: %v", err)
		}
		two.Version = one.Version
		one.Claims, one.Bundle = claims(5), nil
		save(t, l, &one)
		for _, objs := range [][]object.Object{nil, bundle(2, size)} {
			if two.Bundle = nil; objs != nil {
				two = bundled(two, objs)
			}
			if version, err := l.Save(t.Context(), two); fault.KindOf(err) != fault.Conflict || version != two.Version {
				t.Errorf("two writers change it: %v, version %s", err, version)
			}
		}
		holds(t, l, one, bundle(1, size))
	}
}

func (b bench) parts(t *testing.T) {
	l, secrets := b.open(t)
	r := app.Record{App: name("web"), Claims: claims(3)}
	for i, size := range []int{100, 1200 << 10, 3 << 20, 1200 << 10, 100, 700 << 10} {
		objs := bundle(uint64(i), size)
		r = bundled(r, objs)
		save(t, l, &r)
		holds(t, l, r, objs)
		r.Bundle, r.Claims = nil, claims(i)
		save(t, l, &r)
		holds(t, l, r, objs)
		if most := 1 + size/(400<<10); len(names(t, secrets)) > most+1 {
			t.Errorf("%d bytes: %v", size, names(t, secrets))
		}
	}
	if err := l.Delete(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	if left := names(t, secrets); len(left) > 0 {
		t.Errorf("left after Delete: %v", left)
	}
}

// A bundle that is to be kept is there, beside the one that was applied since, until nobody wants it; and what is there is not sent again.
func (b bench) kept(t *testing.T) {
	for _, size := range []int{100, 1200 << 10} {
		l, secrets := b.open(t)
		one := bundled(app.Record{App: name("web"), Claims: claims(3)}, bundle(1, size))
		save(t, l, &one)
		two := bundled(one, bundle(2, size))
		two.Keep = []string{one.Digest}
		save(t, l, &two)
		three := bundled(two, bundle(3, 100))
		three.Keep = []string{two.Digest, one.Digest}
		save(t, l, &three)
		for _, r := range []app.Record{one, two, three} {
			if got, err := l.Bundle(t.Context(), r.App, r.Digest); err != nil || !slices.Equal(hashes(got), hashes(r.Bundle)) {
				t.Errorf("bundle %s of %d bytes: %v", r.Digest, size, err)
			}
		}
		also := three
		also.Bundle, also.Also = nil, app.Bundle{Digest: "also", Objects: bundle(4, size)}
		also.Keep = []string{"also", two.Digest, one.Digest}
		save(t, l, &also)
		holds(t, l, also, three.Bundle)
		if got, err := l.Bundle(t.Context(), also.App, "also"); err != nil || !slices.Equal(hashes(got), hashes(also.Also.Objects)) {
			t.Errorf("a bundle of %d bytes that was never applied: %v", size, err)
		}
		if got, err := l.Bundle(t.Context(), also.App, one.Digest); err != nil || !slices.Equal(hashes(got), hashes(one.Bundle)) {
			t.Errorf("beside it, bundle %s of %d bytes: %v", one.Digest, size, err)
		}
		three = also
		three.Also = app.Bundle{}
		back := three
		back.Bundle, back.Digest, back.Keep = nil, one.Digest, nil
		back.Releases, back.Handled = release.State{Released: release.Want{Digest: one.Digest}}, []string{"asked"}
		save(t, l, &back)
		holds(t, l, back, one.Bundle)
		if _, err := l.Bundle(t.Context(), back.App, two.Digest); fault.KindOf(err) != fault.Invalid {
			t.Errorf("a bundle that nobody keeps: %v", err)
		}
		back.Digest = "nobody"
		if _, err := l.Save(t.Context(), back); fault.KindOf(err) != fault.Invalid {
			t.Errorf("a bundle that was never stored: %v", err)
		}
		if err := l.Delete(t.Context(), back); err != nil {
			t.Fatal(err)
		}
		if left := names(t, secrets); len(left) > 0 {
			t.Errorf("left after Delete: %v", left)
		}
	}
}

// What was stored before bundles had names is read, kept, and written over.
func (b bench) earlier(t *testing.T) {
	for what, size := range map[string]int{"in the head": 100, "in parts": 1200 << 10} {
		l, secrets := b.open(t)
		one := bundled(app.Record{App: name("web"), Claims: claims(3)}, bundle(1, size))
		save(t, l, &one)
		b.edit(t, secrets, "ledger-prod-web", func(s *corev1.Secret) {
			if data, ok := s.Data["bundle-"+one.Digest]; ok {
				s.Data["bundle"] = data
				delete(s.Data, "bundle-"+one.Digest)
				s.Annotations["fairlead.dev/parts"] = "1"
			} else {
				stored := s.Annotations["fairlead.dev/bundles"]
				_, rest, _ := strings.Cut(stored, `"bytes":"`)
				s.Annotations["fairlead.dev/bundle"], rest, _ = strings.Cut(rest, `","parts":`)
				s.Annotations["fairlead.dev/parts"] = strings.TrimRight(rest, "}]")
			}
			delete(s.Annotations, "fairlead.dev/bundles")
		})
		was, err := l.Load(t.Context(), one.App)
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		holds(t, l, was, one.Bundle)
		two := bundled(was, bundle(2, 100))
		two.Keep = []string{one.Digest}
		save(t, l, &two)
		holds(t, l, two, bundle(2, 100))
		if got, err := l.Bundle(t.Context(), one.App, one.Digest); err != nil || !slices.Equal(hashes(got), hashes(one.Bundle)) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// died is a client whose process dies before it writes a head.
type died struct{ typed.SecretInterface }

func (died) Patch(_ context.Context, name string, _ types.PatchType, _ []byte, _ metav1.PatchOptions, _ ...string) (*corev1.Secret, error) {
	return nil, fmt.Errorf("died before writing %s", name)
}

func (b bench) crash(t *testing.T) {
	l, secrets := b.open(t)
	for _, n := range []string{"small", "large"} {
		size := map[string]int{"small": 100, "large": 1200 << 10}[n]
		r := bundled(app.Record{App: name(n), Claims: claims(3)}, bundle(1, size))
		save(t, l, &r)
		next := r
		next = bundled(next, bundle(2, 2<<20))
		next.Claims = claims(9)
		if _, err := ledger.Open(died{secrets}).Save(t.Context(), next); err == nil {
			t.Fatal("the process did not die")
		}
		holds(t, l, r, bundle(1, size))
		// The next process comes to the same result and writes it again.
		save(t, l, &next)
		holds(t, l, next, bundle(2, 2<<20))
	}
}

func (b bench) manyClaims(t *testing.T) {
	l, _ := b.open(t)
	r := bundled(app.Record{App: name("web"), Claims: claims(10_000)}, bundle(1, 300<<10))
	for k, c := range r.Claims { // as they are before the first apply
		c.Want, c.Print = "", ""
		r.Claims[k] = c
	}
	save(t, l, &r)
	r.Bundle, r.Claims = nil, claims(10_000)
	save(t, l, &r)
	holds(t, l, r, bundle(1, 300<<10))

	r.Claims = claims(30_000)
	version, err := l.Save(t.Context(), r)
	if fault.KindOf(err) != fault.Invalid || version != r.Version || !strings.Contains(err.Error(), "split it") {
		t.Errorf("too many claims: %v", err)
	}
}

func (b bench) list(t *testing.T) {
	l, secrets := b.open(t)
	want := map[app.Name]app.Record{}
	for i := range 130 { // more than a page
		r := bundled(app.Record{App: name(fmt.Sprintf("app-%d", i)), Claims: claims(i % 4), Revision: fmt.Sprint(i)}, bundle(uint64(i), 10))
		if i == 7 {
			r = bundled(r, bundle(7, 1200<<10))
		}
		save(t, l, &r)
		r.Bundle = nil
		want[r.App] = r
	}
	_, err := secrets.Create(t.Context(), &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "unrelated"}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	all, broken, err := l.List(t.Context())
	if err != nil || len(broken) > 0 {
		t.Fatal(err, broken)
	}
	if diff := cmp.Diff(want, all); diff != "" {
		t.Errorf("-want +got\n%.2000s", diff)
	}
}

// What cannot be read is said, and stops nothing else.
func (b bench) damage(t *testing.T) {
	l, secrets := b.open(t)
	good := bundled(app.Record{App: name("good"), Claims: claims(2)}, bundle(1, 10))
	save(t, l, &good)
	newer := ledger.Pack(t, map[string]any{"format": 99, "app": good.App, "claims": []any{}})
	for what, edit := range map[string]func(*corev1.Secret){
		"not packed":   func(s *corev1.Secret) { s.Data["claims"] = []byte("x") },
		"cut short":    func(s *corev1.Secret) { s.Data["claims"] = s.Data["claims"][:20] },
		"newer format": func(s *corev1.Secret) { s.Data["claims"] = newer },
		"no claims":    func(s *corev1.Secret) { delete(s.Data, "claims") },
		"no parts":     func(s *corev1.Secret) { s.Annotations = nil },
		"too many parts": func(s *corev1.Secret) {
			s.Annotations["fairlead.dev/bundles"] = `[{"digest":"a","bytes":"b","parts":100000}]`
		},
		"no place": func(s *corev1.Secret) { s.Annotations["fairlead.dev/bundles"] = `[{"digest":"a"}]` },
	} {
		r := bundled(app.Record{App: name("bad"), Claims: claims(2)}, bundle(1, 10))
		save(t, l, &r)
		head := b.edit(t, secrets, "ledger-prod-bad", edit)
		if _, err := l.Load(t.Context(), r.App); fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), head) {
			t.Errorf("%s: Load: %v", what, err)
		}
		all, broken, err := l.List(t.Context())
		if err != nil || len(all) != 1 || broken[head] == nil {
			t.Errorf("%s: List: %v, %v, %v", what, slices.Collect(maps.Keys(all)), broken, err)
		}
		if err := l.Delete(t.Context(), r); err != nil {
			t.Errorf("%s: Delete: %v", what, err)
		}
	}
	for what, size := range map[string]int{"bundle in the head": 10, "bundle in parts": 1200 << 10} {
		r := bundled(app.Record{App: name("bad"), Claims: claims(2)}, bundle(1, size))
		save(t, l, &r)
		prefix := "ledger-prod-bad"
		if size > 1000 {
			prefix = partOf(t, secrets)
		}
		b.edit(t, secrets, prefix, func(s *corev1.Secret) {
			for key, data := range s.Data {
				if strings.HasPrefix(key, "bundle") {
					data[15] ^= 1
				}
			}
		})
		got, err := l.Load(t.Context(), r.App)
		if err != nil || !maps.Equal(got.Claims, r.Claims) {
			t.Errorf("%s: the claims are lost with the bundle: %v", what, err)
		}
		if _, err := l.Bundle(t.Context(), r.App, ""); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%s: Bundle: %v", what, err)
		}
		if err := l.Delete(t.Context(), got); err != nil {
			t.Errorf("%s: Delete: %v", what, err)
		}
	}
	gone := bundled(app.Record{App: name("bad"), Claims: claims(2)}, bundle(1, 1200<<10))
	save(t, l, &gone)
	part := partOf(t, secrets)
	if err := secrets.Delete(t.Context(), part, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Bundle(t.Context(), gone.App, ""); fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), "somebody deleted Secret "+part) {
		t.Errorf("a part is gone: Bundle: %v", err)
	}
	if err := l.Delete(t.Context(), gone); err != nil {
		t.Errorf("a part is gone: Delete: %v", err)
	}
	if left := names(t, secrets); len(left) != 1 {
		t.Errorf("left: %v", left)
	}
}

func partOf(t *testing.T, secrets typed.SecretInterface) string {
	list, err := secrets.List(t.Context(), metav1.ListOptions{LabelSelector: "fairlead.dev/ledger=part"})
	if err != nil || len(list.Items) == 0 {
		t.Fatal("no parts", err)
	}
	return list.Items[0].Name
}

// edit changes the first Secret of a prefix and returns its name.
func (b bench) edit(t *testing.T, secrets typed.SecretInterface, prefix string, change func(*corev1.Secret)) string {
	t.Helper()
	for _, n := range names(t, secrets) {
		if !strings.HasPrefix(n, prefix) {
			continue
		}
		s, err := secrets.Get(t.Context(), n, metav1.GetOptions{})
		if err == nil {
			change(s)
			_, err = secrets.Update(t.Context(), s, metav1.UpdateOptions{})
		}
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	t.Fatalf("no Secret %s…", prefix)
	return ""
}

func (b bench) seed(t *testing.T) {
	l, secrets := b.open(t)
	first, made, err := l.Seed(t.Context(), "shop", "production")
	if err != nil || len(first) < 32 || made.IsZero() {
		t.Fatalf("%d bytes, made %s: %v", len(first), made, err)
	}
	again, same, err := l.Seed(t.Context(), "shop", "production")
	if err != nil || string(again) != string(first) || !same.Equal(made) {
		t.Errorf("it is another one the second time: %v", err)
	}
	if other, _, err := l.Seed(t.Context(), "shop", "staging"); err != nil || string(other) == string(first) {
		t.Errorf("two environments have the same: %v", err)
	}
	if apps, broken, err := l.List(t.Context()); err != nil || len(apps)+len(broken) > 0 {
		t.Errorf("seeds are taken for the records of apps: %v %v %v", apps, broken, err)
	}
	list, err := secrets.List(t.Context(), metav1.ListOptions{})
	if err != nil || len(list.Items) != 2 {
		t.Fatalf("%d Secrets: %v", len(list.Items), err)
	}
	s := list.Items[0]
	s.Data["seed"] = []byte("short")
	if _, err := secrets.Update(t.Context(), &s, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, environment := range []string{"production", "staging"} {
		if _, _, err = l.Seed(t.Context(), "shop", environment); err != nil {
			break
		}
	}
	if fault.KindOf(err) != fault.Invalid {
		t.Errorf("a damaged seed is %v", err)
	}
}
